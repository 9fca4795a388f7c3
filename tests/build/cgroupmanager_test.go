package build

import "testing"

// TestUnusedCgroupManagerIsRejected: a build rejects a cgroup manager that its steps would not use.
func TestUnusedCgroupManagerIsRejected(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN true\n"}, "")
	for _, flags := range [][]string{{"--systemd-cgroup"}, {"--cgroup-manager", "systemd"}, {"--cgroup-manager", "disabled"}} {
		s.Minirun(append(flags, "build", dir)...).Fails(t, "build: --systemd-cgroup and --cgroup-manager", "cgroupfs")
	}
	s.Do("--cgroup-manager", "cgroupfs", "build", dir)
}
