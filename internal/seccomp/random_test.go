// random_test.go compares random profiles with libseccomp, where libseccomp is correct, and with
// reference_test.go.

package seccomp

import (
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestOracleRandom compares random profiles: for each call, one rule with any comparisons, or
// several that test for equality. With other sets of rules, libseccomp 2.5.4 has bugs: a rule with
// >= and one with < on the same argument give wrong verdicts, EQ mixed with NE may never terminate,
// and a filter only for i386 may compare the architecture with call numbers. TestReference covers
// those.
func TestOracleRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 200 {
		p := randomProfile(r, true)
		rules := map[string]int{}
		for _, s := range p.Syscalls {
			rules[s.Names[0]] += len(groups(s.Args))
		}
		for _, s := range p.Syscalls {
			for j := range s.Args {
				if rules[s.Names[0]] > 1 {
					s.Args[j].Op = specs.OpEqualTo
				}
			}
		}
		want, complaints := askOracle(t, p, specs.ArchX86_64)
		if complaints != "" {
			t.Fatalf("%s", complaints)
		}
		compareRandom(t, p, want, uint64(i))
	}
}

// TestOracleOrder compares which of two rules with different actions applies if both match. It only
// uses the families that libseccomp 2.5.4 compiles without bugs.
func TestOracleOrder(t *testing.T) {
	values := []uint64{0, 1, 2, 3, 7, 8, 0xff, 1 << 32, 1<<32 + 1, 7 << 32}
	families := [][]specs.LinuxSeccompOperator{{specs.OpEqualTo}, {specs.OpEqualTo, specs.OpLessThan},
		{specs.OpGreaterThan, specs.OpEqualTo}, {specs.OpNotEqual, specs.OpLessThan}}
	r := rand.New(rand.NewPCG(8, 8))
	for i := range 200 {
		ops := families[r.IntN(len(families))]
		p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
		for j := range 2 {
			index, v := uint(r.IntN(3)), values[r.IntN(len(values))]
			p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActErrno,
				ErrnoRet: ptr(uint(j + 1)),
				Args:     []specs.LinuxSeccompArg{arg(index, ops[j%len(ops)], v)}})
		}
		want, complaints := askOracle(t, p, specs.ArchX86_64)
		if complaints != "" {
			continue // it refuses some conflicts; in minirun the first rule applies
		}
		if !compareRandom(t, p, want, uint64(i)) {
			t.Logf("%+v %+v", p.Syscalls[0].Args, p.Syscalls[1].Args)
		}
	}
}

// TestReference compares random profiles of any kind with reference_test.go.
func TestReference(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 1000 {
		p := randomProfile(r, false)
		if i%2 == 0 {
			p.DefaultAction = specs.ActErrno
			for j := range p.Syscalls {
				*p.Syscalls[j].ErrnoRet-- // 0 to 3; 1 is the default action
			}
		}
		got, err := Compile(p, specs.ArchX86_64)
		if err != nil {
			t.Fatal(err)
		}
		compareReference(t, p, specs.ArchX86_64, got.Filter, uint64(i), 500)
	}
}

func compareReference(t *testing.T, p *specs.LinuxSeccomp, native specs.Arch, f []unix.SockFilter, seed uint64, n int) {
	t.Helper()
	if err := valid(f); err != nil {
		t.Fatalf("%v\n%s", err, disassemble(f))
	}
	s := newSampler(p, native, seed)
	for range n {
		d := s.call()
		got, _ := run(f, &d)
		if want := reference(p, native, &d, true); got != want {
			t.Fatalf("%+v\n%+x (%s): %s, want %s\n%s", p.Syscalls, d, callNamed(d.audit, d.nr), verdictName(got),
				verdictName(want), disassemble(f))
		}
	}
}

func compareRandom(t *testing.T, p *specs.LinuxSeccomp, want []unix.SockFilter, seed uint64) bool {
	t.Helper()
	got, err := compile(p, specs.ArchX86_64, options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newSampler(p, specs.ArchX86_64, seed)
	for range 5000 {
		d := s.call()
		w, _ := run(want, &d)
		if g, _ := run(got.Filter, &d); g != w && !newerThanOracle(t, &d) {
			t.Errorf("%+v\n%+x: %s, libseccomp %s", p.Syscalls, d, verdictName(g), verdictName(w))
			return false
		}
	}
	return true
}

// randomProfile returns a profile with a few rules about a few calls. If oneAction is set, the
// action depends only on the call.
func randomProfile(r *rand.Rand, oneAction bool) *specs.LinuxSeccomp {
	names := []string{"read", "ioctl", "clone", "mmap", "socket", "shmat"}
	values := []uint64{0, 1, 2, 3, 7, 8, 0xff, 1<<32 - 1, 1 << 32, 1<<32 + 1, 7 << 32, 1<<64 - 1}
	ops := Operators()
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	if r.IntN(2) == 0 {
		p.Architectures = []specs.Arch{specs.ArchX86, specs.ArchX32}[:1+r.IntN(2)]
	}
	for range 1 + r.IntN(8) {
		n := r.IntN(len(names))
		errno := uint(n + 1)
		if !oneAction {
			errno = uint(1 + r.IntN(4))
		}
		s := specs.LinuxSyscall{Names: names[n : n+1], Action: specs.ActErrno, ErrnoRet: &errno}
		for _, index := range r.Perm(6)[:1+r.IntN(3)] {
			if r.IntN(20) == 0 {
				index = 0
			}
			s.Args = append(s.Args, specs.LinuxSeccompArg{Index: uint(index % 3),
				Op:    specs.LinuxSeccompOperator(ops[r.IntN(len(ops))]),
				Value: values[r.IntN(len(values))], ValueTwo: values[r.IntN(len(values))]})
		}
		p.Syscalls = append(p.Syscalls, s)
	}
	return p
}
