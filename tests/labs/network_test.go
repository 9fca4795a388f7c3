package labs

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestResetRemovesNetwork: a reset removes network devices, named network namespaces and nftables tables
// with the lab's prefix, and nothing else. It can be repeated.
func TestResetRemovesNetwork(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip is not installed")
	}
	l := newLearner(t)
	l.do("start", "17")
	run := func(words ...string) string {
		t.Helper()
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", words, err, out)
		}
		return string(out)
	}
	run("ip", "link", "add", "lab17br", "type", "bridge")
	run("ip", "link", "add", "lab17a", "type", "veth", "peer", "name", "lab17b")
	run("ip", "netns", "add", "lab17ns")
	run("ip", "link", "set", "lab17b", "netns", "lab17ns")
	run("ip", "link", "add", "own17", "type", "bridge")
	t.Cleanup(func() { run("ip", "link", "delete", "own17") })
	_, noTables := exec.LookPath("nft")
	if noTables == nil {
		run("nft", "add", "table", "ip", "lab17")
	}
	for range 2 {
		l.do("reset", "17")
	}
	if links := run("ip", "-o", "link"); strings.Contains(links, "lab17") || !strings.Contains(links, "own17") {
		t.Errorf("after the reset:\n%s", links)
	}
	if _, err := os.Lstat("/run/netns/lab17ns"); err == nil {
		t.Error("the namespace lab17ns is left")
	}
	if noTables == nil && strings.Contains(run("nft", "list", "tables"), "lab17") {
		t.Error("the table lab17 is left")
	}
}
