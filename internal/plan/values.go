package plan

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// This file shows arguments whose meaning depends on another argument of the
// same call, and the structures they point to.

// mountAttrStruct is struct mount_attr, without the fields that are zero.
func mountAttrStruct(set, clr, propagation, userns uint64) string {
	var fields []string
	if set != 0 {
		fields = append(fields, "attr_set="+flagText(set, mountAttrFlags))
	}
	if clr != 0 {
		fields = append(fields, "attr_clr="+flagText(clr, mountAttrFlags))
	}
	if propagation != 0 {
		fields = append(fields, "propagation="+flagText(propagation, mountFlags))
	}
	if set&unix.MOUNT_ATTR_IDMAP != 0 {
		fields = append(fields, fmt.Sprintf("userns_fd=%d", int64(userns)))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// countedText shows data whose length is another argument: bytes that are
// printable, or the list of groups.
func (p *Plan) countedText(s *Step, a Arg, sh shape) string {
	switch {
	case a.Kind == Pointer && sh == groups && len(s.Args) == 2:
		var list []string
		data := p.dataAt(a.Value)
		for range min(s.Args[0].Value, uint64(len(data)/4)) {
			list = append(list, strconv.FormatUint(uint64(binary.LittleEndian.Uint32(data)), 10))
			data = data[4:]
		}
		return "[" + strings.Join(list, ", ") + "]"
	case a.Kind == Pointer && sh == bitmask && len(s.Args) == 3:
		return p.bitmaskText(s, a)
	case a.Kind == Pointer && sh == buffer && len(s.Args) == 3:
		data, n := p.dataAt(a.Value), s.Args[2].Value
		if n > uint64(len(data)) {
			break
		}
		for _, c := range data[:n] {
			if c < ' ' && c != '\n' || c > '~' {
				return "..."
			}
		}
		return strconv.Quote(string(data[:n]))
	}
	return p.argText(a, address)
}

// dataAt returns the data starting at an address, nil if it points elsewhere.
func (p *Plan) dataAt(address uint64) []byte {
	if off := address - DataBase; off < uint64(len(p.Data)) {
		return p.Data[off:]
	}
	return nil
}

// prctlText shows the second or third argument of prctl(2), whose types depend on the
// first.
func (p *Plan) prctlText(s *Step, k int) string {
	a, option := s.Args[k], s.Args[0].Value
	switch {
	case a.Kind == Pointer:
		return p.argText(a, text)
	case a.Kind == Result:
	case k == 2 && option == unix.PR_CAP_AMBIENT && s.Args[1].Value == unix.PR_CAP_AMBIENT_RAISE:
		return capabilityName(a.Value)
	case k == 2:
	case option == unix.PR_CAP_AMBIENT:
		return valueName(a.Value, prctlValue)
	case option == unix.PR_CAPBSET_DROP, option == unix.PR_CAPBSET_READ:
		return capabilityName(a.Value)
	case option == unix.PR_SET_PDEATHSIG && a.Value != 0:
		return cmp.Or(unix.SignalName(unix.Signal(a.Value)), strconv.FormatUint(a.Value, 10))
	}
	return p.argText(a, number)
}

// keyctlText shows the second or third argument of keyctl(2), whose types depend on
// the first.
func (p *Plan) keyctlText(s *Step, k int) string {
	a, command := s.Args[k], s.Args[0].Value
	switch {
	case k == 1 && command == unix.KEYCTL_JOIN_SESSION_KEYRING:
		return p.argText(a, text)
	case k == 2 && command == unix.KEYCTL_SETPERM && a.Kind == Immediate:
		return joinFlags(a.Value, keyNames)
	}
	return p.argText(a, number)
}

// fcntlText shows the third argument of fcntl(2), whose type depends on the second.
func (p *Plan) fcntlText(s *Step, a Arg) string {
	if s.Args[1].Value == unix.F_SETFD && a.Kind == Immediate {
		return joinFlags(a.Value, []bit{{unix.FD_CLOEXEC, "FD_CLOEXEC"}})
	}
	return p.argText(a, number)
}

// ioctlText shows the third argument of ioctl(2), whose type depends on the second.
func (p *Plan) ioctlText(s *Step, a Arg) string {
	data := p.dataAt(a.Value)
	switch request := s.Args[1].Value; {
	case request == unix.TIOCGPTPEER:
		return p.argText(a, openFlags)
	case request == unix.TIOCSCTTY:
		return p.argText(a, number)
	case a.Kind != Pointer || len(data) < 20:
		return p.argText(a, address)
	case request == unix.TIOCSPTLCK:
		return fmt.Sprintf("[%d]", binary.LittleEndian.Uint32(data))
	case request == unix.TIOCSWINSZ:
		return fmt.Sprintf("{ws_row=%d, ws_col=%d}", binary.LittleEndian.Uint16(data),
			binary.LittleEndian.Uint16(data[2:]))
	case request == unix.SIOCSIFFLAGS:
		name, _, _ := strings.Cut(string(data[:16]), "\x00")
		return fmt.Sprintf("{ifr_name=%q, ifr_flags=%s}", name,
			joinFlags(uint64(binary.LittleEndian.Uint16(data[16:])), []bit{{unix.IFF_UP, "IFF_UP"}}))
	}
	return p.argText(a, address)
}
