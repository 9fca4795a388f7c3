package devices

import (
	"math/rand/v2"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// decide follows the text of the specification: for each access, the last entry that covers it
// decides. It is slow and simple, and uses config.json's own entries.
func decide(list []specs.LinuxDeviceCgroup, block bool, major, minor int64, want access) bool {
	for _, bit := range []struct {
		a access
		c string
	}{{accessRead, "r"}, {accessWrite, "w"}, {accessMknod, "m"}} {
		if want&bit.a == 0 {
			continue
		}
		allowed := false
		for _, d := range list {
			kind := d.Type == "" || d.Type == "a" || d.Type == "b" && block || d.Type == "c" && !block
			major := d.Major == nil || *d.Major == -1 || *d.Major == major
			minor := d.Minor == nil || *d.Minor == -1 || *d.Minor == minor
			if kind && major && minor && strings.Contains(d.Access, bit.c) {
				allowed = d.Allow
			}
		}
		if !allowed {
			return false
		}
	}
	return true
}

// defaultList returns the rules that every container gets at the end, in the form of config.json.
func defaultList() (list []specs.LinuxDeviceCgroup) {
	for _, d := range defaultRules {
		kind := "c"
		if d.block {
			kind = "b"
		}
		list = append(list, specs.LinuxDeviceCgroup{Allow: true, Type: kind, Major: &d.major, Minor: &d.minor, Access: d.access.String()})
	}
	return list
}

// interpret runs a device program according to Documentation/bpf/standardization/
// instruction-set.rst.
func interpret(t *testing.T, prog []Instruction, ctx [3]uint32) bool {
	t.Helper()
	var reg [11]uint64
	for pc, steps := 0, 0; ; pc, steps = pc+1, steps+1 {
		if pc < 0 || pc >= len(prog) || steps > len(prog) {
			t.Fatalf("the program runs out at %d", pc)
		}
		in := prog[pc]
		dst, src := in.Reg&15, in.Reg>>4
		switch in.Op {
		case 0x61: // r = *(u32 *)(src + off)
			if src != 1 || in.Off%4 != 0 || in.Off > 8 {
				t.Fatalf("load from r%d+%d", src, in.Off)
			}
			reg[dst] = uint64(ctx[in.Off/4])
		case 0xbf:
			reg[dst] = reg[src]
		case 0xb7:
			reg[dst] = uint64(int64(in.Imm))
		case 0x57:
			reg[dst] &= uint64(int64(in.Imm))
		case 0x77:
			reg[dst] >>= uint(in.Imm)
		case 0x55:
			if reg[dst] != uint64(int64(in.Imm)) {
				pc += int(in.Off)
			}
		case 0x15:
			if reg[dst] == uint64(int64(in.Imm)) {
				pc += int(in.Off)
			}
		case 0x95:
			return reg[0] != 0
		default:
			t.Fatalf("instruction %#x at %d", in.Op, pc)
		}
	}
}

// decideV1 decides as the v1 controller does after these writes (admin-guide/
// cgroup-v1/devices.rst): a default and exceptions, without order.
func decideV1(writes []Write, block bool, major, minor int64, want access) bool {
	allow, exceptions := true, map[string]access{}
	for i := range writes {
		v := &writes[i]
		f := strings.Fields(v.Line)
		if f[0] == "a" {
			allow, exceptions = v.File == "devices.allow", map[string]access{}
			continue
		}
		var a access
		for i, c := range "mrw" {
			if strings.ContainsRune(f[2], c) {
				a |= 1 << i
			}
		}
		exceptions[f[0]+" "+f[1]] |= a
	}
	var covered access
	for _, d := range []nodes{{block, major, minor}, {block, major, anyNumber}, {block, anyNumber, minor}, {block, anyNumber, anyNumber}} {
		if e := exceptions[d.String()]; allow {
			covered |= e // if any part of the access is forbidden, all of it is
		} else if e&want == want {
			return true // a single exception has to cover the whole access
		}
	}
	return allow && covered&want == 0
}

func randomRules(r *rand.Rand) (list []specs.LinuxDeviceCgroup) {
	num := func(of ...int64) *int64 {
		if i := r.IntN(len(of) + 1); i < len(of) {
			return &of[i]
		}
		return nil
	}
	for range r.IntN(7) {
		list = append(list, specs.LinuxDeviceCgroup{
			Allow: r.IntN(2) == 0, Type: []string{"", "a", "b", "c", "c"}[r.IntN(5)],
			Major: num(1, 8, 10, -1), Minor: num(0, 3, 200), Access: access(1 + r.IntN(7)).String(),
		})
	}
	return list
}

// TestProgramAndV1DecideAlike compares random rules with the reference, both as a program and as writes to
// the v1 controller.
func TestProgramAndV1DecideAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	refused, allowed, total := 0, 0, 1000
	for range total {
		list := randomRules(r)
		whole := append(append([]specs.LinuxDeviceCgroup{}, list...), defaultList()...)
		policy, err := Parse(list)
		if err != nil {
			t.Fatal(err)
		}
		program := policy.Program()
		v1, err := policy.V1()
		writes := v1.Writes()
		if err != nil {
			refused++ // v1 cannot express it; refusing is correct, a wrong decision is not
		}
		for _, block := range []bool{false, true} {
			for _, major := range []int64{1, 5, 8, 10, 136, 99} {
				for _, minor := range []int64{0, 3, 200, 7} {
					for want := access(1); want <= accessAll; want++ {
						yes := decide(whole, block, major, minor, want)
						if yes {
							allowed++
						}
						kind := uint32(2)
						if block {
							kind = 1
						}
						ctx := [3]uint32{uint32(want)<<16 | kind, uint32(major), uint32(minor)}
						if got := interpret(t, program, ctx); got != yes {
							t.Fatalf("program says %v, want %v, for %v %d:%d %s with\n%s", got, yes, block, major, minor, want, policy)
						}
						// The v1 kernel looks for one exception that covers the whole request, so
						// it may be stricter, but must never be more permissive.
						if err == nil && want&(want-1) == 0 {
							if got := decideV1(writes, block, major, minor, want); got != yes {
								t.Fatalf("v1 says %v, want %v, for %v %d:%d %s with\n%s", got, yes, block, major, minor, want, writes)
							}
						} else if err == nil && !yes && decideV1(writes, block, major, minor, want) {
							t.Fatalf("v1 allows %v %d:%d %s with\n%s", block, major, minor, want, writes)
						}
					}
				}
			}
		}
	}
	t.Logf("v1 cannot express %d of %d policies; %d requests allowed", refused, total, allowed)
	if refused > total*3/4 || allowed == 0 {
		t.Error("the random rules are too one-sided to show anything")
	}
}
