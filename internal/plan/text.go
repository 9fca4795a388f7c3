package plan

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
)

// Text writes the plan in human-readable form: the steps by group, each with its call
// in strace's notation, where it branches, why it exists and what requested it. The
// same plan always gives the same bytes.
func (p *Plan) Text(w io.Writer) error { return p.TextOf(w, func(*Step) bool { return true }) }

// TextOf writes only some steps of the plan.
func (p *Plan) TextOf(w io.Writer, include func(*Step) bool) error {
	var out strings.Builder
	group, source := Group(255), "\x00"
	for i := range p.Steps {
		s := &p.Steps[i]
		if !include(s) {
			continue
		}
		if s.Group != group || s.Source != source {
			group, source = s.Group, s.Source
			fmt.Fprintf(&out, "\n# %s", group)
			if source != "" {
				fmt.Fprintf(&out, ": %s", source)
			}
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "%4d  %-34s %s", i, language.Text(s.Name), p.Line(i))
		if s.Why != "" {
			fmt.Fprintf(&out, "  // %s", language.Text(s.Why))
		}
		out.WriteByte('\n')
	}
	for i := range p.Files {
		if f := &p.Files[i]; f.Open == Init {
			fmt.Fprintf(&out, "\n# %s\n", language.Text(fmt.Sprintf("the program of descriptor %d: %s", f.Descriptor, f.Name)))
			if err := f.Plan.Text(&out); err != nil {
				return err
			}
		}
	}
	_, err := io.WriteString(w, strings.TrimPrefix(out.String(), "\n"))
	return err
}

// Line returns step i in strace's notation, with where its result goes and where it
// branches: `openat2($root, "proc", {...}, 24) = $target; if it does not exist
// (ENOENT): go on with step 41`.
func (p *Plan) Line(i int) string {
	s := &p.Steps[i]
	var out strings.Builder
	out.WriteString(p.CallText(s))
	if s.Out != None {
		out.WriteString(" = " + p.cellName(uint64(s.Out)))
	}
	for _, rule := range s.rules(i) {
		out.WriteString("; " + language.Text(rule))
	}
	return out.String()
}

// BriefName returns a step's name for a message, with long values shortened to their ends.
func (s *Step) BriefName() string { return termtext.Value(s.Name) }

// BriefCall returns a step's call for a message, with long values shortened to their ends. The
// arguments of a program may be megabytes.
func (p *Plan) BriefCall(s *Step) string {
	args := p.ArgTexts(s)
	for i := range args {
		args[i] = termtext.Value(args[i])
	}
	return s.Call.Name() + "(" + strings.Join(args, ", ") + ")"
}

// CallText returns the call with its arguments, as strace writes it.
func (p *Plan) CallText(s *Step) string {
	return s.Call.Name() + "(" + strings.Join(p.ArgTexts(s), ", ") + ")"
}

// ArgTexts returns the arguments of the call, as strace writes them.
func (p *Plan) ArgTexts(s *Step) []string {
	shapes := callShapes[s.Call]
	args := make([]string, len(s.Args))
	for k, a := range s.Args {
		shape := number
		if k < len(shapes) {
			shape = shapes[k]
		}
		switch shape {
		case buffer, groups, bitmask:
			args[k] = p.countedText(s, a, shape)
		case prctlValue:
			args[k] = p.prctlText(s, k)
		case ioctlValue:
			args[k] = p.ioctlText(s, a)
		case keyctlValue:
			args[k] = p.keyctlText(s, k)
		case fcntlValue:
			args[k] = p.fcntlText(s, a)
		default:
			args[k] = p.argText(a, shape)
		}
	}
	return args
}

func (p *Plan) findCell(offset uint64) (int, bool) {
	return slices.BinarySearchFunc(p.Cells, offset,
		func(c CellName, offset uint64) int { return cmp.Compare(uint64(c.Cell), offset) })
}

func (p *Plan) cellName(offset uint64) string {
	if i, found := p.findCell(offset); found {
		return "$" + p.Cells[i].Name
	}
	return fmt.Sprintf("$%d", offset)
}

// shape is the meaning of an argument to the call.
type shape uint8

const (
	number shape = iota
	octal
	id
	descriptor
	directory
	text
	address
	buffer // the argument after it is the length
	groups // the argument before it is the length
	vector
	environment
	device
	openHow
	mountAttr
	rlimit
	rlimitResource
	prctlOption
	prctlValue
	ioctlRequest
	ioctlValue
	fsconfigCommand
	fcntlCommand
	keyctlCommand
	socketFamily
	capabilities
	accessMode
	socketType
	dupFlags
	openFlags
	closeRangeFlags
	mountFlags
	umountFlags
	openTreeFlags
	moveMountFlags
	atFlags
	unlinkFlags
	fsopenFlags
	fsmountFlags
	mountAttrFlags
	fcntlValue
	nodeMode
	renameFlags
	capabilityHeader
	seccompOperation
	seccompFlags
	seccompProgram
	keyctlValue
	personality
	schedAttr
	bitmask // of CPUs or NUMA nodes; an argument next to it is its length in bytes or bits
	ioprioTarget
	ioprioValue
	memoryPolicy
	clock
	waitOptions
	pollDescriptors
	timespec
	cloneFlags // the last one: a test counts to it
)

func (p *Plan) argText(a Arg, sh shape) string {
	if a.Kind == Result {
		return p.cellName(a.Value - DataBase)
	}
	v := a.Value
	if (sh == text || sh == openHow) && a.Kind == Pointer {
		// A string that another step writes there.
		if i, found := p.findCell(v - DataBase); found {
			return "$" + p.Cells[i].Name
		}
	}
	switch sh {
	case octal:
		return fmt.Sprintf("%#o", v)
	case id:
		return strconv.Itoa(int(int32(v)))
	case directory:
		if int32(v) == unix.AT_FDCWD {
			return "AT_FDCWD"
		}
		return strconv.Itoa(int(int32(v)))
	case text, address, vector, environment, openHow, mountAttr, rlimit, capabilities, capabilityHeader,
		seccompProgram, schedAttr, pollDescriptors, timespec:
		return p.pointerText(v, sh)
	case device:
		if v == 0 {
			return "0"
		}
		return fmt.Sprintf("makedev(%d, %d)", unix.Major(v), unix.Minor(v))
	case rlimitResource, prctlOption, fsconfigCommand, ioctlRequest, fcntlCommand, keyctlCommand, socketFamily,
		seccompOperation, personality, ioprioTarget, clock:
		return valueName(v, sh)
	case number, descriptor:
		return strconv.FormatInt(int64(v), 10)
	}
	return flagText(v, sh)
}

// pointerText shows the data that an address points to.
func (p *Plan) pointerText(v uint64, sh shape) string {
	if v == 0 {
		return "NULL"
	}
	off := v - DataBase
	if off >= uint64(len(p.Data)) {
		return fmt.Sprintf("%#x", v)
	}
	word := func(i uint64) uint64 {
		if off+8*i+8 > uint64(len(p.Data)) {
			return 0
		}
		return binary.LittleEndian.Uint64(p.Data[off+8*i:])
	}
	switch sh {
	case text:
		return strconv.Quote(p.cString(v))
	case openHow:
		out := "{flags=" + flagText(word(0), openFlags)
		if word(1) != 0 {
			out += fmt.Sprintf(", mode=%#o", word(1))
		}
		if word(2) != 0 {
			out += ", resolve=" + joinFlags(word(2), resolveNames)
		}
		return out + "}"
	case mountAttr:
		return mountAttrStruct(word(0), word(1), word(2), word(3))
	case rlimit:
		return fmt.Sprintf("{rlim_cur=%s, rlim_max=%s}", limitText(word(0)), limitText(word(1)))
	case vector, environment:
		var list []string
		for i := uint64(0); word(i) != 0 && i < 1<<16; i++ {
			list = append(list, strconv.Quote(p.cString(word(i))))
		}
		if sh == environment {
			return fmt.Sprintf("[/* %d vars */]", len(list))
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	return structureText(word, sh)
}

func limitText(v uint64) string {
	if v == unix.RLIM_INFINITY {
		return "RLIM64_INFINITY"
	}
	return strconv.FormatUint(v, 10)
}

// String returns the text that an address in the plan's data points to.
func (p *Plan) String(address uint64) string { return p.cString(address) }

func (p *Plan) cString(v uint64) string {
	off := v - DataBase
	if off >= uint64(len(p.Data)) {
		return "?"
	}
	s := p.Data[off:]
	for i, c := range s {
		if c == 0 {
			return string(s[:i])
		}
	}
	return string(s)
}
