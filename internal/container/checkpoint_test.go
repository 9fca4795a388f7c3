package container

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// TestCRIUConfig: the annotation replaces the usual file, which may be missing.
func TestCRIUConfig(t *testing.T) {
	usual := filepath.Join(t.TempDir(), "runc.conf")
	own := map[string]string{spec.AnnotationCRIUConfig: "/own.conf"}
	none := map[string]string{spec.AnnotationCRIUConfig: ""}
	check := func(annotations map[string]string, want string) {
		t.Helper()
		if got := strings.Join(criuConfig(annotations, usual), " "); got != want {
			t.Errorf("%v: %q, want %q", annotations, got, want)
		}
	}
	check(nil, "")
	check(own, "--config /own.conf")
	if err := os.WriteFile(usual, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	check(nil, "--config "+usual)
	check(own, "--config /own.conf")
	check(none, "")
}

func TestDumpArgs(t *testing.T) {
	config := &specs.Spec{
		Linux:  &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
		Mounts: []specs.Mount{{Destination: "/proc", Type: "proc"}, {Destination: "data/", Source: "/d", Options: []string{"bind"}}},
	}
	r := &Record{
		Pid: 42, Rootfs: "/b/rootfs", Cgroups: map[string]string{"freezer": "/f/c", "": "/u/c"},
		Annotations: map[string]string{spec.AnnotationCRIUConfig: "/etc/criu/own.conf"},
	}
	const end = " --config /etc/criu/own.conf"
	const begin = "--tree 42 --images-dir /i --root /b/rootfs --log-file dump.log -v4 "
	for _, c := range []struct {
		o    CheckpointOptions
		want string
	}{
		{CheckpointOptions{StatusFD: -1}, "dump " + begin + "--freeze-cgroup /f/c --evasive-devices --manage-cgroups=soft" + end},
		{CheckpointOptions{StatusFD: -1, PreDump: true, LeaveRunning: true}, "pre-dump " + begin + "--track-mem --freeze-cgroup /f/c --manage-cgroups=soft" + end},
		{CheckpointOptions{StatusFD: 7, WorkPath: "/w", ParentPath: "../p", LeaveRunning: true, TCPEstablished: true, TCPSkipInFlight: true, ExtUnixSk: true, ShellJob: true, FileLocks: true,
			AutoDedup: true, LinkRemap: true, LazyPages: true, PageServer: "[::1]:99", ManageCgroups: "full", EmptyNS: []string{"network"}},
			"dump " + begin + "--work-dir /w --prev-images-dir ../p --track-mem --freeze-cgroup /f/c --evasive-devices --leave-running --tcp-established --skip-in-flight --ext-unix-sk " +
				"--shell-job --file-locks --auto-dedup --link-remap --lazy-pages --status-fd 3 --manage-cgroups=full --page-server --address ::1 --port 99 --empty-ns net" + end},
	} {
		c.o.ImagePath = "/i"
		args, err := r.dumpArgs(&c.o, config)
		if got := strings.Join(args, " "); got != c.want || err != nil {
			t.Errorf("%+v:\n%s, want\n%s (%v)", c.o, got, c.want, err)
		}
	}
	for flag, o := range map[string]CheckpointOptions{
		"--page-server":         {PageServer: "host"},
		"--manage-cgroups-mode": {ManageCgroups: "hard"},
		"--empty-ns":            {EmptyNS: []string{"pid"}},
		"--parent-path":         {ParentPath: "/abs"},
	} {
		if args, err := r.dumpArgs(&o, config); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v, %v", flag, args, err)
		}
	}
}
