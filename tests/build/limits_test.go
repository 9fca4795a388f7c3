package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRunLimits: --ulimit and --shm-size apply to every RUN, and are part of its cache key.
func TestRunLimits(t *testing.T) {
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
		{"--resource=memory", "KEY=VALUE"}, {"--resource=memory=x", `"x" must be a size`}, {"--resource=memory=-1", "size"}, {"--resource=gpu=1", `unknown key "gpu"`},
		{"--resource=cpu-quota=0", "above zero"}, {"--shm-size=0", "above zero"}, {"--shm-size=x", `"x"`}, {"--builder=other", "only builder"},
	} {
		s.Minirun("build", c[0], dir).Fails(t, strings.SplitN(c[0], "=", 2)[0], c[1])
	}
}

// TestRunResources: --resource and --cgroup-parent apply to every RUN, including those with
// --security=insecure, and are not part of the cache key. No cgroup is left.
func TestRunResources(t *testing.T) {
	testbundleRoot(t)
	s := newStore(t)
	read := "RUN f=/sys/fs/cgroup/memory/memory.limit_in_bytes; [ -e $f ] || f=/sys/fs/cgroup/memory.max; cat $f; cat /proc/self/cgroup\n"
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\n" + read}, "")
	out := s.builds(dir, "--resource", "memory=64m", "--resource", "cpu-shares=512", "--cgroup-parent", "/minirun-test-parent")
	if !strings.Contains(out.said, "67108864\n") || !strings.Contains(out.said, "minirun-test-parent") && !strings.Contains(out.said, ":/\n") {
		t.Errorf("RUN has\n%s", out.said)
	}
	left, err := filepath.Glob("/sys/fs/cgroup/*/minirun-test-parent/*/tasks")
	more, _ := filepath.Glob("/sys/fs/cgroup/minirun-test-parent/*/cgroup.procs")
	if left = append(left, more...); err != nil || len(left) > 0 {
		t.Errorf("left are %q, %v", left, err)
	}
	for _, pattern := range []string{"/sys/fs/cgroup/*/minirun-test-parent", "/sys/fs/cgroup/minirun-test-parent"} {
		parents, _ := filepath.Glob(pattern)
		for _, p := range parents {
			_ = os.Remove(p)
		}
	}
	if again := s.builds(dir, "--resource", "memory=128m"); len(again.cached) != 1 {
		t.Errorf("with another limit ran %q", again.ran)
	}
	insecure := contextDir(t, map[string]string{"Dockerfile": "FROM base\n" + strings.Replace(read, "RUN ", "RUN --security=insecure ", 1)}, "")
	if out := s.builds(insecure, "--allow", "security.insecure", "--resource", "memory=64m"); !strings.Contains(out.said, "67108864\n") {
		t.Errorf("RUN --security=insecure has\n%s", out.said)
	}
}
