package container

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDumpArgs(t *testing.T) {
	config := &specs.Spec{
		Linux:  &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
		Mounts: []specs.Mount{{Destination: "/proc", Type: "proc"}, {Destination: "data/", Source: "/d", Options: []string{"bind"}}},
	}
	r := &Record{Pid: 42, Rootfs: "/b/rootfs", Cgroups: map[string]string{"freezer": "/f/c", "": "/u/c"}}
	const begin = "--tree 42 --images-dir /i --root /b/rootfs --log-file dump.log -v4 "
	for _, c := range []struct {
		o    CheckpointOptions
		want string
	}{
		{CheckpointOptions{StatusFD: -1}, "dump " + begin + "--freeze-cgroup /f/c --evasive-devices --manage-cgroups=soft"},
		{CheckpointOptions{StatusFD: -1, PreDump: true, LeaveRunning: true}, "pre-dump " + begin + "--track-mem --freeze-cgroup /f/c --manage-cgroups=soft"},
		{CheckpointOptions{StatusFD: 7, WorkPath: "/w", ParentPath: "../p", LeaveRunning: true, TCPEstablished: true, ExtUnixSk: true, ShellJob: true, FileLocks: true,
			AutoDedup: true, LinkRemap: true, LazyPages: true, PageServer: "[::1]:99", ManageCgroups: "full", EmptyNS: []string{"network"}},
			"dump " + begin + "--work-dir /w --prev-images-dir ../p --track-mem --freeze-cgroup /f/c --evasive-devices --leave-running --tcp-established --ext-unix-sk " +
				"--shell-job --file-locks --auto-dedup --link-remap --lazy-pages --status-fd 3 --manage-cgroups=full --page-server --address ::1 --port 99 --empty-ns net"},
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
