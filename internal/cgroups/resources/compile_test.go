package resources

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// TestCompileGolden compiles each testdata/*.json for each kind of host.
func TestCompileGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.json")
	if len(files) < 5 {
		t.Fatalf("only %d test cases found", len(files))
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := parseResources(t, string(b))
		var got strings.Builder
		for _, name := range []string{"v1", "hybrid", "v2", "bare"} {
			fmt.Fprintf(&got, "== %s\n", name)
			values, err := Compile(hosts()[name], r)
			if err != nil {
				fmt.Fprintf(&got, "error: %v\n", err)
			}
			got.WriteString(formatValues(values))
		}
		golden := strings.TrimSuffix(file, ".json") + ".golden"
		if *updateGolden {
			os.WriteFile(golden, []byte(got.String()), 0o644)
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s differs; got:\n%s", golden, got.String())
		}
	}
}

// TestNoSettingIsIgnored removes settings one by one from a full set of resources. Each must change the
// result, or it was ignored.
func TestNoSettingIsIgnored(t *testing.T) {
	full, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	compileTree := func(h *host.Host, tree any) string {
		b, _ := json.Marshal(tree)
		var r specs.LinuxResources
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		values, err := Compile(h, &r)
		return formatValues(values) + fmt.Sprint(err)
	}
	for name, h := range map[string]*host.Host{"v1": hosts()["v1"], "v2": hosts()["v2"]} {
		var tree map[string]any
		json.Unmarshal(full, &tree)
		if name == "v1" {
			delete(tree, "unified")
		} else { // settings that v2 refuses are in TestCompileRefuses
			m, c := tree["memory"].(map[string]any), tree["cpu"].(map[string]any)
			for _, k := range []string{"kernel", "kernelTCP", "swappiness", "disableOOMKiller", "useHierarchy"} {
				delete(m, k)
			}
			m["checkBeforeUpdate"] = true
			delete(c, "realtimeRuntime")
			delete(c, "realtimePeriod")
			delete(tree, "network")
			b := tree["blockIO"].(map[string]any)
			delete(b, "leafWeight")
			delete(b["weightDevice"].([]any)[0].(map[string]any), "leafWeight")
		}
		before := compileTree(h, tree)
		if !strings.HasSuffix(before, "<nil>") {
			t.Fatalf("%s: %s", name, before)
		}
		n := 0
		for section, v := range tree {
			m, ok := v.(map[string]any)
			if !ok {
				continue
			}
			for key, old := range m {
				if name == "v1" && key == "checkBeforeUpdate" {
					continue // the v1 kernel always behaves like this
				}
				if key == "kernel" {
					continue // internal/spec warns about it
				}
				delete(m, key)
				if compileTree(h, tree) == before {
					t.Errorf("%s: %s.%s is ignored", name, section, key)
				}
				m[key] = old
				n++
			}
		}
		if n < 15 {
			t.Errorf("%s: only %d settings tried", name, n)
		}
	}
}

func TestSharesToWeight(t *testing.T) {
	for shares, want := range map[uint64]uint64{2: 1, 1024: 100, 262144: 10000, 512: 59, 2048: 174} {
		if got := sharesToWeight(shares); got != want {
			t.Errorf("sharesToWeight(%d) = %d, want %d", shares, got, want)
		}
	}
	last := uint64(0)
	for s := uint64(2); s <= maxShares; s++ {
		w := sharesToWeight(s)
		if w < last || w < 1 || w > 10000 {
			t.Fatalf("sharesToWeight(%d) = %d after %d", s, w, last)
		}
		last = w
	}
}

func FuzzCompile(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.json")
	for _, file := range files {
		b, _ := os.ReadFile(file)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r specs.LinuxResources
		if json.Unmarshal(b, &r) != nil {
			return
		}
		for name, h := range hosts() {
			values, err := Compile(h, &r)
			if err != nil {
				if !strings.HasPrefix(err.Error(), "config.json: linux.resources.") {
					t.Fatalf("%s: error without a JSON path: %v", name, err)
				}
				continue
			}
			g := group.New(h, "x")
			for _, v := range values {
				for p := &v; p != nil; p = p.Or {
					if strings.ContainsAny(p.File, "/\n\x00") || p.File == "" || p.File[0] == '.' {
						t.Fatalf("%s: a file named %q", name, p.File)
					}
					if p.directory(g) == "" {
						t.Fatalf("%s: %s has no directory", name, p.File)
					}
					if p.Program == nil && p.Verify != VerifyDevices && strings.Contains(p.Value, "\n") {
						t.Fatalf("%s: two lines in one write: %q", name, p.Value)
					}
					if !strings.HasPrefix(p.Source, pathPrefix) {
						t.Fatalf("%s: %s without a source", name, p.File)
					}
				}
			}
		}
	})
}
