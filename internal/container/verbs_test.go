package container

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "-1": -1, "1b": 1, "1B": 1, "1k": 1024, "1K": 1024, "1kb": 1024, "1KiB": 1024, "1 KB": 1024, "512m": 512 << 20,
		"1.5g": 3 << 29, "2GiB": 2 << 30, "1t": 1 << 40, "1P": 1 << 50, "0.5k": 512, "9223372036854775807": 1<<63 - 1,
	} {
		if got, ok := parseSize(s); got != want || !ok {
			t.Errorf("%q: %d, %v; want %d", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "-2", "x", "1x", "1kk", "1bk", "k", "1.2.3", "1e3", "+1", " 1", "1  k", "1k ", "9223372036854775808", "9223372036854775807k", "1bib", "99999999P", "0x10", "1_000", "1i"} {
		if got, ok := parseSize(s); ok {
			t.Errorf("%q is taken as %d", s, got)
		}
	}
}

func TestUpdateFlags(t *testing.T) {
	flags := map[string]string{
		"cpu-share": "512", "cpu-quota": "-1", "cpu-period": "10000", "cpu-burst": "0", "cpu-rt-period": "1000", "cpu-rt-runtime": "900", "cpu-idle": "1",
		"cpuset-cpus": "0-1", "cpuset-mems": "0", "memory": "64M", "memory-reservation": "32M", "memory-swap": "-1", "pids-limit": "5", "blkio-weight": "500",
	}
	get := func(name string) string { return flags[name] }
	r, err := UpdateFlags(get)
	if err != nil {
		t.Fatal(err)
	}
	c, m := r.CPU, r.Memory
	if *c.Shares != 512 || *c.Quota != -1 || *c.Period != 10000 || *c.Burst != 0 || *c.RealtimePeriod != 1000 || *c.RealtimeRuntime != 900 || *c.Idle != 1 ||
		c.Cpus != "0-1" || c.Mems != "0" || *m.Limit != 64<<20 || *m.Reservation != 32<<20 || *m.Swap != -1 || *r.Pids.Limit != 5 || *r.BlockIO.Weight != 500 {
		t.Errorf("%+v %+v %+v", r, c, m)
	}
	for name := range flags {
		for _, bad := range []string{"x", "99999999999999999999"} {
			one := func(n string) string {
				if n == name {
					return bad
				}
				return ""
			}
			if _, err := UpdateFlags(one); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(name, "cpuset-")) {
				t.Errorf("--%s %s: %v", name, bad, err)
			}
		}
	}
	empty, err := UpdateFlags(func(string) string { return "" })
	if err != nil || empty.Pids != nil || empty.BlockIO != nil || empty.Memory.Limit != nil || empty.CPU.Shares != nil {
		t.Errorf("no flag: %+v, %v", empty, err)
	}
}

func TestProcessRows(t *testing.T) {
	const output = "UID   PID  PPID CMD\nroot   12     1 sleep 7\nroot  112    12 a\nroot    1     0 init 12\n\n"
	for _, c := range []struct {
		pids []int
		want string
	}{
		{nil, "UID   PID  PPID CMD\n"},
		{[]int{12}, "UID   PID  PPID CMD\nroot   12     1 sleep 7\n"},
		{[]int{112, 1}, "UID   PID  PPID CMD\nroot  112    12 a\nroot    1     0 init 12\n"},
	} {
		if got, err := processRows(output, c.pids); got != c.want || err != nil {
			t.Errorf("%v: %q, %v", c.pids, got, err)
		}
	}
	for _, bad := range []string{"", "USER CMD\nroot x\n", "PID\nx\n"} {
		if got, err := processRows(bad, []int{1}); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestListNothing(t *testing.T) {
	root := t.TempDir()
	if all, err := List(root+"/none", nil); all != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a root that is not there: %v, %v", all, err)
	}
	// Being created or deleted, not a container's, and damaged: only the last one is reported.
	for _, dir := range []string{"/creating", "/damaged", "/not an ID"} {
		if err := os.Mkdir(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/damaged/state.json", []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var told []string
	all, err := List(root, func(w any) { told = append(told, w.(error).Error()) })
	if len(all) != 0 || err != nil || len(told) != 1 || !strings.Contains(told[0], "damaged") {
		t.Errorf("%v, %v, told %q", all, err, told)
	}
}
