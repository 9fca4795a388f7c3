package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestForcedRemovalRace: `rm -f` of a container started with --rm and a published port returns when
// its poststop hook has disconnected the network and its name is free: the next run of the same name
// works at once. MINIRUN_RACES is the number of attempts.
func TestForcedRemovalRace(t *testing.T) {
	if _, err := os.Stat("/usr/lib/cni/bridge"); err != nil {
		t.Skip("needs the plugins of Debian's package containernetworking-plugins")
	}
	need(t, "iptables", "iptables")
	s := loaded(t, runs("sleep", "1000"))
	id := name("race")
	for n := range environment(t, "MINIRUN_RACES", 25) {
		s.Do("run", "-d", "--rm", "--name", id, "-p", "127.0.0.1:18080:80", "busybox")
		if r := s.Minirun("rm", "-f", id); r.Status != 0 || r.Stderr != "" {
			t.Fatalf("attempt %d: %+v", n, r)
		}
		if _, err := os.Lstat(filepath.Join(s.StoreDir, "containers", id)); err == nil {
			t.Fatalf("attempt %d: its directory is left", n)
		}
	}
	if rules := tool(t, "iptables-save"); strings.Contains(rules, "18080") {
		t.Errorf("left:\n%s", rules)
	}
}
