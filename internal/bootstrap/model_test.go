package bootstrap

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// Random programs with known results. A model in Go predicts which path through the plan the loop
// takes, what its cells contain at the end, and which step fails with which errno. A plan consists
// of pairs of steps,
//
//	write one letter to stdout     shows the path, letter by letter
//	a call with a known result     continues anywhere, forward or backward
//
// and of a final part that writes the cells.

// A call is a building block of a program. The kernel's result does not depend on earlier calls.
type call struct {
	call   plan.Call
	args   func(b *plan.Builder) []plan.Arg
	result int64
}

func atoms() []call {
	str := func(c plan.Call, errno unix.Errno, s string, more ...plan.Arg) call {
		return call{c, func(b *plan.Builder) []plan.Arg { return append([]plan.Arg{b.Str(s)}, more...) }, -int64(errno)}
	}
	at := func(c plan.Call, errno unix.Errno, s string, more ...plan.Arg) call {
		return call{c, func(b *plan.Builder) []plan.Arg { return append([]plan.Arg{cwd, b.Str(s)}, more...) },
			-int64(errno)}
	}
	num := func(c plan.Call, result int64, n ...int64) call {
		return call{c, func(b *plan.Builder) []plan.Arg {
			var args []plan.Arg
			for _, n := range n {
				args = append(args, plan.Int(n))
			}
			return args
		}, result}
	}
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	return []call{
		num(plan.Umask, 0o22, 0o22), // the umask is 022 from the first step on
		num(plan.Umask, 0o22, 0o22),
		str(plan.Chdir, 0, "/"),
		num(plan.Write, 0, 1, 0, 0),
		num(plan.Close, -int64(unix.EBADF), 999),
		str(plan.Chdir, unix.ENOENT, "/does/not/exist"),
		str(plan.Chdir, unix.ENOTDIR, "/dev/null"),
		str(plan.Chdir, unix.ENAMETOOLONG, string(long)),
		at(plan.Mkdirat, unix.EEXIST, "/", plan.Int(0o700)),
		at(plan.Unlinkat, unix.EBUSY, "/", plan.Int(unix.AT_REMOVEDIR)),
		num(plan.Dup3, -int64(unix.EINVAL), 1, 1, 0),
		num(plan.Write, -int64(unix.EFAULT), 1, 1, 1),
		num(plan.Setpgid, -int64(unix.ESRCH), 1<<30, 0),
		num(plan.Ioctl, -int64(unix.ENOTTY), 1, unix.TIOCSCTTY, 0),
		{plan.Execve, func(b *plan.Builder) []plan.Arg { return []plan.Arg{b.Str("/"), b.Strs(nil), b.Strs(nil)} },
			-int64(unix.EACCES)},
	}
}

// program is a random plan with predictable results.
type program struct {
	calls []node
}

type node struct {
	call       call
	cells      int // bit i set: argument i is read from a cell
	out        int // index of a cell, or -1
	next, zero int // index of a pair; len(calls) is the end
	on         []unix.Errno
	to         []int
}

func randomProgram(r *rand.Rand) *program {
	atoms := atoms()
	p := &program{calls: make([]node, 2+r.IntN(10))}
	target := func() int { return r.IntN(len(p.calls) + 1) }
	for i := range p.calls {
		n := node{call: atoms[r.IntN(len(atoms))], cells: r.IntN(64), out: r.IntN(4) - 1, next: target(),
			zero: target()}
		errnos := []unix.Errno{
			unix.EBADF, unix.ENOENT, unix.ENOTDIR, unix.ENAMETOOLONG, unix.EEXIST, unix.EBUSY, unix.EINVAL,
			unix.EFAULT, unix.ESRCH, unix.ENOTTY, unix.EACCES,
		}
		r.Shuffle(len(errnos), func(i, j int) { errnos[i], errnos[j] = errnos[j], errnos[i] })
		if own := unix.Errno(-n.call.result); n.call.result < 0 && r.IntN(4) > 0 {
			errnos[0] = own // most errors are allowed, or paths would be short
			for k := 1; k < len(errnos); k++ {
				if errnos[k] == own {
					errnos[k] = unix.EPERM
				}
			}
		}
		errnos = errnos[:r.IntN(plan.MaxBranches+1)]
		r.Shuffle(len(errnos), func(i, j int) { errnos[i], errnos[j] = errnos[j], errnos[i] })
		for _, e := range errnos {
			n.on, n.to = append(n.on, e), append(n.to, target())
		}
		p.calls[i] = n
	}
	return p
}

// cellCount is how many cells a program stores results in.
const cellCount = 3

// run is the model. It returns the path, the report or nil, and false for a program that runs too
// long.
func (p *program) run() (out string, failed *ErrFailed, ends bool) {
	var cells [cellCount]int64
	at := 0
	for steps := 0; at < len(p.calls); steps++ {
		if steps == 300 {
			return "", nil, false
		}
		n := &p.calls[at]
		out += string(rune('a' + at))
		result := n.call.result
		if n.out >= 0 {
			cells[n.out] = result
		}
		switch {
		case result > 0:
			at = n.next
		case result == 0:
			at = n.zero
		default:
			to := -1
			for k, e := range n.on {
				if e == unix.Errno(-result) {
					to = n.to[k]
				}
			}
			if to < 0 {
				return out, failing(p.step(at), unix.Errno(-result)), true
			}
			at = to
		}
	}
	for _, c := range cells {
		out += string(binary.LittleEndian.AppendUint64(nil, uint64(c)))
	}
	return out, nil, true
}

// step returns the index of pair i's call, which comes after the first step and its letter.
func (p *program) step(i int) int { return 1 + 2*i + 1 }

func (p *program) build(b *plan.Builder, dir string) {
	var cells [cellCount]plan.Cell
	for i := range cells {
		cells[i] = b.Cell(fmt.Sprint("c", i))
	}
	marks := make([]plan.Label, len(p.calls)+1)
	for i := range marks {
		marks[i] = b.Label()
	}
	b.Add(plan.Op{Name: "set the mask", Then: plan.Then{Next: marks[0], Zero: marks[0]}},
		plan.Umask, plan.Int(0o22))
	for i, n := range p.calls {
		b.Place(marks[i])
		say(b, string(rune('a'+i)))
		args := n.call.args(b)
		for k := range args {
			if n.cells&(1<<k) != 0 {
				args[k] = plan.Arg{Kind: plan.Result, Value: b.Words(args[k].Value).Value}
			}
		}
		t := plan.Then{Next: marks[n.next], Zero: marks[n.zero]}
		for k, e := range n.on {
			t.On = append(t.On, plan.On{Errno: e, To: marks[n.to[k]]})
		}
		out := plan.None
		if n.out >= 0 {
			out = cells[n.out]
		}
		b.Add(plan.Op{Name: "call " + n.call.call.Name(), Out: out, Then: t}, n.call.call, args...)
	}
	b.Place(marks[len(p.calls)])
	b.Add(plan.Op{Name: "write the cells"},
		plan.Write, plan.Int(1), cellAddress(cells[0]), plan.Int(8*cellCount))
	end(b, 42)
}

// modelScenarios returns 150 programs, which are the same every time.
func modelScenarios() []scenario {
	r := rand.New(rand.NewPCG(3, 4))
	var list []scenario
	for len(list) < 150 {
		p := randomProgram(r)
		out, failed, ends := p.run()
		if !ends {
			continue
		}
		s := scenario{name: fmt.Sprint("random program ", len(list)), build: p.build, out: out, failed: failed,
			status: 42}
		if failed != nil {
			s.status = 1
		}
		list = append(list, s)
	}
	return list
}
