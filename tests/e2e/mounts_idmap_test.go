package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/tests/testbundle"
)

// idmap without mappings uses those of a joined user namespace.
func TestIDMapOfJoinedUserNamespace(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("stat -c %u:%g /mnt/file /mnt/sub/below"))
	hostDirectory(t, b)
	path := fmt.Sprintf("/proc/%d/ns/user", holder(t, unix.CLONE_NEWUSER).Process.Pid)
	with(specs.UserNamespace, path)(b.Spec)
	for _, c := range []struct{ word, want string }{{"idmap", "0:0\n65534:65534"}, {"ridmap", "0:0\n0:0"}} {
		b.Spec.Mounts = append(spec.Default(false).Mounts, specs.Mount{Destination: "/mnt", Source: b.Host, Options: []string{"rbind", c.word}})
		b.Run().Prints(t, c.want)
	}
	same := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 300000, Size: 65536}}
	b.Spec.Linux.UIDMappings, b.Spec.Linux.GIDMappings = same, same
	b.Run().Exit(t, 0)
	b.Spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 300001, Size: 65536}}
	b.Run().Fails(t, "linux.gidMappings", "0 300000 65536", "0 300001 65536")
	b.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/touch", Args: []string{"touch", filepath.Join(b.Host, "ran")}}}}
	b.Run().Fails(t, "linux.gidMappings")
	if _, err := os.Stat(filepath.Join(b.Host, "ran")); err == nil {
		t.Error("a hook ran for a container with wrong mappings")
	}
}

// idmap without mappings uses those of the user namespace: the container's root owns the files of the
// host's root, and the files that it creates are owned by the host's root.
func TestIDMapOfUserNamespace(t *testing.T) {
	b := testbundle.New(t, userns, testbundle.Sh("stat -c %u:%g /mnt/file; touch /mnt/made"))
	if err := os.WriteFile(filepath.Join(b.Host, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	addMount(specs.Mount{Destination: "/mnt", Source: b.Host, Options: []string{"bind", "idmap"}})(b.Spec)
	b.Run().Prints(t, "0:0")
	info, err := os.Stat(filepath.Join(b.Host, "made"))
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || st.Gid != 0 {
		t.Errorf("on the host it is %d:%d's", st.Uid, st.Gid)
	}
}

// A bind source that only the host's root can reach.
func TestBindFromPrivateDirectory(t *testing.T) {
	b := testbundle.New(t, userns, testbundle.Sh("cat /mnt/file"))
	private := filepath.Join(b.Host, "private")
	if err := os.MkdirAll(filepath.Join(private, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(private, "d/file"), []byte("reached\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	addMount(specs.Mount{Destination: "/mnt", Source: filepath.Join(private, "d"), Options: []string{"bind", "ro"}})(b.Spec)
	b.Run().Prints(t, "reached")
}
