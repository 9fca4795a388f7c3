package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// sleeper is the restore script of a criu whose container is one process.
const sleeper = `sleep 1000 >/dev/null 2>&1 & echo $! > $pidfile`

// restoreFlags returns the flags of a detached restore of the bundle.
func restoreFlags(b *testbundle.Bundle, images string) []string {
	return []string{"restore", "--link-remap", "--detach", "--bundle", b.Dir, "--image-path", images}
}

// restores restores a container under an ID, and deletes it at the end of the test.
func restores(t *testing.T, b *testbundle.Bundle, images, id string) {
	t.Helper()
	cmd := b.Command(append(restoreFlags(b, images), id)...)
	b.Start(cmd)
	exits(t, cmd, 0)
	t.Cleanup(func() {
		b.Minirun("delete", "--force", id).Exit(t, 0)
		testbundle.Reap()
	})
}

// restoredPid returns the process ID of the first process of a container.
func restoredPid(t *testing.T, b *testbundle.Bundle, id string) string {
	t.Helper()
	var state specs.State
	if err := json.Unmarshal([]byte(b.Minirun("state", id).Stdout), &state); err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(state.Pid)
}

// TestCheckpointFindsMountPoints: minirun passes criu the real mountpoints of the mounts in
// config.json. Their destinations may differ: they lead through symbolic links, or the container has
// renamed a directory. restore passes the sources and the root of the bundle that it is given.
func TestCheckpointFindsMountPoints(t *testing.T) {
	bind := func(b *testbundle.Bundle, source, destination string, options ...string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(b.Host, source), 0o755); err != nil {
			t.Fatal(err)
		}
		testbundle.AddMount(specs.Mount{Destination: destination, Source: filepath.Join(b.Host, source), Options: append(options, "bind")})(b.Spec)
	}
	b := testbundle.New(t, testbundle.Writable, testbundle.Sh("mv /one /away && mv /two /one && touch /host/moved && exec sleep 1000"))
	b.Spec.Process.NoNewPrivileges = false
	b.Link("/real", "/link")
	b.Link("../real/deep", "/parent")
	bind(b, "data", "/link")
	bind(b, "below", "/parent/below")
	bind(b, "readonly", "/one/x", "ro")
	bind(b, "writable", "/two/x")
	bind(b, ".", "/host")
	b.File("/kept/x", "", 0o644)
	b.Spec.Linux.ReadonlyPaths = append(b.Spec.Linux.ReadonlyPaths, "/kept")
	images := t.TempDir()
	arguments := fakeCRIU(t, b, sleeper)
	detached(t, b)
	await(t, filepath.Join(b.Host, "moved"))
	b.Minirun("checkpoint", "--image-path", images, b.ID).Exit(t, 0)
	testbundle.Reap()
	hasArguments(t, arguments, " mnt[/real]:/link ", " mnt[/real/deep/below]:/parent/below ", " mnt[/away/x]:/one/x ", " mnt[/one/x]:/two/x ", " mnt[/host]:/host ", " mnt[/kept]:/kept ")

	b.Spec.Mounts[len(b.Spec.Mounts)-5].Source = "/other" // of /link
	b.Spec.Root.Path = "moved"
	if err := os.Rename(b.Path(""), filepath.Join(b.Dir, "moved")); err != nil {
		t.Fatal(err)
	}
	b.Write()
	restores(t, b, images, b.ID+"-again")
	hasArguments(t, arguments, " --link-remap ", " mnt[/kept]:"+b.Dir+"/moved/kept ")
	hasArguments(t, arguments, " mnt[/link]:/other ", " mnt[/parent/below]:"+b.Host+"/below ", " mnt[/one/x]:"+b.Host+"/readonly ", " mnt[/two/x]:"+b.Host+"/writable ")
}

// TestRestoreNotify: a container that was created with NOTIFY_SOCKET gets the directory for its new
// ID when it is restored, and restore reports that it is ready.
func TestRestoreNotify(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("probe notify READY=1; exec sleep 1000"))
	b.Spec.Process.NoNewPrivileges = false
	images := t.TempDir()
	arguments := fakeCRIU(t, b, sleeper)
	b.Spec.Linux.CgroupsPath = "" // by ID
	environment := b.Env
	m := newManager(t, b)
	with := b.Env
	detached(t, b)
	m.got()
	b.Env = environment
	b.Minirun("checkpoint", "--leave-running", "--image-path", images, b.ID).Exit(t, 0)
	hasArguments(t, arguments, " mnt[/run/notify]:notify ")

	check := func(id string) {
		t.Helper()
		restores(t, b, images, id)
		dir := filepath.Join(b.Root, id, "notify")
		hasArguments(t, arguments, " mnt[notify]:"+dir+" ")
		if info, err := os.Stat(dir); err != nil || info.Mode() != os.ModeDir|0o755 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
	check(b.ID + "-alone")
	if got := m.got(); len(got) > 0 {
		t.Errorf("without NOTIFY_SOCKET the manager received %q", got)
	}
	b.Env = with
	check(b.ID + "-notify")
	pid := restoredPid(t, b, b.ID+"-notify")
	m.wants(pid)
}
