// reference_test.go evaluates a profile slowly, one call at a time, to check the programs. It
// shares only the tables of numbers and compareClauses with the product, and oracle_test.go
// compares these with libseccomp's.

package seccomp

import (
	"fmt"
	"math/rand/v2"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var actionValues = map[specs.LinuxSeccompAction]uint32{
	"SCMP_ACT_KILL": 0, "SCMP_ACT_KILL_THREAD": 0, "SCMP_ACT_KILL_PROCESS": 0x80000000, "SCMP_ACT_TRAP": 0x30000,
	"SCMP_ACT_ERRNO": 0x50000, "SCMP_ACT_TRACE": 0x7ff00000, "SCMP_ACT_ALLOW": 0x7fff0000, "SCMP_ACT_LOG": 0x7ffc0000,
	"SCMP_ACT_NOTIFY": 0x7fc00000,
}

func actionValue(a specs.LinuxSeccompAction, errno *uint) uint32 {
	v, ok := actionValues[a]
	if !ok {
		panic(fmt.Sprintf("action %q", a))
	}
	if a == specs.ActErrno || a == specs.ActTrace {
		if errno == nil {
			return v | 1
		}
		return v | uint32(*errno)
	}
	return v
}

func holds(a specs.LinuxSeccompArg, args [6]uint64, wide bool) bool {
	x, v, w := args[a.Index], a.Value, a.ValueTwo
	if !wide {
		x, v, w = uint64(uint32(x)), uint64(uint32(v)), uint64(uint32(w))
	}
	switch a.Op {
	case specs.OpEqualTo:
		return x == v
	case specs.OpNotEqual:
		return x != v
	case specs.OpLessThan:
		return x < v
	case specs.OpLessEqual:
		return x <= v
	case specs.OpGreaterEqual:
		return x >= v
	case specs.OpGreaterThan:
		return x > v
	case specs.OpMaskedEqual:
		return x&v == w&v
	}
	panic(a.Op)
}

// numberNames maps each number of an architecture to its name.
var numberNames = map[*arch]map[uint32]string{}

func nameOfNumber(a *arch, nr uint32) string {
	if numberNames[a] == nil {
		numberNames[a] = map[uint32]string{}
		for id, n := range a.calls {
			if n >= 0 {
				numberNames[a][uint32(n)] = callName(id)
			}
		}
	}
	return numberNames[a][nr]
}

// reference returns the verdict of a profile on a call.
func reference(p *specs.LinuxSeccomp, native specs.Arch, d *callData, withENOSYS bool) uint32 {
	var a *arch
	listed := false
	for _, name := range append([]specs.Arch{native}, p.Architectures...) {
		b := archNamed(name)
		if b.audit != d.audit {
			continue
		}
		listed = true
		isX32 := d.nr >= x32Bit && d.audit == archNamed(specs.ArchX32).audit
		if isX32 == (name == specs.ArchX32) {
			a = b
		}
	}
	def := actionValue(p.DefaultAction, p.DefaultErrnoRet)
	switch {
	case !listed:
		return 0
	case a == nil && d.nr == 1<<32-1:
		return def
	case a == nil:
		return 0
	}
	name := nameOfNumber(a, d.nr)
	newest := int64(-1)
	var clauses []clause
	plain := int64(-1)
	for _, s := range p.Syscalls {
		ret := actionValue(s.Action, s.ErrnoRet)
		for _, n := range s.Names {
			nr, sub := numberOf(a, n)
			via, arg := multiplexer(n)
			if sub {
				newest = max(newest, int64(a.calls[via]))
			}
			if nr >= 0 && !a.isPrivate(uint32(nr)) {
				newest = max(newest, nr)
			}
			if ret == def {
				continue
			}
			if sub && uint32(a.calls[via]) == d.nr {
				which := specs.LinuxSeccompArg{Index: 0, Value: uint64(arg), Op: specs.OpEqualTo}
				for _, g := range groups(s.Args) {
					list := []specs.LinuxSeccompArg{which}
					for _, c := range g {
						if c.Index != 0 {
							list = append(list, c)
						}
					}
					clauses = appendClause(clauses, list, ret)
				}
			}
			if n != name {
				continue
			}
			if len(s.Args) == 0 && plain < 0 {
				plain = int64(ret)
			}
			for _, g := range groups(s.Args) {
				if len(g) > 0 {
					clauses = appendClause(clauses, g, ret)
				}
			}
		}
	}
	if plain >= 0 {
		return uint32(plain)
	}
	var best *clause
	for i := range clauses {
		if !clauseHolds(clauses[i], d.args, a.wide) {
			continue
		}
		if best == nil || compareClauses(clauses[i], *best) < 0 {
			best = &clauses[i]
		}
	}
	switch {
	case best != nil:
		return best.ret
	case len(clauses) == 0 && withENOSYS && newest >= 0 && int64(d.nr) > newest && refuses(p.DefaultAction) &&
		!(a.isPrivate(d.nr) && namesARMPrivate(p, a)):
		return 0x50000 | 38
	}
	return def
}

func refuses(a specs.LinuxSeccompAction) bool {
	switch a {
	case specs.ActAllow, specs.ActLog, specs.ActTrace, specs.ActNotify:
		return false
	}
	return true
}

// namesARMPrivate reports whether a profile names one of ARM's private calls. Then the numbers from
// there on are not treated as new ones.
func namesARMPrivate(p *specs.LinuxSeccomp, a *arch) bool {
	def := actionValue(p.DefaultAction, p.DefaultErrnoRet)
	for _, s := range p.Syscalls {
		for _, n := range s.Names {
			if nr, _ := numberOf(a, n); nr >= 0 && a.isPrivate(uint32(nr)) && actionValue(s.Action, s.ErrnoRet) != def {
				return true
			}
		}
	}
	return false
}

// numberOf returns the number of a name or -1, and whether it is also reached through socketcall or
// ipc.
func numberOf(a *arch, name string) (int64, bool) {
	nr := int64(-1)
	if id := callID(name, 0); id >= 0 {
		nr = int64(a.calls[id])
	}
	_, sub := multiplexer(name)
	return nr, sub != 0 && a.calls[idSocketcall] >= 0
}

// groups splits the args of an entry that uses an index twice, as runc and crun do.
func groups(args []specs.LinuxSeccompArg) [][]specs.LinuxSeccompArg {
	seen := map[uint]bool{}
	for _, a := range args {
		if seen[a.Index] {
			var list [][]specs.LinuxSeccompArg
			for i := range args {
				list = append(list, args[i:i+1])
			}
			return list
		}
		seen[a.Index] = true
	}
	return [][]specs.LinuxSeccompArg{args}
}

// appendClause skips a clause if the conditions of an earlier one are a subset.
func appendClause(list []clause, args []specs.LinuxSeccompArg, ret uint32) []clause {
	alternatives, err := parseArgs(args)
	if err != nil || len(alternatives) != 1 {
		panic("parseArgs")
	}
	c := clause{alternatives[0], ret}
	for _, k := range list {
		part := len(k.conds) <= len(c.conds)
		for i := range k.conds {
			part = part && k.conds[i] == c.conds[i]
		}
		if part {
			return list
		}
	}
	return append(list, c)
}

func clauseHolds(c clause, args [6]uint64, wide bool) bool {
	for _, x := range c.conds {
		a := specs.LinuxSeccompArg{Index: uint(x.arg), Value: x.value}
		switch x.op {
		case maskedEqual:
			a.Op, a.Value, a.ValueTwo = specs.OpMaskedEqual, x.mask, x.value
		case equal:
			a.Op = specs.OpEqualTo
		case notEqual:
			a.Op = specs.OpNotEqual
		case less:
			a.Op = specs.OpLessThan
		case lessEqual:
			a.Op = specs.OpLessEqual
		case greater:
			a.Op = specs.OpGreaterThan
		case greaterEqual:
			a.Op = specs.OpGreaterEqual
		}
		if !holds(a, args, wide) {
			return false
		}
	}
	return true
}

// sampler generates calls that are likely to be near a boundary of a profile.
type sampler struct {
	r      *rand.Rand
	archs  []*arch
	values []uint64
	ids    []int
}

func newSampler(p *specs.LinuxSeccomp, native specs.Arch, seed uint64) *sampler {
	s := &sampler{r: rand.New(rand.NewPCG(seed, 1)), values: []uint64{0, 1, 1<<32 - 1, 1 << 32, 1<<64 - 1}}
	for _, name := range append([]specs.Arch{native}, p.Architectures...) {
		s.archs = append(s.archs, archNamed(name))
	}
	for _, sc := range p.Syscalls {
		for _, n := range sc.Names {
			if id := callID(n, 0); id >= 0 {
				s.ids = append(s.ids, id)
				if via, _ := multiplexer(n); via != 0 {
					s.ids = append(s.ids, via)
				}
			}
		}
		for _, a := range sc.Args {
			s.values = append(s.values, a.Value, a.ValueTwo)
		}
	}
	return s
}

func (s *sampler) value() uint64 {
	v := s.values[s.r.IntN(len(s.values))]
	switch s.r.IntN(12) {
	case 0:
		v++
	case 1:
		v--
	case 2:
		v ^= 1 << s.r.IntN(64)
	case 3:
		v = v<<32 | v>>32
	case 4:
		v += 1 << 32
	case 5:
		v = uint64(uint32(v)) | s.values[s.r.IntN(len(s.values))]&^(1<<32-1)
	case 6:
		v = uint64(s.r.IntN(26))
	case 7:
		v = s.r.Uint64()
	}
	return v
}

func (s *sampler) call() callData {
	a := s.archs[s.r.IntN(len(s.archs))]
	d := callData{audit: a.audit}
	if s.r.IntN(50) == 0 {
		d.audit = archs[s.r.IntN(len(archs))].audit
	}
	switch k := s.r.IntN(10); {
	case k < 7 && len(s.ids) > 0:
		d.nr = uint32(a.calls[s.ids[s.r.IntN(len(s.ids))]])
		if k == 6 {
			d.nr += uint32(s.r.IntN(3)) - 1
		}
	case k == 8:
		d.nr = s.r.Uint32()
	case k == 9:
		d.nr = []uint32{0, 1<<32 - 1, x32Bit, x32Bit - 1, 1<<31 - 1, 1 << 31, armPrivate, armPrivate + 7}[s.r.IntN(8)]
	default:
		d.nr = uint32(s.r.IntN(600))
		if first := a.calls[callID("read", 0)]; first >= 4000 {
			d.nr += uint32(first) - 5
		}
	}
	for i := range d.args {
		d.args[i] = s.value()
	}
	return d
}
