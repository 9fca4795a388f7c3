// Package plan defines the list of system calls that creates a container.
//
//	config.json ──compile──▶ Plan ──Encode──▶ bytes ──bootstrap──▶ kernel
//	                          │
//	                          └── Text: the same steps for a person, in strace's notation
//
// A Plan knows nothing about containers: it is an ordered list of Steps and the data
// they point into. One Step is one system call: its arguments, where its result goes,
// which errors are fine, and where to continue. The loop that runs it (package
// bootstrap) is about a hundred machine instructions and makes no decisions, so every
// decision was made before, is data, and can be printed and tested without root.
//
// Nothing is described twice: Text decodes the arguments from the numbers and the data
// that run, so an explanation cannot show anything that does not happen.
package plan

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Addresses in the new process. The image is a static ELF file without
// relocations, so a pointer in a plan is a plain number known when the plan is
// built. Both are multiples of 64 KiB, the largest page size of arm64.
const (
	CodeBase = 0x00400000 // the loop, and the ELF header before it
	DataBase = 0x00800000 // header, data, step table
)

// The header is at DataBase; the loop finds everything through it.
//
//	offset  0  u64     address of the step table
//	        8  u64     descriptor that takes the failure report
//	       16  u32 x4  failure report: kind, step, errno, 0 (see Message)
//	       32  u64     cell for unused results
//	       40  u32 x2  kind and point of the message Ran, 0 if the plan is not observed
//	       48  u64     index of the last step that has run: written by the loop
//	       56  u64     its result: written by the loop
//	       64  data of the plan
const (
	headerTable   = 0
	headerSync    = 8
	headerReport  = 16
	headerScratch = 32
	headerRan     = 40
	headerSize    = 64
)

// Kinds of message from the new process; every message starts with one.
const (
	MessageFailed = 1 // u32 kind, u32 step, u32 errno, u32 0: written by the loop
	MessagePoint  = 2 // u32 kind, u32 point, u64 value, u64 value: written by a Sync step
	MessageStamps = 3 // u32 kind, u32 count, struct timespec x count: see Stamp
)

// Ran is the point at which an observed plan reports a step that has run: A is its
// index, B its result. See Observe.
const Ran uint32 = 1 << 16

// A Plan is the ordered list of steps of one new process.
type Plan struct {
	Steps []Step
	Data  []byte     // loaded at DataBase; begins with the header
	Cells []CellName // sorted by Cell
	Files []File     // opened by the parent beforehand, not part of the image

	bad error // the Builder's first error; Encode returns it
}

// A File is a descriptor that the parent opens and the new process inherits, because
// the process could not open it itself: a path of the host that its user namespace may
// not see, or an object that must be the same one that was validated.
type File struct {
	Descriptor int // its number in the new process
	Open       Opening
	Path       string
	Maps       [2][]string // MapIDs: lines for uid_map and gid_map
	Node       Node        // Device
	Plan       *Plan       // Init
	Name       string
	Source     string // JSON path, as in Step
}

// Opening is how a File is opened.
type Opening uint8

const (
	OpenRead Opening = iota // open(path, O_RDONLY|O_CLOEXEC)
	Pipe                    // the reading end of a pipe, or of a file that can hold more; the parent keeps the other
	MapIDs                  // a new user namespace with Maps
	Process                 // pidfd_open of the process whose PID is Path
	Device                  // a detached mount of a new device node
	Append                  // open(path, O_WRONLY|O_APPEND|O_CREAT|O_CLOEXEC)
	Memory                  // an empty file without a name, for output; the parent keeps it too
	Init                    // a program that runs Plan
)

// A Node is a device node or a FIFO, with its owner on the host.
type Node struct {
	Mode     uint32 // file type and permissions
	Number   uint64
	UID, GID uint32
}

// A Step is one system call.
type Step struct {
	Call Call
	Args []Arg // at most six
	Out  Cell  // stores the result, errors included; None drops it

	// The index of the step to continue with: Next after a result above zero, Zero
	// after zero (the child's side of clone, end of file for read), On after an error.
	// An error that On does not list ends the process with a report.
	Next, Zero int
	On         []Branch // at most four

	Kind   Kind
	Group  Group
	Name   string // what the step does: "mount proc on /proc"
	Why    string // the reason, or what would break without it
	Source string // JSON path in config.json that requested it, "" for minirun itself
}

// Kind distinguishes the steps that the parent treats specially.
type Kind uint8

const (
	Plain        Kind = iota
	Program           // finds or executes the container's program
	WaitForStart      // a created container waits here for `start`
	Split             // clones a process that continues with the plan, as this one does
)

// A Branch specifies where to continue after an expected error.
type Branch struct {
	Errno unix.Errno
	To    int
}

// MaxArgs and MaxBranches are the limits of an encoded step.
const (
	MaxArgs     = 6
	MaxBranches = 4
)

// A Cell is eight bytes of the plan's data that store a step's result, identified by
// their offset in Data.
type Cell uint32

// None is the cell for unused results.
const None Cell = headerScratch

// A CellName is the name under which Text shows a cell.
type CellName struct {
	Cell Cell
	Name string
}

// ArgKind specifies what the loop does with an argument before the call.
type ArgKind uint8

const (
	Immediate ArgKind = iota // Value is the argument
	Pointer                  // Value is an address in the plan's data
	Result                   // the argument is the content of the cell at Value
)

// An Arg is one argument of a system call. Pointer and Immediate are the same to the
// loop; they are distinguished for checking and for Text.
type Arg struct {
	Kind  ArgKind
	Value uint64
}

// Int returns an argument for a number known beforehand.
func Int[T ~int | ~int32 | ~int64 | ~uint | ~uint32 | ~uint64 | ~uintptr](n T) Arg {
	return Arg{Immediate, uint64(n)}
}

// Of returns an argument for the result of an earlier step.
func Of(c Cell) Arg { return Arg{Result, DataBase + uint64(c)} }

// Group is the part of the set-up that a step belongs to.
type Group uint8

const (
	Namespaces Group = iota
	Filesystem
	Identity
	Limits
	Exec
	Sync
)

// String returns the group's name as Text shows it.
func (g Group) String() string {
	return [...]string{"namespaces", "filesystem", "identity", "limits", "exec", "sync"}[g]
}

// Asks returns the number of times that the process waits for an answer from its
// parent.
func (p *Plan) Asks() int {
	sync := binary.LittleEndian.Uint64(p.Data[headerSync:])
	n := 0
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Call == Read && len(s.Args) > 0 && s.Args[0] == (Arg{Immediate, sync}) {
			n++
		}
	}
	return n
}
