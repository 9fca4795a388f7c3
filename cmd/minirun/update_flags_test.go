package main

import (
	"strings"
	"testing"
)

func TestParseSizeAcceptsBinaryUnits(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "-1": -1, "1b": 1, "1B": 1, "1k": 1024, "1K": 1024, "1kb": 1024, "1KiB": 1024, "1 KB": 1024,
		"512m": 512 << 20,
		"1.5g": 3 << 29, "2GiB": 2 << 30, "1t": 1 << 40, "1P": 1 << 50, "0.5k": 512, "9223372036854775807": 1<<63 - 1,
	} {
		if got, ok := parseSize(s); got != want || !ok {
			t.Errorf("%q: %d, %v; want %d", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "-2", "x", "1x", "1kk", "1bk", "k", "1.2.3", "1e3", "+1", " 1", "1  k", "1k ",
		"9223372036854775808", "9223372036854775807k", "1bib", "99999999P", "0x10", "1_000", "1i"} {
		if got, ok := parseSize(s); ok {
			t.Errorf("%q is taken as %d", s, got)
		}
	}
}

func TestParseResourcesOfUpdate(t *testing.T) {
	flags := map[string]string{
		"cpu-share": "512", "cpu-quota": "-1", "cpu-period": "10000", "cpu-burst": "0", "cpu-rt-period": "1000",
		"cpu-rt-runtime": "900", "cpu-idle": "1",
		"cpuset-cpus": "0-1", "cpuset-mems": "0", "memory": "64M", "memory-reservation": "32M", "memory-swap": "-1",
		"pids-limit": "5", "blkio-weight": "500",
	}
	get := func(name string) string { return flags[name] }
	r, err := parseResources(get)
	if err != nil {
		t.Fatal(err)
	}
	c, m := r.CPU, r.Memory
	if *c.Shares != 512 || *c.Quota != -1 || *c.Period != 10000 || *c.Burst != 0 || *c.RealtimePeriod != 1000 ||
		*c.RealtimeRuntime != 900 || *c.Idle != 1 ||
		c.Cpus != "0-1" || c.Mems != "0" || *m.Limit != 64<<20 || *m.Reservation != 32<<20 || *m.Swap != -1 ||
		*r.Pids.Limit != 5 || *r.BlockIO.Weight != 500 {
		t.Errorf("%+v %+v %+v", r, c, m)
	}
	cpus := func(name string) string { return map[string]string{"cpus": "1.5"}[name] }
	if r, err := parseResources(cpus); err != nil || *r.CPU.Quota != 150000 || *r.CPU.Period != 100000 {
		t.Errorf("--cpus: %+v, %v", r, err)
	}
	for name := range flags {
		for _, bad := range []string{"x", "99999999999999999999"} {
			one := func(n string) string {
				if n == name {
					return bad
				}
				return ""
			}
			if _, err := parseResources(one); err == nil ||
				!strings.Contains(err.Error(), strings.TrimPrefix(name, "cpuset-")) {
				t.Errorf("--%s %s: %v", name, bad, err)
			}
		}
	}
	empty, err := parseResources(func(string) string { return "" })
	if err != nil || empty.Pids != nil || empty.BlockIO != nil || empty.Memory.Limit != nil || empty.CPU.Shares != nil {
		t.Errorf("no flag: %+v, %v", empty, err)
	}
}

// TestParseRdtSchemasRefusesOtherResources: a value with more than one line, or for a different resource, is refused.
func TestParseRdtSchemasRefusesOtherResources(t *testing.T) {
	for _, c := range []struct {
		l3, mb string
		ok     bool
	}{{"L3:0=f", "MB:0=20", true}, {"", "", true}, {"L3CODE:0=f", "", true}, {"MB:0=20", "", false},
		{"", "L3:0=f", false}, {"L3:0=f\nMB:0=1", "", false}, {"", "0=20", false}} {
		values := map[string]string{"l3-cache-schema": c.l3, "mem-bw-schema": c.mb}
		if _, err := parseRdtSchemas(func(name string) string { return values[name] }); (err == nil) != c.ok {
			t.Errorf("%q, %q: %v", c.l3, c.mb, err)
		}
	}
}
