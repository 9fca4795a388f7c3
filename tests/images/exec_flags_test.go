package images

import (
	"path/filepath"
	"testing"
)

// TestExecFlags: docker's flags of exec that runc does not have.
func TestExecFlags(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("exec")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	file := filepath.Join(t.TempDir(), "env")
	write(t, file, "# comment\nA=file\nB=file\n")
	t.Setenv("FROM_HOST", "host's")
	if got := s.Do("exec", "--env-file", file, "-e", "B=flag", "-e", "FROM_HOST", "-e", "NOT_SET_HERE", id, "sh", "-c",
		"echo $A $B $FROM_HOST; env | grep -c NOT_SET || true"); got != "file flag host's\n0" {
		t.Errorf("environment: %q", got)
	}
	if got := s.Do("exec", "--privileged", id, "sh", "-c", "mount -t tmpfs x /mnt 2>/dev/null; grep CapEff /proc/self/status"); got == "CapEff:\t00000000a80425fb" {
		t.Errorf("--privileged: %s", got)
	}
	for _, flags := range [][]string{{"--env-file", "/none/such"}, {"-e", "=x"}, {"-e", ""}} {
		r := s.Minirun(append(append([]string{"exec"}, flags...), id, "true")...)
		if r.Status != 255 {
			t.Errorf("%q: status %d", flags, r.Status)
		}
		r.Fails(t, "--env")
	}
}
