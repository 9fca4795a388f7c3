package stats

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/cgroups/group"
)

// writeFiles writes cgroup files to a directory.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func statsJSON(t *testing.T, g *group.Group) string {
	t.Helper()
	s, err := Read(g)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const noCPUSet = `"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0}`
const noMemory = `"memory":{"usage":{"limit":0,"failcnt":0},"swap":{"limit":0,"failcnt":0},"kernel":{"limit":0,"failcnt":0},"kernelTCP":{"limit":0,"failcnt":0}}`

// TestReadV1: the text is what runc prints for such files, except for the numbers.
func TestReadV1(t *testing.T) {
	cpu := writeFiles(t, map[string]string{
		"cpu.stat":             "nr_periods 76\nnr_throttled 73\nthrottled_time 6540025842\nnr_bursts 0\nburst_time 0\n",
		"cpuacct.usage":        "754862265\n",
		"cpuacct.stat":         "user 73\nsystem 2\n",
		"cpuacct.usage_percpu": "726924234 27938031 \n",
		"cpuacct.usage_all":    "cpu user system\n0 963604861 4000000\n1 8000000 24000000\n",
	})
	blkio := writeFiles(t, map[string]string{
		"blkio.throttle.io_service_bytes_recursive": "254:0 Read 4096\n254:0 Write 0\n254:0 Total 4096\nTotal 4096\n",
		"blkio.bfq.io_serviced_recursive":           "8:16 Read 3\nTotal 3\n",
		"blkio.throttle.io_serviced_recursive":      "254:0 Read 1\nTotal 1\n",
		"blkio.bfq.time_recursive":                  "8:16 77\n",
		"blkio.bfq.sectors_recursive":               "",
	})
	pids := writeFiles(t, map[string]string{"pids.current": "2\n", "pids.max": "10\n"})
	huge := writeFiles(t, map[string]string{
		"hugetlb.2MB.usage_in_bytes": "2097152\n", "hugetlb.2MB.max_usage_in_bytes": "4194304\n", "hugetlb.2MB.failcnt": "5\n",
		"hugetlb.2MB.rsvd.usage_in_bytes": "9\n",
	})
	g := group.Open(map[string]string{"cpu": cpu, "cpuacct": cpu, "blkio": blkio, "pids": pids, "hugetlb": huge, "freezer": t.TempDir()})
	want := `{"cpu":{"usage":{"total":754862265,"percpu":[726924234,27938031],"percpu_kernel":[4000000,24000000],"percpu_user":[963604861,8000000],"kernel":20000000,"user":730000000},` +
		`"throttling":{"periods":76,"throttledPeriods":73,"throttledTime":6540025842}},` + noCPUSet + `,` + noMemory + `,"pids":{"current":2,"limit":10},` +
		`"blkio":{"ioServiceBytesRecursive":[{"major":254,"op":"Read","value":4096},{"major":254,"op":"Write"},{"major":254,"op":"Total","value":4096}],` +
		`"ioServicedRecursive":[{"major":8,"minor":16,"op":"Read","value":3}],"ioTimeRecursive":[{"major":8,"minor":16,"value":77}]},` +
		`"hugetlb":{"2MB":{"usage":2097152,"max":4194304,"failcnt":5}}}`
	if got := statsJSON(t, g); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReadV2(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"cpu.stat":              "usage_usec 12\nuser_usec 7\nsystem_usec 5\nnr_periods 1\nnr_throttled 2\nthrottled_usec 3\n",
		"cpu.pressure":          "some avg10=1.50 avg60=0.00 avg300=0.25 total=42\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
		"cpuset.cpus.effective": "0-1,3\n",
		"cpuset.mems.effective": "0\n",
		"memory.stat":           "anon 100\nfile 200\nkernel 30\nsock 4\n",
		"memory.current":        "330\n",
		"memory.peak":           "400\n",
		"memory.max":            "1000\n",
		"memory.events":         "low 0\nhigh 0\nmax 6\noom 0\noom_kill 0\n",
		"memory.swap.current":   "20\n",
		"memory.swap.max":       "500\n",
		"pids.current":          "1\n",
		"pids.max":              "max\n",
		"io.stat":               "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=9\n9:0 \n",
		"hugetlb.2MB.current":   "0\n",
		"hugetlb.2MB.events":    "max 3\n",
	})
	want := `{"cpu":{"usage":{"total":12000,"kernel":5000,"user":7000},"throttling":{"periods":1,"throttledPeriods":2,"throttledTime":3000},` +
		`"psi":{"some":{"avg10":1.5,"avg60":0,"avg300":0.25,"total":42},"full":{"avg10":0,"avg60":0,"avg300":0,"total":7}}},` +
		strings.Replace(strings.Replace(noCPUSet, `{"cpu_ex`, `{"cpus":[0,1,3],"cpu_ex`, 1), `"mem_hard`, `"mems":[0],"mem_hard`, 1) +
		`,"memory":{"cache":200,"usage":{"limit":1000,"usage":330,"max":400,"failcnt":6},"swap":{"limit":1500,"usage":350,"failcnt":0},` +
		`"kernel":{"limit":0,"usage":30,"failcnt":0},"kernelTCP":{"limit":0,"usage":4,"failcnt":0},"raw":{"anon":100,"file":200,"kernel":30,"sock":4},"events":{"high":0,"low":0,"max":6,"oom":0,"oom_kill":0}},` +
		`"pids":{"current":1},"blkio":{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":1},{"major":8,"op":"Write","value":2},{"major":8,"op":"Discard","value":5}],` +
		`"ioServicedRecursive":[{"major":8,"op":"Read","value":3},{"major":8,"op":"Write","value":4},{"major":8,"op":"Discard","value":6}]},` +
		`"hugetlb":{"2MB":{"failcnt":3}}}`
	if got := statsJSON(t, group.Open(map[string]string{"": dir})); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// On a hybrid host, the values come from the v1 hierarchies, and from the v2 tree where they
	// have none.
	pids := writeFiles(t, map[string]string{"pids.current": "2\n", "pids.max": "3\n"})
	s, err := Read(group.Open(map[string]string{"": dir, "pids": pids, "cpu": pids, "cpuacct": pids, "memory": pids}))
	if err != nil || s.Pids.Current != 2 || s.CPU.Usage.Total != 0 || s.Memory.Usage.Usage != 0 || s.Hugetlb["2MB"].Failcnt != 3 || s.CPU.PSI != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestReadErrors(t *testing.T) {
	gone := t.TempDir() + "/gone"
	if _, err := Read(group.Open(map[string]string{"pids": gone})); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a group that does not exist: %v", err)
	}
	for name, text := range map[string]string{"pids.current": "many\n", "pids.max": "-5\n"} {
		dir := writeFiles(t, map[string]string{name: text})
		if _, err := Read(group.Open(map[string]string{"pids": dir})); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s of %q: %v", name, text, err)
		}
	}
}
