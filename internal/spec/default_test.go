package spec

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "write the golden files")

// specFile returns the path of a file of the specification in the module cache.
func specFile(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runtime-spec").Output()
	if err != nil {
		t.Skipf("needs the go command to find the specification: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), name)
}

func TestDefaultGolden(t *testing.T) {
	for name, s := range map[string]*specs.Spec{
		"default":          Default(false),
		"default-unified":  Default(true),
		"rootless":         DefaultRootless(1000, 1001, false),
		"rootless-unified": DefaultRootless(1000, 1001, true),
	} {
		got, err := Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s (go test -update writes it):\n%s", name, file, got)
		}
		_, warns, err := Parse(got)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, w := range warns {
			if !w.Debug {
				t.Errorf("%s: %v", name, w)
			}
		}
	}
}

// TestDefaultMatchesRunc: the documents are runc's, except for the version and the name.
func TestDefaultMatchesRunc(t *testing.T) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("needs runc")
	}
	// runc detects the cgroup version of the host.
	_, err = os.Stat("/sys/fs/cgroup/cgroup.controllers")
	unified := err == nil
	for _, c := range []struct {
		args []string
		ours *specs.Spec
	}{
		{nil, Default(unified)},
		{[]string{"--rootless"}, DefaultRootless(os.Geteuid(), os.Getegid(), unified)},
	} {
		dir := t.TempDir()
		cmd := exec.Command(runc, append([]string{"spec", "--bundle", dir}, c.args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		want, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Parse(want); err != nil {
			t.Errorf("runc's own document: %v", err)
		}
		want = regexp.MustCompile(`"ociVersion": "[^"]*"`).ReplaceAll(want, []byte(`"ociVersion": "`+specs.Version+`"`))
		// Up to version 1.1, runc had ambient capabilities, which have no effect without
		// inheritable ones.
		want = regexp.MustCompile(`,\s*"ambient": \[[^]]*\]`).ReplaceAll(want, nil)
		want = bytes.Replace(want, []byte(`"hostname": "runc"`), []byte(`"hostname": "minirun"`), 1)
		got, err := Marshal(c.ours)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%v: got %s\nwant %s", c.args, got, want)
		}
	}
}
