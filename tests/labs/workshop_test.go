package labs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestWorkshop is a class on a fresh machine without a network: install from the archive, doctor, all labs
// by their reference solutions, reset, and nothing is left.
func TestWorkshop(t *testing.T) {
	if testing.Short() || os.Getenv("MINIRUN") == "" && os.Getenv("MINIRUN_WORKSHOP") == "" {
		t.Skip("takes minutes: tests/vm/test labs runs it in a fresh machine, MINIRUN_WORKSHOP=1 here; TestLabs runs all solutions")
	}
	l := newLearner(t)
	begin := time.Now()
	archive := filepath.Join(t.TempDir(), "labs.tar.gz")
	l.do("pack", archive)
	if out, err := exec.Command("tar", "xzf", archive, "-C", l.home).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	prefix := filepath.Join(l.home, "prefix")
	if out, err := exec.Command(filepath.Join(l.home, "minirun-labs/install.sh"), prefix).CombinedOutput(); err != nil {
		t.Fatalf("install.sh: %v: %s", err, out)
	}
	if err := os.RemoveAll(filepath.Join(l.home, "minirun-labs")); err != nil { // the labs' own directory has this name
		t.Fatal(err)
	}
	namespace := testbundle.NewNetworkNamespace(t)
	namespace.IP("link", "set", "lo", "up")
	network := namespace.Path()
	// lab runs a command of the installed minirun in a separate network namespace: there is no network.
	lab := func(args ...string) (string, error) {
		cmd := exec.Command("nsenter", append([]string{"--net=" + network, filepath.Join(prefix, "bin/minirun"), "lab"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+l.home, "XDG_STATE_HOME=", "LC_ALL=C", "PATH="+filepath.Join(prefix, "bin")+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	var missing []struct {
		Name string   `json:"name"`
		OK   bool     `json:"ok"`
		Labs []string `json:"labs"`
	}
	out, err := lab("doctor", "--json")
	text, _, _ := strings.Cut(out, "\nminirun:")
	if err := json.Unmarshal([]byte(text), &missing); err != nil {
		t.Fatalf("doctor: %v: %s", err, out)
	}
	lacks := map[string]string{}
	for _, m := range missing {
		if !m.OK {
			for _, number := range m.Labs {
				lacks[number] = m.Name
			}
		}
	}
	if (err != nil) != (len(lacks) > 0) {
		t.Errorf("doctor: %v, but it misses %v", err, lacks)
	}
	var list []struct{ Number, Name string }
	out, err = lab("list", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("list: %v: %s", err, out)
	}
	if err != nil || len(list) < 19 {
		t.Errorf("%d labs, %v", len(list), err)
	}
	for _, one := range list {
		if what := lacks[one.Number]; what != "" {
			t.Logf("skip: lab %s: this machine has no %s", one.Number, what)
			continue
		}
		start := time.Now()
		for _, args := range [][]string{{"start", one.Number}, {"solve", one.Number}, {"check", one.Number}} {
			if out, err := lab(args...); err != nil {
				t.Errorf("lab %s: %v\n%s", strings.Join(args, " "), err, out)
				break
			}
		}
		if out, err := lab("reset", one.Number); err != nil {
			t.Errorf("reset %s: %v\n%s", one.Number, err, out)
		}
		t.Logf("lab %s, %s: %.1f s", one.Number, one.Name, time.Since(start).Seconds())
	}
	if out, err := lab("reset", "--all"); err != nil {
		t.Errorf("reset --all: %v\n%s", err, out)
	}
	t.Logf("the workshop took %.0f s", time.Since(begin).Seconds())
}
