package container

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// What must hold for every plan, tried on the golden ones. A plan is a small
// program, so the questions are those of a compiler: what can be reached, and
// what is known to hold on every path to a step.

// An edge is one way from a step to another. failed says that the step's
// result is then an error number.
type edge struct {
	to     int
	errno  unix.Errno
	failed bool
}

func edges(p *plan.Plan, i int) []edge {
	s := &p.Steps[i]
	var out []edge
	if s.Call != plan.Execve && s.Call != plan.ExitGroup {
		out = append(out, edge{to: s.Next})
		if s.Zero != s.Next {
			out = append(out, edge{to: s.Zero})
		}
	}
	for _, on := range s.On {
		out = append(out, edge{on.To, on.Errno, true})
	}
	return out
}

// facts are what is known at a step: "cell X holds a result", "Y is closed".
type facts map[string]bool

// known computes, for every step, the facts that hold before it on every path:
// step changes a copy of the facts before a step into those on one edge. A step
// that cannot be reached has nil.
func known(p *plan.Plan, step func(i int, e edge, f facts)) []facts {
	before := make([]facts, len(p.Steps))
	before[0] = prefilled(p)
	for work := []int{0}; len(work) > 0; {
		i := work[0]
		work = work[1:]
		for _, e := range edges(p, i) {
			after := maps.Clone(before[i])
			step(i, e, after)
			if before[e.to] == nil {
				before[e.to] = after
				work = append(work, e.to)
				continue
			}
			n := len(before[e.to])
			maps.DeleteFunc(before[e.to], func(k string, _ bool) bool { return !after[k] })
			if len(before[e.to]) != n {
				work = append(work, e.to)
			}
		}
	}
	return before
}

// prefilled are the cells that hold a value before the first step.
func prefilled(p *plan.Plan) facts {
	f := facts{}
	for _, c := range p.Cells {
		if binary.LittleEndian.Uint64(p.Data[c.Cell:]) != 0 {
			f[cellKey(c.Cell)] = true
		}
	}
	return f
}

// inHook says that a step belongs to a hook inside the container, which is a
// process beside the container's own.
func inHook(s *plan.Step) bool { return strings.HasPrefix(s.Source, "hooks.") }

func cellOf(a plan.Arg) plan.Cell { return plan.Cell(a.Value - plan.DataBase) }

func cellKey(c plan.Cell) string { return fmt.Sprintf("cell %d", c) }

// cellsBehind are the named cells in memory that a pointer argument leads to.
func cellsBehind(p *plan.Plan, a plan.Arg, size uint64) []plan.Cell {
	var out []plan.Cell
	for _, c := range p.Cells {
		if at := plan.DataBase + uint64(c.Cell); a.Kind == plan.Pointer && at >= a.Value && at < a.Value+size {
			out = append(out, c.Cell)
		}
	}
	return out
}

// flow is the data flow: a cell is known once a step has written a result into
// it, and no longer once the descriptor in it is closed.
func flow(p *plan.Plan) func(i int, e edge, f facts) {
	return func(i int, e edge, f facts) {
		s := &p.Steps[i]
		switch {
		case s.Call == plan.Close && s.Args[0].Kind == plan.Result:
			delete(f, cellKey(cellOf(s.Args[0])))
		case s.Call == plan.Fstat:
			for _, c := range cellsBehind(p, s.Args[1], 144) {
				f[cellKey(c)] = true
			}
		case s.Call == plan.Socketpair:
			for _, c := range cellsBehind(p, s.Args[3], 8) {
				f[cellKey(c)] = true
			}
		case s.Call == plan.Wait4:
			f[cellKey(cellOf(s.Args[1]))] = true
		}
		if s.Out == plan.None {
			return
		}
		delete(f, cellKey(s.Out))
		delete(f, errnoKey(s.Out))
		if e.failed {
			f[errnoKey(s.Out)] = true
			return
		}
		f[cellKey(s.Out)] = true
	}
}

// errnoKey is the fact that a cell holds the error number of a step that failed.
func errnoKey(c plan.Cell) string { return "errno in " + cellKey(c) }

// TestCellsAreWritten: on every path to a step that uses a result, the step
// that gives it has been run, has succeeded, and its descriptor is still open.
func TestCellsAreWritten(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		before := known(p, flow(p))
		for i := range p.Steps {
			s := &p.Steps[i]
			if before[i] == nil {
				t.Errorf("step %d (%s) cannot be reached", i, s.Name)
				continue
			}
			var uses []plan.Cell
			for _, a := range s.Args {
				if a.Kind == plan.Result {
					uses = append(uses, cellOf(a))
				}
			}
			if s.Call == plan.Write && s.Args[2].Kind == plan.Immediate {
				uses = append(uses, cellsBehind(p, s.Args[1], s.Args[2].Value)...)
			}
			if s.Call == plan.Fcntl && s.Args[1].Value == unix.F_GETFD {
				continue // asks whether the cell holds a descriptor
			}
			key := cellKey
			if s.Call == plan.Write && strings.HasSuffix(s.Name, handshake.Name(handshake.NoProgram)) {
				key = errnoKey
			}
			for _, c := range uses {
				if !before[i][key(c)] {
					t.Errorf("step %d (%s) uses %s, which is not written, or closed, on some path to it", i, s.Name, name(p, c))
				}
			}
		}
	})
}

func name(p *plan.Plan, c plan.Cell) string {
	for _, n := range p.Cells {
		if n.Cell == c {
			return "$" + n.Name
		}
	}
	return fmt.Sprintf("cell %d", c)
}

// TestFlowFindsMistakes: the analysis itself, on plans that are wrong.
func TestFlowFindsMistakes(t *testing.T) {
	for what, build := range map[string]func(b *plan.Builder, fd plan.Cell){
		"after an error that is fine": func(b *plan.Builder, fd plan.Cell) {
			b.Get("open", "", plan.Fine(unix.ENOENT), fd, plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("/x"), plan.Int(0), plan.Int(0))
			b.Call("use", "", plan.Fchdir, plan.Of(fd))
		},
		"after close": func(b *plan.Builder, fd plan.Cell) {
			b.Get("open", "", plan.Then{}, fd, plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("/x"), plan.Int(0), plan.Int(0))
			b.Call("close", "", plan.Close, plan.Of(fd))
			b.Call("use", "", plan.Fchdir, plan.Of(fd))
		},
		"on one of two ways": func(b *plan.Builder, fd plan.Cell) {
			over := b.Label()
			b.CallThen("jump", "", plan.Then{On: []plan.On{{Errno: unix.ENOENT, To: over}}}, plan.Chdir, b.Str("/x"))
			b.Get("open", "", plan.Then{}, fd, plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("/x"), plan.Int(0), plan.Int(0))
			b.Place(over)
			b.Call("use", "", plan.Fchdir, plan.Of(fd))
		},
	} {
		b := plan.NewBuilder(3)
		fd := b.Cell("fd")
		build(b, fd)
		b.Call("end", "", plan.ExitGroup, plan.Int(0))
		p := b.Plan()
		use := len(p.Steps) - 2
		if known(p, flow(p))[use][cellKey(fd)] {
			t.Errorf("%s: the descriptor is taken for open", what)
		}
	}
}

// opens says whether a step makes a descriptor, and whether it is closed at
// execve by itself.
func opens(p *plan.Plan, s *plan.Step) (descriptor, cloexec bool) {
	word := func(k int) uint64 { return binary.LittleEndian.Uint64(p.Data[s.Args[k].Value-plan.DataBase:]) }
	switch s.Call {
	case plan.Openat:
		return true, s.Args[2].Value&unix.O_CLOEXEC != 0
	case plan.Openat2:
		return true, word(2)&unix.O_CLOEXEC != 0
	case plan.OpenTree:
		return true, s.Args[2].Value&unix.OPEN_TREE_CLOEXEC != 0
	case plan.Fsopen, plan.Fsmount:
		return true, s.Args[1].Value&1 != 0
	case plan.Socket:
		return true, s.Args[1].Value&unix.SOCK_CLOEXEC != 0
	case plan.Fcntl:
		return s.Args[1].Value == unix.F_DUPFD_CLOEXEC, true
	case plan.Ioctl:
		return s.Args[1].Value == unix.TIOCGPTPEER, s.Args[2].Value&unix.O_CLOEXEC != 0
	case plan.Seccomp:
		return s.Out != plan.None, true // seccomp(2): the listener has close-on-exec set
	}
	return false, false
}

// TestDescriptorsAreClosed: every descriptor has close-on-exec set from its
// first moment, execve comes after a close_range that sees to all others, and
// only a few are open at once, however many mounts there are.
func TestDescriptorsAreClosed(t *testing.T) {
	// In use until execve; and behind a filter close(2) may be forbidden.
	keep := []string{"$root", "$cwd", "$listener"}
	eachGolden(t, func(t *testing.T, p *plan.Plan, in Inputs) {
		for i := range p.Steps {
			s := &p.Steps[i]
			if descriptor, cloexec := opens(p, s); descriptor && !cloexec {
				t.Errorf("step %d (%s) makes a descriptor without close-on-exec: %s", i, s.Name, p.Line(i))
			} else if descriptor && s.Out == plan.None {
				t.Errorf("step %d (%s) makes a descriptor that no cell holds", i, s.Name)
			}
			if s.Call == plan.Socketpair && s.Args[1].Value&unix.SOCK_CLOEXEC == 0 {
				t.Errorf("step %d (%s) makes sockets without close-on-exec", i, s.Name)
			}
			// The socket that `start` speaks on takes the place of the parent's.
			if sync := uint64(3 + in.Process.Preserve); s.Call == plan.Dup3 && s.Args[1].Value > 2 && s.Args[1].Value != sync {
				t.Errorf("step %d (%s) makes descriptor %d", i, s.Name, s.Args[1].Value)
			}
		}
		before := known(p, func(i int, _ edge, f facts) {
			s := &p.Steps[i]
			if s.Call == plan.CloseRange && s.Args[0].Value <= uint64(3+in.Process.Preserve) && s.Args[2].Value == unix.CLOSE_RANGE_CLOEXEC {
				f["close_range"] = true
			}
		})
		for i := range p.Steps {
			if p.Steps[i].Call != plan.Execve {
				continue
			}
			if !before[i]["close_range"] {
				t.Errorf("step %d (%s): no close_range on some path to it", i, p.Steps[i].Name)
			}
		}
		for _, path := range walks(p) {
			for _, left := range leftOpen(p, path) {
				if short := strings.TrimRight(name(p, left), "0123456789"); !slices.Contains(keep, short) {
					t.Errorf("%s is still open at execve", name(p, left))
				}
			}
		}
	})
}

// walks are paths from the first step to execve: one without an error, and for
// each error one that takes it wherever the plan allows it.
func walks(p *plan.Plan) [][]edge {
	var out [][]edge
	for _, errno := range []unix.Errno{0, unix.ENOENT, unix.ENOTDIR, unix.EEXIST, unix.EPERM, unix.EINVAL, unix.EACCES, unix.ENOSYS} {
		var path []edge
		for i := 0; p.Steps[i].Call != plan.Execve && p.Steps[i].Call != plan.ExitGroup && len(path) < 10*len(p.Steps); {
			s := &p.Steps[i]
			e := edge{to: s.Next}
			if s.Call == plan.Clone && !inHook(s) {
				e.to = s.Zero // the child goes on
			}
			if s.Call == plan.CloseRange && inHook(s) && s.Args[1].Kind == plan.Result {
				e = edge{s.On[0].To, s.On[0].Errno, true} // the hook succeeded
			}
			for _, on := range s.On {
				if on.Errno == errno {
					e = edge{on.To, errno, true}
				}
			}
			path = append(path, edge{to: i, failed: e.failed})
			i = e.to
		}
		out = append(out, path)
	}
	return out
}

// leftOpen are the cells whose descriptors a walk has opened and not closed.
func leftOpen(p *plan.Plan, path []edge) []plan.Cell {
	open := map[plan.Cell]bool{}
	for _, e := range path {
		s := &p.Steps[e.to]
		if descriptor, _ := opens(p, s); descriptor && !e.failed {
			open[s.Out] = true
		}
		if s.Call == plan.Close && s.Args[0].Kind == plan.Result {
			delete(open, cellOf(s.Args[0]))
		}
	}
	return slices.Sorted(maps.Keys(open))
}
