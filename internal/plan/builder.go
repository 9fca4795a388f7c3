package plan

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/termtext"
)

// A Builder builds a Plan. A step continues with the following one unless specified
// otherwise; a jump names a Label, which is placed before or after.
type Builder struct {
	plan   Plan
	labels []int  // label → index of the step after it, -1 if not yet placed
	jumps  []jump // to be filled in when all labels are placed
	syncFD int
	group  Group
	source string
	strs   map[string]Arg
	names  map[string]int // number of cells with each name
}

// A Label is a position in the plan that a step can continue at. The zero Label is
// "the following step".
type Label int

type jump struct {
	step int
	slot int // -2 Next, -1 Zero, else index in On
	to   Label
}

// Then is where a step continues; the zero value of each field is "the following
// step".
type Then struct {
	Next, Zero Label
	On         []On
}

// On allows one error of a step.
type On struct {
	Errno unix.Errno
	To    Label
}

// Fine lists errors after which the plan simply continues.
func Fine(errnos ...unix.Errno) Then {
	t := Then{}
	for _, e := range errnos {
		t.On = append(t.On, On{Errno: e})
	}
	return t
}

// NewBuilder returns a Builder for a plan whose messages go to the descriptor syncFD
// of the new process.
func NewBuilder(syncFD int) *Builder {
	// Room for the 400 steps of a default config: growing the slice would copy them
	// all.
	b := &Builder{
		syncFD: syncFD, labels: make([]int, 1, 192), jumps: make([]jump, 0, 256),
		strs: make(map[string]Arg, 192), names: make(map[string]int, 64),
	}
	b.plan.Data = make([]byte, headerSize, 20<<10)
	b.plan.Steps = make([]Step, 0, 448)
	b.plan.Cells = make([]CellName, 0, 160)
	binary.LittleEndian.PutUint64(b.plan.Data[headerSync:], uint64(syncFD))
	return b
}

// SyncFD returns the descriptor of the new process that messages are sent to.
func (b *Builder) SyncFD() int { return b.syncFD }

// File adds a descriptor that the parent opens and returns its number as an
// argument.
func (b *Builder) File(f File) Arg {
	f.Descriptor = b.NextFile()
	f.Source = b.source
	b.plan.Files = append(b.plan.Files, f)
	return Int(f.Descriptor)
}

// NextFile returns the descriptor that the next File gets.
func (b *Builder) NextFile() int { return b.syncFD + 1 + len(b.plan.Files) }

// In sets the group and the JSON path of the steps that follow.
func (b *Builder) In(g Group, source string) {
	b.group, b.source = g, source
}

// An Op describes a step to add: everything except the system call.
type Op struct {
	Name string // what the step does: "mount proc on /proc"
	Why  string // the reason, or what would break without it
	Kind Kind
	Out  Cell // stores the result; 0 drops it
	Then Then
}

// Add adds a step. The arguments are those of the system call, in the order of its
// manual page.
func (b *Builder) Add(op Op, call Call, args ...Arg) {
	i := len(b.plan.Steps)
	t := &op.Then
	s := Step{
		Call: call, Args: args, Out: op.Out, Next: i + 1, Zero: i + 1, Kind: op.Kind, Group: b.group,
		// config.json may contain a path from an image.
		Name: termtext.Line(op.Name), Why: termtext.Line(op.Why), Source: b.source,
	}
	if s.Out == 0 {
		s.Out = None
	}
	if t.Next != 0 {
		b.jumps = append(b.jumps, jump{i, -2, t.Next})
	}
	switch {
	case t.Zero != 0:
		b.jumps = append(b.jumps, jump{i, -1, t.Zero})
	case t.Next != 0:
		// Success is a single outcome for all calls except clone and read.
		b.jumps = append(b.jumps, jump{i, -1, t.Next})
	}
	again := call == Openat2 && b.mayRace(args) && !slices.ContainsFunc(t.On,
		func(on On) bool { return on.Errno == unix.EAGAIN })
	if len(t.On) > 0 || again {
		s.On = make([]Branch, 0, len(t.On)+1)
	}
	for k, on := range t.On {
		s.On = append(s.On, Branch{on.Errno, i + 1})
		if on.To != 0 {
			b.jumps = append(b.jumps, jump{i, k, on.To})
		}
	}
	if again {
		s.On = append(s.On, Branch{unix.EAGAIN, i}) // Encode refuses a step that has no room for it
	}
	b.plan.Steps = append(b.plan.Steps, s)
}

// mayRace reports whether an openat2 may have to be repeated: when it has to keep a
// path below a root and the path, or a link in it, contains .., it fails with EAGAIN
// if anything on the machine was renamed or mounted meanwhile, because it cannot rule
// out that the path left the root.
func (b *Builder) mayRace(args []Arg) bool {
	const how, resolve = 2, 16 // the argument, and the offset in struct open_how
	if len(args) <= how || args[how].Kind != Pointer {
		return false
	}
	offset := args[how].Value - DataBase + resolve
	if offset+8 > uint64(len(b.plan.Data)) {
		return false
	}
	word := binary.LittleEndian.Uint64(b.plan.Data[offset:])
	return word&(unix.RESOLVE_IN_ROOT|unix.RESOLVE_BENEATH) != 0 && word&unix.RESOLVE_NO_SYMLINKS == 0
}

// Label creates a new label, to be placed later.
func (b *Builder) Label() Label {
	b.labels = append(b.labels, -1)
	return Label(len(b.labels) - 1)
}

// Place puts the label before the next step. A label has one position: placing it a
// second time, which would silently redirect existing jumps, panics.
func (b *Builder) Place(l Label) {
	if b.labels[l] >= 0 {
		panic("plan: a label was placed twice, or is the zero Label")
	}
	b.labels[l] = len(b.plan.Steps)
}

// Here creates a label before the next step.
func (b *Builder) Here() Label {
	l := b.Label()
	b.Place(l)
	return l
}

// Cell creates a new cell. If the name is already in use, Text appends a number to it.
func (b *Builder) Cell(name string) Cell {
	return b.CellIn(b.Bytes([]byte{7: 0}), 0, name)
}

// CellIn creates a cell for eight bytes of a room: a field of a structure that one
// call fills and another takes.
func (b *Builder) CellIn(room Arg, offset int, name string) Cell {
	c := Cell(room.Value-DataBase) + Cell(offset)
	b.plan.Cells = append(b.plan.Cells, CellName{c, b.uniqueName(name)})
	return c
}

func (b *Builder) uniqueName(name string) string {
	b.names[name]++
	if n := b.names[name]; n > 1 {
		return name + strconv.Itoa(n)
	}
	return name
}

// Bytes puts data into the plan, at a multiple of eight, and returns its
// address.
func (b *Builder) Bytes(data []byte) Arg {
	b.align(8)
	a := Arg{Pointer, DataBase + uint64(len(b.plan.Data))}
	b.plan.Data = append(b.plan.Data, data...)
	return a
}

// Room reserves n zero bytes.
func (b *Builder) Room(n int) Arg { return b.Bytes(make([]byte, n)) }

// Str puts a string with its terminating zero into the plan. Equal strings share one
// copy: no call writes through such a pointer. A string that contains a zero byte
// makes Encode fail: the kernel would take the part before it for the whole, and act
// on a different path from the one written.
func (b *Builder) Str(s string) Arg {
	if a, ok := b.strs[s]; ok {
		return a
	}
	if strings.IndexByte(s, 0) >= 0 && b.plan.bad == nil {
		b.plan.bad = fmt.Errorf("plan: %s: a zero byte in %q", b.source, s)
	}
	a := Arg{Pointer, DataBase + uint64(len(b.plan.Data))}
	b.plan.Data = append(append(b.plan.Data, s...), 0)
	b.strs[s] = a
	return a
}

// Strs puts a vector of strings with its terminating null pointer into the
// plan, as execve(2) takes it. Extra pointers follow the strings.
func (b *Builder) Strs(list []string, extra ...Arg) Arg {
	words := make([]uint64, 0, len(list)+len(extra)+1)
	for _, s := range list {
		words = append(words, b.Str(s).Value)
	}
	for _, a := range extra {
		words = append(words, a.Value)
	}
	return b.Words(append(words, 0)...)
}

// Words puts 64-bit numbers or addresses into the plan: the shape of iovec,
// rlimit64, open_how, mount_attr.
func (b *Builder) Words(words ...uint64) Arg {
	b.align(8)
	a := Arg{Pointer, DataBase + uint64(len(b.plan.Data))}
	for _, w := range words {
		b.plan.Data = binary.LittleEndian.AppendUint64(b.plan.Data, w)
	}
	return a
}

// Words32 puts 32-bit numbers into the plan.
func (b *Builder) Words32(words ...uint32) Arg {
	b.align(8)
	a := Arg{Pointer, DataBase + uint64(len(b.plan.Data))}
	for _, w := range words {
		b.plan.Data = binary.LittleEndian.AppendUint32(b.plan.Data, w)
	}
	return a
}

func (b *Builder) align(n int) {
	for len(b.plan.Data)%n != 0 {
		b.plan.Data = append(b.plan.Data, 0)
	}
}

// Message reserves space for the message of a sync point. Steps put their results into
// its cells, which are named as given, and Tell sends it.
func (b *Builder) Message(point uint32, results ...string) Message {
	room := b.Room(MessageSize)
	head := b.plan.Data[room.Value-DataBase:]
	binary.LittleEndian.PutUint32(head, MessagePoint)
	binary.LittleEndian.PutUint32(head[4:], point)
	m := Message{Point: point, at: room}
	for i, cell := range [2]*Cell{&m.A, &m.B} {
		*cell = Cell(room.Value-DataBase) + Cell(8+8*i)
		if i < len(results) {
			b.CellIn(room, 8+8*i, results[i])
		}
	}
	return m
}

// A Message is what the new process sends its parent at a sync point. A and B have no
// names in Text if Message was given none.
type Message struct {
	Point uint32
	at    Arg
	A, B  Cell
}

// MessageSize is the size of a message of a sync point, in bytes.
const MessageSize = 24

// At returns the address of a cell, for a call that fills it through a pointer.
func (b *Builder) At(c Cell) Arg { return Arg{Pointer, DataBase + uint64(c)} }

// Preset puts a value into a cell that no step fills.
func (b *Builder) Preset(c Cell, value uint64) {
	binary.LittleEndian.PutUint64(b.plan.Data[c:], value)
}

// Tell adds a step that sends m.
func (b *Builder) Tell(name, why string, m Message) {
	b.Add(Op{Name: name, Why: why}, Write, Int(b.syncFD), m.at, Int(MessageSize))
}

// Await adds the step that waits for the parent's answer and puts it into room. If the
// parent died the read returns zero bytes, or ECONNRESET if the parent had not read
// the last message; the process must not continue as if it had been allowed to, so it
// jumps to gone.
func (b *Builder) Await(name, why string, room Arg, size int, gone Label) {
	if gone == 0 {
		panic("plan: " + name + " would continue without its parent")
	}
	here := b.Here()
	b.Add(Op{Name: name, Why: why, Then: Then{Zero: gone, On: []On{{unix.EINTR, here}, {unix.ECONNRESET, gone}}}},
		Read, Int(b.syncFD), room, Int(size))
}

// Plan finishes the building. It panics on a label that was never placed: that is a
// bug in the program, not in its input.
func (b *Builder) Plan() *Plan {
	for _, j := range b.jumps {
		to := b.labels[j.to]
		if to < 0 || to > len(b.plan.Steps) {
			panic("plan: step " + b.plan.Steps[j.step].Name + " jumps to a label that was not placed")
		}
		s := &b.plan.Steps[j.step]
		switch j.slot {
		case -2:
			s.Next = to
		case -1:
			s.Zero = to
		default:
			s.On[j.slot].To = to
		}
	}
	b.align(8)
	// Sorted by offset, as Text expects.
	slices.SortStableFunc(b.plan.Cells, func(x, y CellName) int { return cmp.Compare(x.Cell, y.Cell) })
	return &b.plan
}
