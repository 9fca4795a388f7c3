// cases_test.go contains the profiles that are compared with libseccomp.

package seccomp

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

type oracleCase struct {
	name    string
	native  specs.Arch
	profile *specs.LinuxSeccomp
}

func arg(index uint, op specs.LinuxSeccompOperator, v ...uint64) specs.LinuxSeccompArg {
	a := specs.LinuxSeccompArg{Index: index, Op: op, Value: v[0]}
	if len(v) > 1 {
		a.ValueTwo = v[1]
	}
	return a
}

func oracleCases(t testing.TB) []oracleCase {
	const (
		eq, ne, lt, le = specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual
		ge, gt, meq    = specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual
	)
	type A = []specs.LinuxSeccompArg
	allow := func(args A, names ...string) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: names, Action: specs.ActAllow, Args: args}
	}
	errno := func(n uint, args A, names ...string) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: names, Action: specs.ActErrno, ErrnoRet: &n, Args: args}
	}
	profile := func(archs []specs.Arch, rules ...specs.LinuxSyscall) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: archs, Syscalls: rules}
	}
	x86 := []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}
	cases := []oracleCase{
		{"docker", specs.ArchX86_64, dockerProfile(t)},
		{"empty", specs.ArchX86_64, profile(nil)},
		{"empty list of three", specs.ArchX86_64, profile(x86)},
		{"same argument twice", specs.ArchX86_64,
			profile(x86, allow(A{arg(0, ge, 10), arg(1, eq, 3), arg(0, lt, 5)}, "read", "ioctl"))},
		{"all arguments", specs.ArchX86_64,
			profile(x86, allow(A{arg(5, eq, 5), arg(0, ge, 10), arg(1, le, 1<<33), arg(2, ne, 0), arg(3, gt, 7),
				arg(4, meq, 0xff, 0x1f0)}, "mmap", "ioctl"))},
		{"list of values", specs.ArchX86_64, profile(x86, allow(A{arg(0, eq, 0)}, "personality"),
			allow(A{arg(0, eq, 8)}, "personality"), allow(A{arg(0, eq, 0x20000)}, "personality"),
			allow(A{arg(0, eq, 0x20008)}, "personality"), allow(A{arg(0, eq, 0xffffffff)}, "personality"),
			allow(A{arg(0, eq, 1<<40)}, "personality"), allow(A{arg(0, eq, 1<<40+8)}, "personality"))},
		// Podman's rules. With x32 added, libseccomp loses one of them.
		{"netlink audit", specs.ArchX86_64, profile(x86[:2], allow(nil, "socketcall"),
			errno(22, A{arg(0, eq, 16), arg(2, eq, 9)}, "socket"), allow(A{arg(2, ne, 9)}, "socket"),
			allow(A{arg(0, ne, 16)}, "socket"))},
		{"plain after args", specs.ArchX86_64, profile(x86, errno(3, A{arg(0, eq, 1)}, "read", "clone"),
			allow(nil, "read"))},
		{"plain before args", specs.ArchX86_64, profile(x86, allow(nil, "read"),
			errno(3, A{arg(0, eq, 1)}, "read", "clone"))},
		{"two plain", specs.ArchX86_64, profile(x86, errno(7, nil, "read"), allow(nil, "read"))},
		{"default action again", specs.ArchX86_64, profile(x86, allow(A{arg(0, lt, 9)}, "read"),
			errno(1, A{arg(0, eq, 3)}, "read"), errno(1, nil, "write"))},
		{"part after whole", specs.ArchX86_64, profile(nil, allow(A{arg(0, eq, 1)}, "read"),
			errno(9, A{arg(0, eq, 1), arg(1, eq, 2)}, "read"))},
		{"other argument", specs.ArchX86_64, profile(x86, errno(9, A{arg(0, eq, 1)}, "read"),
			allow(A{arg(1, eq, 2)}, "read"), errno(10, A{arg(2, gt, 2)}, "read"))},
		{"narrow and wide", specs.ArchX86_64, profile(nil, errno(9, A{arg(0, lt, 10)}, "read"),
			allow(A{arg(0, eq, 5)}, "read"), errno(10, A{arg(0, lt, 7)}, "read"), errno(11, A{arg(0, ge, 6)}, "read"))},
		{"sockets by both ways", specs.ArchX86_64,
			profile(x86, allow(nil, "socket", "accept4", "recv", "shmat", "semtimedop"), errno(5, nil, "ipc"),
				errno(4, A{arg(0, eq, 2)}, "bind"))},
		{"x32 only", specs.ArchX86_64, profile([]specs.Arch{specs.ArchX32},
			allow(nil, "read", "ioctl", "execve", "preadv2"))},
		{"x86 native", specs.ArchX86, profile(nil, allow(A{arg(0, ge, 1<<33+5)}, "read"),
			allow(nil, "accept", "getuid32"))},
		{"everything", specs.ArchX86_64, profile(x86, everyOther())},
	}
	for _, op := range []specs.LinuxSeccompOperator{eq, ne, lt, le, ge, gt, meq} {
		cases = append(cases, oracleCase{string(op), specs.ArchX86_64,
			profile(x86, allow(A{arg(0, op, 7, 5)}, "read", "getuid32"),
				allow(A{arg(1, op, 0xffff00000003, 0x100000001)}, "write"),
				allow(A{arg(2, op, 7<<32, 1<<32)}, "ioctl"), allow(A{arg(3, op, 1<<32-1, 1)}, "mmap"),
				allow(A{arg(4, op, 0, 0)}, "futex"), allow(A{arg(5, op, 1<<64-1, 1<<63)}, "futex"))})
	}
	for action := range actionValues {
		if action == specs.ActNotify {
			continue
		}
		p := profile(x86, allow(nil, "read"), errno(2, nil, "write"))
		p.DefaultAction = action
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"ioctl"}, Action: specs.ActTrace,
			ErrnoRet: ptr(0xfff0)},
			specs.LinuxSyscall{Names: []string{"open"}, Action: specs.ActNotify},
			specs.LinuxSyscall{Names: []string{"close"}, Action: specs.ActKillProcess},
			specs.LinuxSyscall{Names: []string{"stat"}, Action: specs.ActKill},
			specs.LinuxSyscall{Names: []string{"fstat"}, Action: specs.ActTrap, Args: A{arg(0, eq, 1)}},
			specs.LinuxSyscall{Names: []string{"lstat"}, Action: specs.ActLog})
		p.ListenerPath = "/s"
		cases = append(cases, oracleCase{"default " + string(action), specs.ArchX86_64, p})
	}
	for i := range archs {
		if a := archs[i].name; !unknownToOracle(a) && a != specs.ArchX32 {
			p := profile([]specs.Arch{a}, allow(nil, everyOther().Names...),
				allow(A{arg(0, gt, 5<<32+9), arg(3, eq, 3)}, "ioctl", "read"),
				allow(A{arg(1, meq, 0xf0000000f, 0x100000003)}, "clone"),
				errno(4, A{arg(1, eq, 0)}, "accept4"), allow(nil, "bind", "msgget"))
			cases = append(cases, oracleCase{"native " + string(a), a, p})
		}
	}
	mips := []specs.Arch{specs.ArchMIPS, specs.ArchMIPS64N32, specs.ArchPPC64, specs.ArchS390, specs.ArchPARISC}
	cases = append(cases, oracleCase{"big-endian mix", specs.ArchMIPS64,
		profile(mips, everyOther(), allow(A{arg(2, ne, 1<<35)}, "ioctl"))})
	little := []specs.Arch{specs.ArchARM, specs.ArchAARCH64, specs.ArchX86, specs.ArchPPC64LE, specs.ArchRISCV64,
		specs.ArchMIPSEL, specs.ArchX32}
	return append(cases, oracleCase{"little-endian mix", specs.ArchAARCH64,
		profile(little, everyOther(), allow(A{arg(2, ne, 1<<35)}, "ioctl"))})
}

// everyOther allows every second call.
func everyOther() specs.LinuxSyscall {
	s := specs.LinuxSyscall{Action: specs.ActAllow}
	for id := 0; id < len(callEnds); id += 2 {
		if name := callName(id); name != "ioctl" && name != "read" && name != "clone" {
			s.Names = append(s.Names, name)
		}
	}
	return s
}
