package resources

import (
	"strings"
	"testing"
)

func TestRestoringValues(t *testing.T) {
	for _, c := range []struct{ host, update, before, want string }{
		{"v1", `{"pids":{"limit":5}}`, "pids.max=max", "pids.max=max"},
		// The last value is restored first. If the update had to be written in a certain order, so
		// has the restoration.
		{"v1", `{"memory":{"limit":8192,"swap":16384}}`, "memory.limit_in_bytes=4096;memory.memsw.limit_in_bytes=4096",
			"memory.memsw.limit_in_bytes=4096+ memory.limit_in_bytes=4096"},
		{"v1", `{"memory":{"disableOOMKiller":true}}`, "memory.oom_control=oom_kill_disable 0\nunder_oom 0", "memory.oom_control=0"},
		{"v2", `{"cpu":{"quota":2000}}`, "cpu.max=max 100000", "cpu.max=max 100000"},
		{"v2", `{"cpu":{"cpus":"0"}}`, "cpuset.cpus=", "cpuset.cpus=\n"},
		// Clearing idle resets the shares, and they cannot be set while a cgroup is idle.
		{"v1", `{"cpu":{"idle":1}}`, "cpu.idle=0;cpu.shares=512", "cpu.idle=0 cpu.shares=512"},
		{"v1", `{"cpu":{"idle":0,"shares":7}}`, "cpu.idle=1;cpu.shares=3", "cpu.idle=1"},
		// The file of another I/O scheduler, or one line of a file.
		{"v1", `{"blockIO":{"weight":300}}`, "blkio.bfq.weight=100", "blkio.bfq.weight=100"},
		{"v2", `{"blockIO":{"weight":300}}`, "io.bfq.weight=default 100\n8:0 5", "io.bfq.weight=100"},
		{"v1", `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5}]}}`, "blkio.throttle.read_bps_device=8:0 1048576\n8:16 7", "blkio.throttle.read_bps_device=8:0 1048576"},
		{"v1", `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5}]}}`, "blkio.throttle.read_bps_device=", "blkio.throttle.read_bps_device=8:0 0"},
		{"v2", `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5}]}}`, "io.max=", "io.max=8:0 rbps=max"},
		// For an unknown file, the line that was written is restored; for controllers, the sign is
		// inverted.
		{"v2", `{"unified":{"io.weight":"8:0 300"}}`, "io.weight=default 100", "io.weight=8:0 default"},
		{"v2", `{"unified":{"io.weight":"8:0 300"}}`, "io.weight=default 100\n8:0 200\n8:16 7", "io.weight=8:0 200"},
		{"v2", `{"unified":{"io.weight":"300"}}`, "io.weight=default 100\n8:0 200", "io.weight=default 100"},
		{"v2", `{"unified":{"io.latency":"8:0 target=5"}}`, "io.latency=", "io.latency=8:0 target=max"},
		{"v2", `{"unified":{"cgroup.subtree_control":"+cpu -io"}}`, "cgroup.subtree_control=io memory", "cgroup.subtree_control=-cpu +io"},
		// A file that does not exist in this kernel was not written.
		{"v2", `{"cpu":{"burst":0}}`, "", ""},
	} {
		values, _, err := compileUpdate(hosts()[c.host], parseResources(t, c.update), currentValues{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range restoringValues(values, parseFiles(c.before)) {
			text := v.File + "=" + v.Value
			if v.SwapNext {
				text += "+"
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %s: %q, want %q", c.host, c.update, got, c.want)
		}
	}
}

// parseFiles parses "file=text;file=text".
func parseFiles(list string) fileReader {
	texts := map[string]string{}
	for file := range strings.SplitSeq(list, ";") {
		if name, text, ok := strings.Cut(file, "="); ok {
			texts[name] = text
		}
	}
	return func(_ *Value, file string) (string, bool) {
		text, ok := texts[file]
		return text, ok
	}
}
