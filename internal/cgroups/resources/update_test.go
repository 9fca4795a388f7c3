package resources

import (
	"errors"
	"strings"
	"testing"
)

// formatWrites formats the values that are written as "file=value" in one line.
func formatWrites(values []Value) string {
	var s []string
	for _, v := range values {
		s = append(s, v.File+"="+v.Value)
	}
	return strings.Join(s, " ")
}

func TestCompileUpdate(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	period := uint64(50000)
	for _, c := range []struct {
		host, json string
		current    currentValues
		want       string
	}{
		{"v1 v2", `{}`, currentValues{}, ""},
		{"v1 v2", `{"devices":[],"memory":{},"cpu":{},"blockIO":{}}`, currentValues{}, ""},
		// Engines send these values for settings that are not given.
		{"v1 v2", `{"memory":{"limit":0,"swap":0,"reservation":0},"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"blockIO":{"weight":0}}`, currentValues{}, ""},
		{"v1 v2", `{"pids":{"limit":0}}`, currentValues{}, "pids.max=1"},
		{"v1 v2", `{"pids":{"limit":-9}}`, currentValues{}, "pids.max=max"},
		{"v1", `{"cpu":{"quota":-9}}`, currentValues{}, "cpu.cfs_quota_us=-1"},
		{"v2", `{"cpu":{"quota":-9}}`, currentValues{}, "cpu.max=max"},
		{"v1 v2", `{"memory":{"kernel":4096,"swappiness":18446744073709551615,"useHierarchy":false}}`, currentValues{}, ""},
		{"v1", `{"pids":{"limit":-1}}`, currentValues{}, "pids.max=max"},
		{"v1", `{"memory":{"swap":8192}}`, currentValues{}, "memory.memsw.limit_in_bytes=8192"},
		{"v1", `{"cpu":{"period":5000}}`, currentValues{}, "cpu.cfs_period_us=5000"},
		{"v1", `{"cpu":{"burst":0}}`, currentValues{}, "cpu.cfs_burst_us=0"},
		{"v2", `{"cpu":{"burst":0}}`, currentValues{}, "cpu.max.burst=0"},
		{"bare", `{"cpu":{"burst":0}}`, currentValues{}, ""},
		// v2 has one file for two values of config.json.
		{"v2", `{"cpu":{"period":5000}}`, currentValues{quota: number(2000)}, "cpu.max=2000 5000"},
		{"v2", `{"cpu":{"period":5000}}`, currentValues{quota: number(-1)}, "cpu.max=max 5000"},
		{"v2", `{"cpu":{"quota":5000}}`, currentValues{}, "cpu.max=5000"},
		{"v2", `{"cpu":{"quota":5000}}`, currentValues{period: &period}, "cpu.max=5000 50000"},
		{"v2", `{"memory":{"swap":8192}}`, currentValues{memory: number(4096)}, "memory.swap.max=4096"},
		{"v2", `{"memory":{"swap":8192,"reservation":100}}`, currentValues{memory: number(4096)}, "memory.low=100 memory.swap.max=4096"},
		{"v2", `{"memory":{"swap":-1}}`, currentValues{}, "memory.swap.max=max"},
		{"v2", `{"memory":{"swap":8192}}`, currentValues{memory: number(-1)}, "error: linux.resources.memory.swap"},
		{"v2", `{"memory":{"swap":8192}}`, currentValues{memory: number(9000)}, "error: linux.resources.memory.swap"},
		{"bare", `{"memory":{"limit":8192}}`, currentValues{}, "error: linux.resources.memory.limit"},
		{"bare", `{"devices":[{"allow":true,"access":"rw","type":"c","major":1}]}`, currentValues{}, "error: linux.resources.devices"},
	} {
		for host := range strings.FieldsSeq(c.host) {
			values, rules, err := compileUpdate(hosts()[host], parseResources(t, c.json), c.current)
			got := formatWrites(values)
			var e *Error
			if errors.As(err, &e) {
				got = "error: " + e.Path
			} else if rules != nil {
				t.Errorf("%s: %s: device rules were not given", host, c.json)
			}
			if got != c.want {
				t.Errorf("%s: %s: %s, want %s (%v)", host, c.json, got, c.want, err)
			}
		}
	}
}
