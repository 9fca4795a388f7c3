package plan

import (
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// wordsAt reads 64-bit words of the plan's data.
func wordsAt(p *Plan, a Arg, n int) []uint64 {
	var out []uint64
	for i := range n {
		out = append(out, binary.LittleEndian.Uint64(p.Data[a.Value-DataBase+uint64(8*i):]))
	}
	return out
}

func TestBuilderJumps(t *testing.T) {
	b := NewBuilder(7)
	forward, end := b.Label(), b.Label()
	back := b.Here()
	b.Add(Op{Name: "both", Then: Then{Next: forward}}, Getppid)                         // 0: Zero follows Next
	b.Add(Op{Name: "zero", Then: Then{Zero: end}}, Getppid)                             // 1: Next is the next step
	b.Add(Op{Name: "apart", Then: Then{Next: back, Zero: forward}}, Getppid)            // 2
	b.Add(Op{Name: "errors", Then: Then{On: []On{{1, end}, {2, 0}, {3, back}}}}, Umask) // 3
	b.Place(forward)
	b.Add(Op{Name: "fine", Then: Fine(unix.EEXIST, unix.ENOENT)}, Setsid) // 4
	b.Place(end)
	b.Add(Op{Name: "end"}, ExitGroup) // 5
	p := b.Plan()
	type goOn struct {
		next, zero int
		on         []Branch
	}
	want := []goOn{
		{4, 4, nil}, {2, 5, nil}, {0, 4, nil}, {4, 4, []Branch{{1, 5}, {2, 4}, {3, 0}}},
		{5, 5, []Branch{{unix.EEXIST, 5}, {unix.ENOENT, 5}}}, {6, 6, nil},
	}
	for i, s := range p.Steps {
		if got := (goOn{s.Next, s.Zero, s.On}); !reflect.DeepEqual(got, want[i]) {
			t.Errorf("step %d: goes on at %v, want %v", i, got, want[i])
		}
	}
	if _, err := p.Encode(); err != nil {
		t.Error(err)
	}
	if b.SyncFD() != 7 || p.Data[headerSync] != 7 {
		t.Errorf("sync descriptor %d, %d in the header, want 7", b.SyncFD(), p.Data[headerSync])
	}
}

func TestBuilderData(t *testing.T) {
	b := NewBuilder(3)
	one := b.Str("one")
	if again := b.Str("one"); again != one {
		t.Errorf("the same string at %#x and %#x", one.Value, again.Value)
	}
	cell := b.Cell("fd")
	list := b.Strs([]string{"sh", "one", ""}, Arg{Pointer, 0xabcd})
	empty := b.Strs(nil)
	nums := b.Words(1, 1<<63)
	halves := b.Words32(1, 0xffffffff, 5)
	room := b.Room(3)
	odd := b.Bytes([]byte{1, 2, 3})
	p := b.Plan()
	for _, a := range []Arg{list, empty, nums, halves, room, odd, {Pointer, DataBase + uint64(cell)}} {
		if a.Value%8 != 0 || a.Kind != Pointer {
			t.Errorf("%#x: kind %d, or not at a multiple of 8", a.Value, a.Kind)
		}
	}
	if len(p.Data)%8 != 0 {
		t.Errorf("%d bytes of data", len(p.Data))
	}
	w := wordsAt(p, list, 5)
	for i, s := range []string{"sh", "one", ""} {
		if got := p.cString(w[i]); got != s {
			t.Errorf("string %d is %q, want %q", i, got, s)
		}
	}
	if w[1] != one.Value || w[3] != 0xabcd || w[4] != 0 {
		t.Errorf("vector %#x: want the shared string, the extra pointer and a zero at its end", w)
	}
	if got := wordsAt(p, empty, 1); got[0] != 0 {
		t.Errorf("empty vector: %v", got)
	}
	if got := wordsAt(p, nums, 2); !reflect.DeepEqual(got, []uint64{1, 1 << 63}) {
		t.Errorf("words: %#x", got)
	}
	if got := wordsAt(p, halves, 2); !reflect.DeepEqual(got, []uint64{0xffffffff_00000001, 5}) {
		t.Errorf("32-bit words: %#x", got)
	}
	if got := wordsAt(p, odd, 1)[0]; got != 0x030201 {
		t.Errorf("bytes: %#x", got)
	}
	if len(p.Cells) != 1 || p.Cells[0] != (CellName{cell, "fd"}) {
		t.Errorf("cells: %v", p.Cells)
	}
}

func TestBuilderGroupAndSource(t *testing.T) {
	b := NewBuilder(3)
	b.In(Filesystem, "mounts[0]")
	b.Add(Op{Name: "open", Why: "why", Out: b.Cell("fd")}, Fsopen, b.File(File{Path: "/x"}))
	b.In(Exec, "process")
	second := b.File(File{Path: "/y"})
	b.Add(Op{Name: "end"}, ExitGroup)
	p := b.Plan()
	s := p.Steps[0]
	if s.Group != Filesystem || s.Source != "mounts[0]" || s.Name != "open" || s.Why != "why" ||
		s.Out != p.Cells[0].Cell {
		t.Errorf("got %+v", s)
	}
	if p.Steps[1].Group != Exec || p.Steps[1].Source != "process" || p.Steps[1].Out != None {
		t.Errorf("got %+v", p.Steps[1])
	}
	// Files come after the sync descriptor.
	if s.Args[0] != Int(4) || second != Int(5) || p.Files[0].Descriptor != 4 || p.Files[0].Source != "mounts[0]" ||
		p.Files[1].Descriptor != 5 {
		t.Errorf("files: %+v", p.Files)
	}
}

func TestBuilderMessages(t *testing.T) {
	b := NewBuilder(5)
	gone := b.Label()
	m := b.Message(9, "first", "second")
	b.Add(Op{Name: "ask the kernel", Out: m.A}, Getppid)
	b.Tell("tell", "", m)
	room := b.Room(8)
	b.Await("await", "", room, 8, gone)
	b.Place(gone)
	b.Add(Op{Name: "end"}, ExitGroup)
	p := b.Plan()
	tell, await := p.Steps[1], p.Steps[2]
	if !reflect.DeepEqual(tell.Args, []Arg{Int(5), m.at, Int(MessageSize)}) || tell.Call != Write {
		t.Errorf("tell: %+v", tell)
	}
	if wordsAt(p, m.at, 1)[0] != 9<<32|MessagePoint {
		t.Errorf("head of the message: %#x", wordsAt(p, m.at, 1))
	}
	// The loop writes MessageSize bytes, starting with the head.
	if uint64(m.A) != m.at.Value-DataBase+8 || m.B != m.A+8 || m.at.Value-DataBase+MessageSize != uint64(m.B)+8 {
		t.Errorf("message at %#x with cells at %#x and %#x", m.at.Value, m.A, m.B)
	}
	if !reflect.DeepEqual(await.Args, []Arg{Int(5), room, Int(8)}) || await.Zero != 3 || await.Next != 3 ||
		!reflect.DeepEqual(await.On, []Branch{{unix.EINTR, 2}, {unix.ECONNRESET, 3}}) {
		t.Errorf("await: %+v", await)
	}
}

// TestRacingLookupIsRepeated: openat2(2) returns EAGAIN for a .. below a root if anything is
// renamed at the same time.
func TestRacingLookupIsRepeated(t *testing.T) {
	b := NewBuilder(5)
	fd := b.Cell("fd")
	for _, resolve := range []uint64{unix.RESOLVE_IN_ROOT, unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
		unix.RESOLVE_NO_MAGICLINKS} {
		b.Add(Op{Name: "open", Out: fd, Then: Fine(unix.ENOENT)},
			Openat2, Int(3), b.Str("x"), b.Words(unix.O_PATH, 0, resolve), Int(24))
	}
	steps := b.Plan().Steps
	if want := []Branch{{unix.ENOENT, 1}, {unix.EAGAIN, 0}}; !reflect.DeepEqual(steps[0].On, want) {
		t.Errorf("below a root: %+v, want %+v", steps[0].On, want)
	}
	for i, where := range map[int]string{1: "without links", 2: "without a root"} {
		if want := []Branch{{unix.ENOENT, i + 1}}; !reflect.DeepEqual(steps[i].On, want) {
			t.Errorf("%s: %+v, want %+v", where, steps[i].On, want)
		}
	}
}

// TestRacingLookupWithoutRoomIsRefused: there must be room in the plan for steps that have to be
// repeated.
func TestRacingLookupWithoutRoomIsRefused(t *testing.T) {
	b := NewBuilder(5)
	b.Add(Op{Name: "open", Out: b.Cell("fd"), Then: Fine(unix.ENOENT, unix.ELOOP, unix.ENOTDIR, unix.EACCES)},
		Openat2, Int(3), b.Str("x"), b.Words(unix.O_PATH, 0, unix.RESOLVE_IN_ROOT), Int(24))
	b.Add(Op{Name: "end"}, ExitGroup, Int(0))
	if _, err := b.Plan().Encode(); err == nil {
		t.Error("the step is not repeated after EAGAIN")
	}
}

// TestBuilderPanics: programming errors must not result in a plan.
func TestBuilderPanics(t *testing.T) {
	for name, f := range map[string]func(b *Builder){
		"not placed": func(b *Builder) {
			b.Add(Op{Name: "step that jumps", Then: Then{Next: b.Label()}}, Getppid)
			b.Plan()
		},
		"placed twice":     func(b *Builder) { b.Place(b.Here()) },
		"the zero label":   func(b *Builder) { b.Place(0) },
		"await and go on":  func(b *Builder) { b.Await("step that jumps", "", b.Room(8), 8, 0) },
		"label of nothing": func(b *Builder) { b.Place(99) },
	} {
		func() {
			defer func() {
				switch r := recover(); {
				case r == nil:
					t.Errorf("%s: no panic", name)
				case name == "not placed" && !strings.Contains(r.(string), "step that jumps"):
					t.Errorf("%s: the panic does not name the step: %v", name, r)
				}
			}()
			f(NewBuilder(3))
		}()
	}
}

// TestBuilderZeroByte: the kernel would see only the part before the zero byte.
func TestBuilderZeroByte(t *testing.T) {
	b := NewBuilder(3)
	b.In(Exec, "process.args[0]")
	b.Add(Op{Name: "become"}, Execve, b.Str("/bin/sh\x00ell"), b.Strs(nil), b.Strs(nil))
	_, err := b.Plan().Encode()
	if err == nil || !strings.Contains(err.Error(), "process.args[0]") {
		t.Fatalf("got %v, want an error that names process.args[0]", err)
	}
}
