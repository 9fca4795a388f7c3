package compile

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

// Properties that every plan must have, tested with the golden plans. A plan is a small program, so
// the checks are those of a compiler: which steps are reachable, and what holds on every path to a
// step.

// An edge leads from one step to another. failed means that the step's result is an error number.
type edge struct {
	to     int
	errno  unix.Errno
	failed bool
}

func listEdges(p *plan.Plan, i int) []edge {
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

// facts are what holds at a step: "cell X has a result", "Y is closed".
type facts map[string]bool

// propagateFacts computes, for every step, the facts that hold before it on every path. The function step
// converts a copy of the facts before a step into those after it on one edge. A step that cannot be
// reached has nil.
func propagateFacts(p *plan.Plan, step func(i int, e edge, f facts)) []facts {
	before := make([]facts, len(p.Steps))
	before[0] = initialFacts(p)
	for work := []int{0}; len(work) > 0; {
		i := work[0]
		work = work[1:]
		for _, e := range listEdges(p, i) {
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

// initialFacts returns the cells that have a value before the first step.
func initialFacts(p *plan.Plan) facts {
	f := facts{}
	for _, c := range p.Cells {
		if binary.LittleEndian.Uint64(p.Data[c.Cell:]) != 0 {
			f[cellKey(c.Cell)] = true
		}
	}
	return f
}

// inHook reports whether a step belongs to a hook inside the container, which is a separate process
// next to the container's.
func inHook(s *plan.Step) bool { return strings.HasPrefix(s.Source, "hooks.") }

func cellOf(a plan.Arg) plan.Cell { return plan.Cell(a.Value - plan.DataBase) }

func cellKey(c plan.Cell) string { return fmt.Sprintf("cell %d", c) }

// cellsBehind returns the named cells in memory that a pointer argument refers to.
func cellsBehind(p *plan.Plan, a plan.Arg, size uint64) []plan.Cell {
	var out []plan.Cell
	for _, c := range p.Cells {
		if at := plan.DataBase + uint64(c.Cell); a.Kind == plan.Pointer && at >= a.Value && at < a.Value+size {
			out = append(out, c.Cell)
		}
	}
	return out
}

// flow is the data-flow analysis. A cell is known once a step has written a result to it, until the
// descriptor in it is closed.
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

// errnoKey is the fact that a cell has the error number of a failed step.
func errnoKey(c plan.Cell) string { return "errno in " + cellKey(c) }

// TestCellsAreWritten: on every path to a step that uses a result, the step that produces it was
// executed and succeeded, and its descriptor is still open.
func TestCellsAreWritten(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		before := propagateFacts(p, flow(p))
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
				continue // checks whether the cell has a descriptor
			}
			key := cellKey
			if s.Call == plan.Write && strings.HasSuffix(s.Name, handshake.Name(handshake.NoProgram)) {
				key = errnoKey
			}
			for _, c := range uses {
				if !before[i][key(c)] {
					t.Errorf("step %d (%s) uses %s, which is not written, or closed, on some path to it", i, s.Name,
						cellName(p, c))
				}
			}
		}
	})
}

func cellName(p *plan.Plan, c plan.Cell) string {
	for _, n := range p.Cells {
		if n.Cell == c {
			return "$" + n.Name
		}
	}
	return fmt.Sprintf("cell %d", c)
}

// TestFlowFindsMistakes tests the analysis itself, with incorrect plans.
func TestFlowFindsMistakes(t *testing.T) {
	for what, build := range map[string]func(b *plan.Builder, fd plan.Cell){
		"after an error that is fine": func(b *plan.Builder, fd plan.Cell) {
			b.Add(plan.Op{Name: "open", Out: fd, Then: plan.Fine(unix.ENOENT)},
				plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("/x"), plan.Int(0), plan.Int(0))
			b.Add(plan.Op{Name: "use"}, plan.Fchdir, plan.Of(fd))
		},
		"after close": func(b *plan.Builder, fd plan.Cell) {
			b.Add(plan.Op{Name: "open", Out: fd},
				plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("/x"), plan.Int(0), plan.Int(0))
			b.Add(plan.Op{Name: "close"}, plan.Close, plan.Of(fd))
			b.Add(plan.Op{Name: "use"}, plan.Fchdir, plan.Of(fd))
		},
		"on one of two ways": func(b *plan.Builder, fd plan.Cell) {
			over := b.Label()
			b.Add(plan.Op{Name: "jump", Then: plan.Then{On: []plan.On{{Errno: unix.ENOENT, To: over}}}},
				plan.Chdir, b.Str("/x"))
			b.Add(plan.Op{Name: "open", Out: fd},
				plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("/x"), plan.Int(0), plan.Int(0))
			b.Place(over)
			b.Add(plan.Op{Name: "use"}, plan.Fchdir, plan.Of(fd))
		},
	} {
		b := plan.NewBuilder(3)
		fd := b.Cell("fd")
		build(b, fd)
		b.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(0))
		p := b.Plan()
		use := len(p.Steps) - 2
		if propagateFacts(p, flow(p))[use][cellKey(fd)] {
			t.Errorf("%s: the descriptor is taken for open", what)
		}
	}
}

// opens reports whether a step creates a descriptor, and whether it is closed automatically at
// execve.
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
		return s.Out != plan.None, true // seccomp(2): the listener is close-on-exec
	}
	return false, false
}

// TestDescriptorsAreClosed: every descriptor is close-on-exec from the beginning, a close_range
// before execve closes all others, and only a few are open at any time, regardless of the number of
// mounts.
func TestDescriptorsAreClosed(t *testing.T) {
	// Used until execve; and a filter may forbid close(2).
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
			// The socket to `start` replaces the parent's.
			// The init closes all descriptors except 0 to 2.
			if sync := uint64(3 + in.Process.Preserve); s.Call == plan.Dup3 && s.Args[1].Value > 2 &&
				s.Args[1].Value != sync && s.Source != `annotations["dev.minirun.init"]` {
				t.Errorf("step %d (%s) makes descriptor %d", i, s.Name, s.Args[1].Value)
			}
		}
		before := propagateFacts(p, func(i int, _ edge, f facts) {
			s := &p.Steps[i]
			if s.Call == plan.CloseRange && s.Args[0].Value <= uint64(3+in.Process.Preserve) &&
				s.Args[2].Value == unix.CLOSE_RANGE_CLOEXEC {
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
				if short := strings.TrimRight(cellName(p, left), "0123456789"); !slices.Contains(keep, short) {
					t.Errorf("%s is still open at execve", cellName(p, left))
				}
			}
		}
	})
}

// walks returns paths from the first step to execve: one without errors, and for each error one
// that takes it wherever the plan allows it.
func walks(p *plan.Plan) [][]edge {
	var out [][]edge
	for _, errno := range []unix.Errno{0, unix.ENOENT, unix.ENOTDIR, unix.EEXIST, unix.EPERM, unix.EINVAL, unix.EACCES,
		unix.ENOSYS} {
		var path []edge
		for i := 0; p.Steps[i].Call != plan.Execve && p.Steps[i].Call != plan.ExitGroup &&
			len(path) < 10*len(p.Steps); {
			s := &p.Steps[i]
			e := edge{to: s.Next}
			if s.Call == plan.Clone && !inHook(s) {
				e.to = s.Zero // the child continues
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

// leftOpen returns the cells whose descriptors a walk opened and did not close.
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
