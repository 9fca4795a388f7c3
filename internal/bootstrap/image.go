package bootstrap

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"github.com/minirun/minirun/internal/plan"
)

// The image is the program of a container's first process until execve:
//
//	file offset 0    ELF header, two program headers, the loop   → CodeBase, r-x
//	            A    plan.Encode: header, data, step table       → DataBase, rw-
//
// A is the alignment of segments: the page size, 4 KiB on amd64 and up to 64 KiB on
// arm64. A third program header makes the stack non-executable.
const (
	ehdrSize = 64
	phdrSize = 56
	phdrs    = 3
	codeOff  = ehdrSize + phdrs*phdrSize
)

// Constants from elf(5). Package debug/elf has them too, with half a megabyte of
// parsers that would slow down every start of minirun.
const (
	etExec     = 2
	ptLoad     = 1
	ptGNUStack = 0x6474e551
	pfX        = 1
	pfW        = 2
	pfR        = 4
)

// loopAddress returns the address of the loop in this binary.
func loopAddress() uintptr

// loopEnd follows the last instruction of the loop. It is not an instruction.
var loopEnd = []byte("minirun.")

// loopCode returns the loop's bytes.
func loopCode() []byte {
	const longest = 1024
	address := loopAddress()
	// Read back as a pointer: the address is in the text segment of this binary, which
	// the garbage collector neither moves nor frees.
	code := unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), longest)
	n := bytes.Index(code, loopEnd)
	if n < 0 {
		panic("bootstrap: the loop has no end mark")
	}
	return code[:n]
}

// headers returns the first bytes of the image: ELF header, program headers
// and the loop.
func headers(code []byte, dataLen int) []byte {
	le := binary.LittleEndian
	out := make([]byte, 0, codeOff+len(code))
	out = append(out, 0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little-endian */, 1 /* version */, 0, 0, 0, 0, 0, 0,
		0, 0, 0)
	out = le.AppendUint16(out, etExec)
	out = le.AppendUint16(out, machine)
	out = le.AppendUint32(out, 1)                     // version
	out = le.AppendUint64(out, plan.CodeBase+codeOff) // entry
	out = le.AppendUint64(out, ehdrSize)              // offset of the program headers
	out = le.AppendUint64(out, 0)                     // no section headers
	out = le.AppendUint32(out, 0)                     // flags
	for _, n := range []uint16{ehdrSize, phdrSize, phdrs, 0, 0, 0} {
		out = le.AppendUint16(out, n)
	}
	segment := func(kind, flags uint32, off, addr, size uint64) {
		out = le.AppendUint32(out, kind)
		out = le.AppendUint32(out, flags)
		for _, n := range []uint64{off, addr, addr, size, size, align} {
			out = le.AppendUint64(out, n)
		}
	}
	segment(ptLoad, pfR|pfX, 0, plan.CodeBase, uint64(codeOff+len(code)))
	segment(ptLoad, pfR|pfW, align, plan.DataBase, uint64(dataLen))
	segment(ptGNUStack, pfR|pfW, 0, 0, 0)
	return append(out, code...)
}
