package spec

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// header returns the numbers that a kernel header defines for names that match pattern. The headers
// are a second source in addition to x/sys.
func header(t *testing.T, file, pattern string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("needs kernel headers (linux-libc-dev): %v", err)
	}
	found := map[string]int{}
	for _, m := range regexp.MustCompile(`#\s*define\s+(`+pattern+
		`)\s+(0x[0-9a-fA-F]+|\d+)\b`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.ParseInt(m[2], 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		found[m[1]] = int(n)
	}
	if len(found) == 0 {
		t.Fatalf("%s defines no %s", file, pattern)
	}
	return found
}

func TestCapabilities(t *testing.T) {
	names := CapabilityNames()
	if len(names) != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d names, want %d", len(names), unix.CAP_LAST_CAP+1)
	}
	for i, name := range names {
		if n, ok := Capability(name); !ok || n != i || CapabilityName(i) != name {
			t.Errorf("%s: number %d, %t; %d is %s", name, n, ok, i, CapabilityName(i))
		}
	}
	for _, name := range []string{"", "CAP_FOO", "cap_chown", "CHOWN", "CAP_41"} {
		if _, ok := Capability(name); ok {
			t.Errorf("%q is a capability", name)
		}
	}
	if CapabilityName(41) != "CAP_41" || CapabilityName(-1) != "CAP_-1" {
		t.Error(CapabilityName(41), CapabilityName(-1))
	}
	for name, want := range header(t, "/usr/include/linux/capability.h", `CAP_[A-Z_]+`) {
		if n, ok := Capability(name); name != "CAP_LAST_CAP" && (!ok || n != want) {
			t.Errorf("%s is %d, %t; the kernel says %d", name, n, ok, want)
		}
	}
}

func TestRlimits(t *testing.T) {
	for name, want := range header(t, "/usr/include/asm-generic/resource.h", `RLIMIT_[A-Z]+`) {
		if n, ok := Rlimit(name); !ok || n != want {
			t.Errorf("%s is %d, %t; the kernel says %d", name, n, ok, want)
		}
	}
	for _, name := range []string{"", "NOFILE", "RLIMIT_NLIMITS", "rlimit_nofile"} {
		if _, ok := Rlimit(name); ok {
			t.Errorf("%q is a limit", name)
		}
	}
}

func TestNamespaceWords(t *testing.T) {
	names := NamespaceNames()
	if !slices.IsSorted(names) || len(names) != 8 {
		t.Error(names)
	}
	var all uintptr
	for _, name := range names {
		flag, ok := NamespaceFlag(specs.LinuxNamespaceType(name))
		if !ok || flag == 0 || all&flag != 0 {
			t.Errorf("%s: %#x, %t", name, flag, ok)
		}
		all |= flag
	}
	if all != 0x7e020080 {
		t.Errorf("all flags are %#x", all)
	}
	if _, ok := NamespaceFlag("net"); ok {
		t.Error("net is a type")
	}
}

func TestSchedulerWords(t *testing.T) {
	for name, want := range header(t, "/usr/include/linux/sched.h", `SCHED_(?:FIFO|RR|BATCH|IDLE|DEADLINE)`) {
		if n, ok := SchedulerPolicy(specs.LinuxSchedulerPolicy(name)); !ok || n != want {
			t.Errorf("%s is %d, %t; the kernel says %d", name, n, ok, want)
		}
	}
	for name, want := range header(t, "/usr/include/linux/sched.h",
		`SCHED_FLAG_(?:RESET_ON_FORK|RECLAIM|DL_OVERRUN|KEEP_POLICY|KEEP_PARAMS|UTIL_CLAMP_MIN|UTIL_CLAMP_MAX)`) {
		if n, ok := SchedulerFlag(specs.LinuxSchedulerFlag(name)); !ok || n != uint64(want) {
			t.Errorf("%s is %d, %t; the kernel says %d", name, n, ok, want)
		}
	}
	if n, ok := SchedulerPolicy("SCHED_OTHER"); n != 0 || !ok {
		t.Error("SCHED_OTHER", n, ok)
	}
	if n, ok := SchedulerPolicy("SCHED_ISO"); n != 4 || !ok {
		t.Error("SCHED_ISO", n, ok)
	}
	if _, ok := SchedulerPolicy("other"); ok {
		t.Error("other is a policy")
	}
	if _, ok := SchedulerFlag(""); ok {
		t.Error("an empty word is a flag")
	}
}

func TestKeywordsOfKernel(t *testing.T) {
	for _, c := range []struct {
		name string
		got  func() (uint64, bool)
		want int64 // -1: unknown
	}{
		{"IOPRIO_CLASS_RT", of(IOPriorityClass, specs.IOPRIO_CLASS_RT), 1},
		{"IOPRIO_CLASS_BE", of(IOPriorityClass, specs.IOPRIO_CLASS_BE), 2},
		{"IOPRIO_CLASS_IDLE", of(IOPriorityClass, specs.IOPRIO_CLASS_IDLE), 3},
		{"IOPRIO_CLASS_NONE", of(IOPriorityClass, "IOPRIO_CLASS_NONE"), -1},
		{"LINUX", of(Personality, specs.PerLinux), 0},
		{"LINUX32", of(Personality, specs.PerLinux32), 8},
		{"linux", of(Personality, "linux"), -1},
		{"", of(Propagation, ""), 0},
		{"shared", of(Propagation, "shared"), unix.MS_SHARED},
		{"rshared", of(Propagation, "rshared"), 0x104000},
		{"slave", of(Propagation, "slave"), unix.MS_SLAVE},
		{"rslave", of(Propagation, "rslave"), 0x84000},
		{"private", of(Propagation, "private"), unix.MS_PRIVATE},
		{"rprivate", of(Propagation, "rprivate"), 0x44000},
		{"unbindable", of(Propagation, "unbindable"), unix.MS_UNBINDABLE},
		{"runbindable", of(Propagation, "runbindable"), 0x24000},
		{"Shared", of(Propagation, "Shared"), -1},
		{"MPOL_DEFAULT", of(MemoryPolicyMode, specs.MpolDefault), 0},
		{"MPOL_PREFERRED", of(MemoryPolicyMode, specs.MpolPreferred), 1},
		{"MPOL_BIND", of(MemoryPolicyMode, specs.MpolBind), 2},
		{"MPOL_INTERLEAVE", of(MemoryPolicyMode, specs.MpolInterleave), 3},
		{"MPOL_LOCAL", of(MemoryPolicyMode, specs.MpolLocal), 4},
		{"MPOL_PREFERRED_MANY", of(MemoryPolicyMode, specs.MpolPreferredMany), 5},
		{"MPOL_WEIGHTED_INTERLEAVE", of(MemoryPolicyMode, specs.MpolWeightedInterleave), 6},
		{"MPOL_MAX", of(MemoryPolicyMode, "MPOL_MAX"), -1},
		{"MPOL_F_NUMA_BALANCING", of(MemoryPolicyFlag, specs.MpolFNumaBalancing), 1 << 13},
		{"MPOL_F_RELATIVE_NODES", of(MemoryPolicyFlag, specs.MpolFRelativeNodes), 1 << 14},
		{"MPOL_F_STATIC_NODES", of(MemoryPolicyFlag, specs.MpolFStaticNodes), 1 << 15},
		{"MPOL_F_NODE", of(MemoryPolicyFlag, "MPOL_F_NODE"), -1},
	} {
		n, ok := c.got()
		if ok != (c.want >= 0) || ok && n != uint64(c.want) {
			t.Errorf("%q: %#x, %t; want %#x", c.name, n, ok, c.want)
		}
	}
}

// of binds a word to the function that translates it.
func of[W ~string, N int | uintptr](f func(W) (N, bool), word W) func() (uint64, bool) {
	return func() (uint64, bool) {
		n, ok := f(word)
		return uint64(n), ok
	}
}
