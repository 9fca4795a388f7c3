package resctrl

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestNewPlan(t *testing.T) {
	const l3, mb = "L3:0=f", "MB:0=20"
	all := []string{"L2:0=3", "L3:0=7"}
	for name, c := range map[string]struct {
		rdt    specs.LinuxIntelRdt
		exists string // an existing directory below the root
		want   *Plan  // nil: an error
	}{
		"nothing given":              {specs.LinuxIntelRdt{}, "", &Plan{Group: Group{Control: "/r/web", Private: true}, Create: true}},
		"its own schemata":           {specs.LinuxIntelRdt{L3CacheSchema: l3, MemBwSchema: mb}, "", &Plan{Group: Group{Control: "/r/web", Private: true}, Create: true, Writes: []string{l3 + "\n" + mb}}},
		"all three":                  {specs.LinuxIntelRdt{L3CacheSchema: l3, MemBwSchema: mb, Schemata: all}, "", &Plan{Group: Group{Control: "/r/web", Private: true}, Create: true, Writes: []string{l3 + "\n" + mb, "L2:0=3\nL3:0=7"}}},
		"the ID's group is prepared": {specs.LinuxIntelRdt{MemBwSchema: mb}, "/r/web", &Plan{Group: Group{Control: "/r/web"}, Writes: []string{mb}}},
		"a new class":                {specs.LinuxIntelRdt{ClosID: "gold", Schemata: all}, "", &Plan{Group: Group{Control: "/r/gold"}, Create: true, Writes: []string{"L2:0=3\nL3:0=7"}}},
		"a prepared class":           {specs.LinuxIntelRdt{ClosID: "gold"}, "/r/gold", &Plan{Group: Group{Control: "/r/gold"}}},
		"a class that must match":    {specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: l3}, "/r/gold", &Plan{Group: Group{Control: "/r/gold"}, Matching: []string{l3}, Writes: []string{l3}}},
		"no such class":              {specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true}, "", nil},
		"the default class":          {specs.LinuxIntelRdt{ClosID: "/", EnableMonitoring: true}, "/r", &Plan{Group: Group{Control: "/r", Monitor: "/r/mon_groups/web"}}},
		"monitoring":                 {specs.LinuxIntelRdt{EnableMonitoring: true}, "", &Plan{Group: Group{Control: "/r/web", Monitor: "/r/web/mon_groups/web", Private: true}, Create: true}},
		"monitoring a class":         {specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true}, "/r/gold", &Plan{Group: Group{Control: "/r/gold", Monitor: "/r/gold/mon_groups/web"}}},
	} {
		got, err := newPlan("/r", "web", &c.rdt, func(dir string) bool { return dir == c.exists })
		if c.want != nil {
			c.want.Root = "/r"
		}
		var missing *MissingError
		switch {
		case c.want == nil && !errors.As(err, &missing):
			t.Errorf("%s: %+v, %v", name, got, err)
		case c.want != nil && (err != nil || !reflect.DeepEqual(got, c.want)):
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	if _, err := newPlan("/r", "info", &specs.LinuxIntelRdt{}, func(string) bool { return true }); err == nil {
		t.Error("a container named info may use the kernel's directory")
	}
}

func TestFindMissing(t *testing.T) {
	const file = "    MB:0=100;1= 70\nL3CODE:0=00fff;1=7\n    L3:0=7ff;1=01f\n"
	for line, want := range map[string]bool{
		"L3:0=7ff;1=1f": true, "L3:1=01f": true, "L3:0=0x7ff": true, "MB:0=100": true, "MB:1=70;": true, "L3CODE:0=fff": true,
		"L3:0=7f": false, "L3:2=1": false, "MB:0=70": false, "L2:0=f": false, "L3": false, "L3:0": false, "MB:0=064": false,
	} {
		if got := findMissing([]string{line}, file) == ""; got != want {
			t.Errorf("%q: found %v, want %v", line, got, want)
		}
	}
}

func TestFindInMountinfo(t *testing.T) {
	table := "24 1 0:22 / /sys rw - sysfs sysfs rw\n30 24 0:30 / /sys/fs/my\\040resctrl rw,relatime shared:9 - resctrl resctrl rw\n"
	if root, err := findInMountinfo(strings.NewReader(table)); err != nil || root != "/sys/fs/my resctrl" {
		t.Errorf("found %q, %v", root, err)
	}
	if _, err := findInMountinfo(strings.NewReader(table[:strings.Index(table, "\n")+1])); !errors.Is(err, ErrNotMounted) {
		t.Errorf("without a mount: %v", err)
	}
}

// makeTree creates a directory that looks like a resctrl file system. It does not behave like one:
// writing a file creates it.
func makeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func readContent(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		return "none"
	}
	return string(text)
}

func TestPrivateGroupIsRemoved(t *testing.T) {
	root := makeTree(t, map[string]string{"mon_groups/x": "", "schemata": "L3:0=ff\n"})
	p, err := NewPlan(root, "web", &specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f", EnableMonitoring: true})
	if err == nil {
		err = p.Apply()
	}
	if err == nil {
		err = p.Join(42)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := []string{readContent(t, root, "web/schemata"), readContent(t, root, "web/tasks"), readContent(t, root, "web/mon_groups/web/tasks")}
	if want := []string{"L3:0=f\n", "42", "42"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	undo, err := p.Update("L3:0=3", "MB:0=10")
	if got := readContent(t, root, "web/schemata"); err != nil || got != "L3:0=3\nMB:0=10\n" {
		t.Errorf("after an update: %q, %v", got, err)
	}
	if err := undo(); err != nil || readContent(t, root, "web/schemata") != "L3:0=f\n" {
		t.Errorf("after restoring it: %q, %v", readContent(t, root, "web/schemata"), err)
	}
	if err := p.Remove(); err != nil || readContent(t, root, "web/tasks") != "none" || readContent(t, root, "schemata") != "L3:0=ff\n" {
		t.Errorf("after its removal: %v", err)
	}
	if err := p.Remove(); err != nil {
		t.Errorf("removed twice: %v", err)
	}
}

// TestClassOutlivesTheContainer: only the monitoring group is removed with the container.
func TestClassOutlivesTheContainer(t *testing.T) {
	root := makeTree(t, map[string]string{"mon_groups/x": "", "gold/schemata": "  L3:0=00f\n"})
	p, err := NewPlan(root, "web", &specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=f", EnableMonitoring: true})
	if err == nil {
		err = p.Apply()
	}
	if err == nil {
		err = p.Remove()
	}
	if err != nil || readContent(t, root, "gold/schemata") == "none" {
		t.Fatal("the class is gone: ", err)
	}
	if _, err := os.Stat(p.Monitor); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the monitoring group is left: %v", err)
	}
}

// TestFailedApplyLeavesNothing: neither groups nor changed schemata are left.
func TestFailedApplyLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		rdt   specs.LinuxIntelRdt
		want  string
	}{
		"other schemata":         {map[string]string{"gold/schemata": "L3:0=ff\n"}, specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=f", EnableMonitoring: true}, "exists with different schemata"},
		"no monitoring":          {map[string]string{"schemata": ""}, specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f", EnableMonitoring: true}, "does not support monitoring"},
		"the group is another's": {map[string]string{"mon_groups/web/tasks": "", "schemata": "x"}, specs.LinuxIntelRdt{ClosID: "/", Schemata: []string{"L3:0=f"}, EnableMonitoring: true}, "create the monitoring group"},
		"the kernel refuses":     {map[string]string{"mon_groups/x": "", "gold/schemata/is-a-directory": "", "info/last_cmd_status": "Mask out of range\n"}, specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L3:0=f"}, EnableMonitoring: true}, "Mask out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			root := makeTree(t, c.files)
			before := list(t, root)
			p, err := NewPlan(root, "web", &c.rdt)
			if err == nil {
				err = p.Apply()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if after := list(t, root); after != before {
				t.Errorf("before:\n%safter:\n%s", before, after)
			}
		})
	}
}

// list returns every file with its content. It leaves out the mon_groups directories of classes,
// which the kernel creates.
func list(t *testing.T, root string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && (!d.IsDir() || d.Name() != "mon_groups") {
			out.WriteString(path + " " + readContent(t, path) + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestUnusedClassIsRemoved(t *testing.T) {
	root := makeTree(t, map[string]string{"gold/tasks": "2147483647\n" + strconv.Itoa(os.Getpid()) + "\n", "silver/tasks": "\n"})
	for name, left := range map[string]bool{"gold": true, "silver": false, "none": false} {
		g := Group{Root: root, Control: filepath.Join(root, name)}
		if err := g.RemoveUnused(); err != nil || isDirectory(g.Control) != left {
			t.Errorf("%s: left %v, want %v: %v", name, isDirectory(g.Control), left, err)
		}
	}
}

func TestStatsOfGroup(t *testing.T) {
	root := makeTree(t, map[string]string{
		"schemata": "MB:0=100\nL3:0=ff;1=ff\n", "web/schemata": "    MB:0=20\n    L3:0=0f;1=ff\n",
		"info/L3/cbm_mask": "ff\n", "info/L3/min_cbm_bits": "1\n", "info/L3/num_closids": "16\n",
		"info/MB/bandwidth_gran": "10\n", "info/MB/delay_linear": "1\n", "info/MB/min_bandwidth": "10\n", "info/MB/num_closids": "8\n",
		"web/mon_groups/web/mon_data/mon_L3_00/llc_occupancy": "4096\n", "web/mon_groups/web/mon_data/mon_L3_00/mbm_total_bytes": "7\n", "web/mon_groups/web/mon_data/mon_L3_00/mbm_local_bytes": "Unavailable\n",
		"web/mon_groups/web/mon_data/mon_L3_01/llc_occupancy": "0\n",
	})
	g := Group{Root: root, Control: filepath.Join(root, "web"), Monitor: filepath.Join(root, "web/mon_groups/web")}
	s, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"l3_cache_info":{"cbm_mask":"ff","min_cbm_bits":1,"num_closids":16},"l3_cache_schema_root":"L3:0=ff;1=ff","l3_cache_schema":"L3:0=0f;1=ff",` +
		`"mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,"min_bandwidth":10,"num_closids":8},"mem_bw_schema_root":"MB:0=100","mem_bw_schema":"MB:0=20",` +
		`"mbm_stats":[{"mbm_total_bytes":7,"mbm_local_bytes":0}],"cmt_stats":[{"llc_occupancy":4096},{"llc_occupancy":0}]}`
	if got, err := json.Marshal(s); err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, _ := json.Marshal(Stats{}); string(got) != "{}" {
		t.Errorf("without a group: %s", got)
	}
}
