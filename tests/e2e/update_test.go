package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// limits reads files of the container's cgroup.
func limits(t *testing.T, b *testbundle.Bundle, files ...string) string {
	t.Helper()
	var values []string
	v2 := onV2(t)
	for _, f := range files {
		controller, _, _ := strings.Cut(f, ".")
		if v2 {
			controller = ""
		}
		text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", controller, b.ID, f))
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, strings.TrimSpace(string(text)))
	}
	return strings.Join(values, " ")
}

// An updateStep is a call of `update` and the contents of files after it.
type updateStep struct {
	flags []string
	stdin string
	want  string
}

func updatesOnV1(t *testing.T, b *testbundle.Bundle) (files []string, steps []updateStep) {
	t.Helper()
	if onV2(t) {
		return nil, nil
	}
	const none = "9223372036854771712"
	cpus := limits(t, b, "cpuset.cpus")
	return []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "pids.max", "cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpuset.cpus"}, []updateStep{
		{nil, "", none + " " + none + " " + none + " max 1024 -1 100000 " + cpus},
		{[]string{"--memory", "64M", "--memory-swap", "128M", "--pids-limit", "20"}, "", "67108864 134217728 " + none + " 20 1024 -1 100000 " + cpus},
		{[]string{"--cpu-share", "512", "--cpu-quota", "20000", "--cpu-period", "50000"}, "", "67108864 134217728 " + none + " 20 512 20000 50000 " + cpus},
		{[]string{"--memory-reservation", "33554432", "--cpuset-cpus", "0", "--cpuset-mems", "0"}, "", "67108864 134217728 33554432 20 512 20000 50000 0"},
		{[]string{"--memory-swap", "-1", "--pids-limit", "-1", "--cpu-quota", "-1", "--kernel-memory", "5M"}, "", "67108864 " + none + " 33554432 max 512 -1 50000 0"},
		{[]string{"-r", "-"}, `{"memory":{"limit":33554432},"cpu":{"shares":0},"pids":{"limit":7},"devices":[]}`, "33554432 " + none + " 33554432 7 512 -1 50000 0"},
		{[]string{"--resources=-"}, `{}`, "33554432 " + none + " 33554432 7 512 -1 50000 0"},
		// As in runc, 0 is a limit, and the cgroup has one process.
		{[]string{"--pids-limit", "0"}, "", "33554432 " + none + " 33554432 1 512 -1 50000 0"},
		{[]string{"-r", "-"}, `{"pids":{"limit":-2},"cpu":{"quota":-7}}`, "33554432 " + none + " 33554432 max 512 -1 50000 0"},
	}
}

// updatesOnV2 has the values for v2: swap is counted without memory, 2 to 262144 shares become a
// weight of 1 to 10000, and quota and period are in one file.
func updatesOnV2() (files []string, steps []updateStep) {
	return []string{"memory.max", "memory.swap.max", "memory.low", "pids.max", "cpu.weight", "cpu.max", "cpuset.cpus"}, []updateStep{
		{nil, "", "max max 0 max 100 max 100000 "},
		{[]string{"--memory", "64M", "--memory-swap", "128M", "--pids-limit", "20"}, "", "67108864 67108864 0 20 100 max 100000 "},
		{[]string{"--cpu-share", "512", "--cpu-quota", "20000", "--cpu-period", "50000"}, "", "67108864 67108864 0 20 59 20000 50000 "},
		{[]string{"--memory-reservation", "33554432", "--cpuset-cpus", "0", "--cpuset-mems", "0"}, "", "67108864 67108864 33554432 20 59 20000 50000 0"},
		{[]string{"--memory-swap", "-1", "--pids-limit", "-1", "--cpu-quota", "-1"}, "", "67108864 max 33554432 max 59 max 50000 0"},
		{[]string{"-r", "-"}, `{"memory":{"limit":33554432},"cpu":{"shares":0},"pids":{"limit":7},"devices":[]}`, "33554432 max 33554432 7 59 max 50000 0"},
		{[]string{"--resources=-"}, `{}`, "33554432 max 33554432 7 59 max 50000 0"},
		{[]string{"--pids-limit", "0"}, "", "33554432 max 33554432 1 59 max 50000 0"},
		{[]string{"-r", "-"}, `{"pids":{"limit":-2},"cpu":{"quota":-7}}`, "33554432 max 33554432 max 59 max 50000 0"},
	}
}

func TestUpdate(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	detached(t, b)
	files, steps := updatesOnV1(t, b)
	if onV2(t) {
		files, steps = updatesOnV2()
	}
	for _, c := range steps {
		b.Stdin = c.stdin
		b.Minirun(append(append([]string{"update"}, c.flags...), b.ID)...).Exit(t, 0)
		if got := limits(t, b, files...); got != c.want {
			t.Errorf("%v %s:\n%s, want\n%s", c.flags, c.stdin, got, c.want)
		}
	}
	before := limits(t, b, files...)
	b.Stdin = ""
	b.Minirun("update", "--memory", "256M", "--memory-swap", "512M", "--cpu-share", "99", "--cpu-quota", "7000", "--cpuset-cpus", "4000", b.ID).Fails(t, "update: cpu.cpus: ")
	if got := limits(t, b, files...); got != before {
		t.Errorf("an update that failed left\n%s, want\n%s", got, before)
	}
	for _, c := range []struct {
		flags []string
		stdin string
		want  string
	}{
		{[]string{"--memory", "lots"}, "", `--memory "lots"`},
		{[]string{"--cpu-share", "1"}, "", "update: cpu.shares: must be from 2"},
		{[]string{"--cpuset-cpus", "4000"}, "", "update: cpu.cpus: "},
		{[]string{"--cpus", "none"}, "", `--cpus "none"`},
		{[]string{"--cpus", "1", "--cpu-quota", "5000"}, "", `--cpus "1": must be given without`},
		{[]string{"--memory", ""}, "", "--memory: the value is empty"},
		{[]string{"-r", "-", "--memory", "1G"}, "{}", "--memory cannot be combined with --resources"},
		{[]string{"--l3-cache-schema", "L3:0=f"}, "", "--l3-cache-schema"},
		{[]string{"-r", "/nonexistent"}, "", "/nonexistent: "},
		{[]string{"-r", "-"}, `{"memory":{"limit":-2}}`, "standard input: memory.limit: must be"},
		{[]string{"-r", "-"}, `{"memory":`, "standard input: memory: must not end here"},
	} {
		b.Stdin = c.stdin
		b.Minirun(append(append([]string{"update"}, c.flags...), b.ID)...).Fails(t, c.want)
	}
	tooLittle := []string{"update", "--memory", "4k", b.ID}
	if onV2(t) { // v2 kills processes that exceed the limit, unless told otherwise
		b.Stdin, tooLittle = `{"memory":{"limit":4096,"checkBeforeUpdate":true}}`, []string{"update", "-r", "-", b.ID}
	}
	b.Minirun(tooLittle...).Fails(t, "update: memory.limit: write")
	b.Minirun("update", "--memory", "1G", "nosuch").Fails(t, "container does not exist")
	b.Minirun("update", "--memory", "1G").Fails(t, "missing argument: ID")
	b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
	awaitStatus(t, b, specs.StateStopped)
	b.Minirun("update", "--memory", "1G", b.ID).Fails(t, "container not running")
}

// Updating all resources of a container at once, including device rules, as Kubernetes does, takes
// nothing from the container.
func TestUpdateDevices(t *testing.T) {
	// A device number without a device: opening it is rejected by the cgroup, or fails with ENXIO.
	const loop = `while :; do case "$( (true </dev/nobody) 2>&1)" in *permitted*) echo no;; *address*) echo yes;; esac >/tmp/answer; sleep 0.01; done`
	b := testbundle.New(t, testbundle.Sh(loop), testbundle.Writable)
	b.Spec.Linux.Devices = append(b.Spec.Linux.Devices, deviceNode("/dev/nobody", 1, 200))
	detached(t, b)
	allowed := func(want string) {
		t.Helper()
		file := filepath.Join(b.Path("tmp"), "answer")
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if got := awaitText(t, file); got != want {
			t.Errorf("the device is allowed: %s, want %s", got, want)
		}
	}
	allowed("no")
	const rule = `{"allow":true,"type":"c","major":1,"minor":200,"access":"r"}`
	for _, c := range []struct{ devices, want string }{
		{`{"allow":false,"access":"rwm"},` + rule, "yes"},
		{`{"allow":false,"access":"rwm"},` + rule, "yes"},
		{`{"allow":false,"access":"rwm"}`, "no"},
		{`{"allow":true,"access":"rwm"}`, "yes"},
		{`{"allow":false,"access":"rwm"}`, "no"},
	} {
		b.Stdin = `{"devices":[` + c.devices + `],"pids":{}}`
		b.Minirun("update", "-r", "-", b.ID).Exit(t, 0)
		allowed(c.want)
	}
}
