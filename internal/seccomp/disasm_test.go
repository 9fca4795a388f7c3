// disasm_test.go prints a filter in readable form, for failures of tests.

package seccomp

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// disassemble prints a filter, one instruction per line, with the names of
// architectures, system calls, errnos and verdicts that it recognizes. It accepts any
// seccomp filter; what it does not recognize it prints as numbers. A line is
//
//	12: if number >= 0x10 goto 14 else 17  # ioctl
func disassemble(f []unix.SockFilter) string {
	var b strings.Builder
	var word string // the content of A
	var a *arch     // the architecture whose numbers are compared
	for i, in := range f {
		fmt.Fprintf(&b, "%4d: ", i)
		switch in.Code {
		case opLoad:
			word = wordName(in.K)
			fmt.Fprintf(&b, "A = %s", word)
		case opAnd:
			fmt.Fprintf(&b, "A &= %#x", in.K)
		case opRet:
			fmt.Fprintf(&b, "return %s", verdictName(in.K))
		case opJump:
			fmt.Fprintf(&b, "goto %d", i+1+int(in.K))
		case opJEQ, opJGT, opJGE, opJSET:
			sign := map[uint16]string{opJEQ: "==", opJGT: ">", opJGE: ">=", opJSET: "&"}[in.Code]
			fmt.Fprintf(&b, "if A %s %#x goto %d else %d", sign, in.K, i+1+int(in.Jt), i+1+int(in.Jf))
			if word == "arch" {
				if a = auditNamed(in.K); a != nil {
					fmt.Fprintf(&b, "  # %s", a.name)
				}
			}
			if word == "number" && in.K == x32Bit {
				b.WriteString("  # numbers of x32")
			} else if word == "number" && a != nil {
				if name := callNamed(a.audit, in.K); name != "" {
					fmt.Fprintf(&b, "  # %s", name)
				}
			}
		default:
			fmt.Fprintf(&b, "code %#x jt %d jf %d k %#x", in.Code, in.Jt, in.Jf, in.K)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// auditNamed finds an architecture by seccomp_data.arch.
func auditNamed(audit uint32) *arch {
	for i := len(archs) - 1; i >= 0; i-- { // x86_64 follows x32
		if archs[i].audit == audit {
			return &archs[i]
		}
	}
	return nil
}

// callNamed returns the name of a call number, or "".
func callNamed(audit, nr uint32) string {
	for i := range archs {
		if archs[i].audit == audit {
			if name := nameOfNumber(&archs[i], nr); name != "" {
				return name
			}
		}
	}
	return ""
}

func wordName(offset uint32) string {
	switch {
	case offset == offNumber:
		return "number"
	case offset == offArch:
		return "arch"
	case offset >= offArgs && offset < offArgs+6*8 && offset%4 == 0:
		half := [2]string{"first", "second"}[offset/4%2]
		return fmt.Sprintf("args[%d] %s half", (offset-offArgs)/8, half)
	}
	return "data[" + strconv.Itoa(int(offset)) + "]"
}

func verdictName(ret uint32) string {
	data := ret & unix.SECCOMP_RET_DATA
	switch ret & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_KILL_THREAD:
		return "KILL_THREAD"
	case unix.SECCOMP_RET_KILL_PROCESS:
		return "KILL_PROCESS"
	case unix.SECCOMP_RET_TRAP:
		return "TRAP"
	case unix.SECCOMP_RET_ERRNO:
		if name := unix.ErrnoName(unix.Errno(data)); name != "" {
			return "ERRNO " + name
		}
		return fmt.Sprintf("ERRNO %d", data)
	case unix.SECCOMP_RET_TRACE:
		return fmt.Sprintf("TRACE %d", data)
	case unix.SECCOMP_RET_USER_NOTIF:
		return "NOTIFY"
	case unix.SECCOMP_RET_LOG:
		return "LOG"
	case unix.SECCOMP_RET_ALLOW:
		return "ALLOW"
	}
	return fmt.Sprintf("%#x", ret)
}
