package seccomp

import (
	"runtime"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// manyRules returns a profile with n rules that have conditions on the arguments of one call.
func manyRules(n int, args func(i uint64) []specs.LinuxSeccompArg) *specs.LinuxSeccomp {
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range n {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"socket"}, Action: specs.ActAllow,
			Args: args(uint64(i))})
	}
	return p
}

// With rules whose upper halves differ, the knowledge about one rule multiplies with the rules that
// follow.
var ruleShapes = map[string]func(i uint64) []specs.LinuxSeccompArg{
	"values": func(i uint64) []specs.LinuxSeccompArg {
		return []specs.LinuxSeccompArg{{Value: i, Op: specs.OpEqualTo}}
	},
	"wide values": func(i uint64) []specs.LinuxSeccompArg {
		return []specs.LinuxSeccompArg{{Value: i<<32 | i, Op: specs.OpEqualTo}}
	},
	"wide values and a mask": func(i uint64) []specs.LinuxSeccompArg {
		return []specs.LinuxSeccompArg{{Value: 6, ValueTwo: 2, Op: specs.OpMaskedEqual},
			{Index: 1, Value: i<<32 | i, Op: specs.OpEqualTo}}
	},
	"relations": func(i uint64) []specs.LinuxSeccompArg {
		return []specs.LinuxSeccompArg{{Index: uint(i % 6), Value: i<<32 | 9, Op: specs.OpGreaterThan}}
	},
}

// TestCompileIsLinear: four times the rules require about four times the memory, even if the
// resulting filter is too long.
func TestCompileIsLinear(t *testing.T) {
	allocated := func(p *specs.LinuxSeccomp) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Compile(p, specs.ArchX86_64)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	for name, shape := range ruleShapes {
		small, large := allocated(manyRules(400, shape)), allocated(manyRules(1600, shape))
		if large > 7*small {
			t.Errorf("%s: 400 rules take %d bytes, 1600 rules take %d", name, small, large)
		}
	}
}

// TestCheckIsLinear: checking arguments takes a bounded number of visits per step, whatever is
// already known.
func TestCheckIsLinear(t *testing.T) {
	for name, shape := range ruleShapes {
		prof, err := parse(manyRules(3000, shape), specs.ArchX86_64)
		if err != nil {
			t.Fatal(err)
		}
		tables, _ := buildTables(prof)
		g := newGraph(tables[0].spans[0].to.check, prof.defaultRet)
		g.begin()
		if len(g.nodes) > maxNodesPerStep*g.total || g.visits > maxVisitsPerStep*g.total {
			t.Errorf("%s: %d steps make %d nodes in %d visits", name, g.total, len(g.nodes), g.visits)
		}
	}
}
