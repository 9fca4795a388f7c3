package build

import (
	"strings"
	"testing"
)

// TestLimitsOfRun: --ulimit and --shm-size are those of every RUN, and part of its key.
func TestLimitsOfRun(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN ulimit -n; ulimit -Hn; ulimit -c; grep -o 'size=[0-9]*k' /proc/mounts | tail -1; grep /dev/shm /proc/mounts\n"}, "")
	out := s.builds(dir, "--progress", "plain", "--ulimit", "nofile=1:2", "--ulimit", "nofile=100:200", "--ulimit", "core=-1", "--shm-size", "1m", "--builder", "default")
	for _, want := range []string{" 100\n", " 200\n", " unlimited\n", "size=1024k"} {
		if !strings.Contains(out.Stderr, want) {
			t.Errorf("no %q in:\n%s", want, out.Stderr)
		}
	}
	for _, c := range [][2]string{
		{"--ulimit=nofile=3:2", "soft limit"}, {"--ulimit=none=3", `"none=3"`}, {"--ulimit=nofile=-2", "-1"}, {"--ulimit=nofile", `"nofile"`},
		{"--shm-size=0", "above zero"}, {"--shm-size=x", `"x"`}, {"--builder=other", "one builder"},
	} {
		s.Minirun("build", c[0], dir).Fails(t, strings.SplitN(c[0], "=", 2)[0], c[1])
	}
}
