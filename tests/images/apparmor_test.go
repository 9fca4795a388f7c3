package images

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/apparmor"
)

// TestDefaultProfileOfAppArmor: containers created from images have minirun's profile, unless they are
// privileged or the user chose something else.
func TestDefaultProfileOfAppArmor(t *testing.T) {
	if !apparmor.Enabled() || !apparmor.HasParser() {
		t.Skip("needs a kernel with AppArmor, and apparmor_parser: tests/vm/run --release trixie")
	}
	s := loaded(t, runs("sh"))
	const current = "cat /proc/self/attr/current"
	open := "--cap-add ALL --security-opt systempaths=unconfined --security-opt seccomp=unconfined "
	for _, c := range []struct{ name, flags, script, want string }{
		{"default", "", current, "minirun-default (enforce)"},
		{"its name", "--security-opt apparmor=minirun-default", current, "minirun-default (enforce)"},
		{"unconfined", "--security-opt apparmor=unconfined", current, "unconfined"},
		{"privileged", "--privileged", current, "unconfined"},
		{"privileged, with a profile", "--privileged --security-opt apparmor=minirun-default", current, "minirun-default (enforce)"},
		{"mounts", open, "mount -t tmpfs x /mnt 2>/dev/null || echo denied", "denied"},
		{"mounts, unconfined", open + "--security-opt apparmor=unconfined", "mount -t tmpfs x /mnt && echo mounted", "mounted"},
		{"files in /proc", open, "for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/swappiness /proc/sys/fs/suid_dumpable /proc/sys/fs/mount-max; " +
			"do (: >>$f) 2>/dev/null && echo $f; done; echo end", "end"},
		{"its own files in /proc", open, "echo new >/proc/sys/kernel/hostname && echo 1 >/proc/sys/net/ipv4/ip_forward && echo 9000 >/proc/sys/kernel/msgmax && echo 9 >/proc/sys/fs/mqueue/msg_max && echo 5 >/proc/self/oom_score_adj && hostname", "new"},
		{"files that are to be read", open, "cat /proc/sys/vm/swappiness /proc/sys/kernel/ostype /proc/uptime >/dev/null && echo yes", "yes"},
		{"signals and ptrace among its processes", "", "sleep 100 & kill $! && ls -l /proc/1/exe >/dev/null && echo yes", "yes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"run", "--rm", "--name", name("aa")}, strings.Fields(c.flags)...)
			if got := s.Do(append(args, "busybox", "sh", "-c", c.script)...); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	// The life of a detached container: exec has its profile, and stop may send signals.
	id := name("aa")
	s.Do("run", "-d", "--name", id, "busybox", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
	if got := s.Do("exec", id, "cat", "/proc/self/attr/current", "/proc/1/attr/current"); got != "minirun-default (enforce)\nminirun-default (enforce)" {
		t.Errorf("exec has %q", got)
	}
	s.Do("stop", "-t", "20", id)
	if got := s.Do("inspect", "--format", "{{.State.ExitCode}}", id); got != "7" {
		t.Errorf("stop: status %q", got)
	}
	s.Do("rm", id)
}
