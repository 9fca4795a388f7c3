package spec

// This file validates the structure and the keywords of linux.seccomp. The names of
// system calls, and the abilities of a kernel or an architecture, are checked where
// the filter is compiled.

import (
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func validateSeccomp(p *problems, s *specs.LinuxSeccomp) {
	const prefix = "linux.seccomp."
	notify := false
	if seccompAction(p, prefix+"defaultAction", s.DefaultAction) {
		seccompErrno(p, prefix+"defaultErrnoRet", s.DefaultAction, s.DefaultErrnoRet)
		if s.DefaultAction == specs.ActNotify {
			// The agent would have to answer for the calls that hand over its
			// listener: read, write, close.
			p.Bad(prefix+"defaultAction", "must not be SCMP_ACT_NOTIFY", "")
		}
	}
	for i, a := range s.Architectures {
		if !seccompArch(a) {
			p.Bad(entry(prefix+"architectures", i), "must be an architecture such as SCMP_ARCH_X86_64",
				quote(string(a)))
		}
	}
	for i, f := range s.Flags {
		switch f {
		case "SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow,
			specs.LinuxSeccompFlagWaitKillableRecv:
		default:
			p.Bad(entry(prefix+"flags", i), "must be a flag of seccomp(2) such as SECCOMP_FILTER_FLAG_LOG",
				quote(string(f)))
		}
	}
	for i := range s.Syscalls {
		validateSeccompRule(p, entry(prefix+"syscalls", i), &s.Syscalls[i])
		notify = notify || s.Syscalls[i].Action == specs.ActNotify
	}
	if s.ListenerPath != "" && !path.IsAbs(s.ListenerPath) {
		p.Bad(prefix+"listenerPath", "must be an absolute path", quote(s.ListenerPath))
	}
	checkText(p, prefix+"listenerPath", s.ListenerPath)
	if notify && s.ListenerPath == "" {
		p.Bad(prefix+"listenerPath", "must be given for SCMP_ACT_NOTIFY", "")
	}
	if s.ListenerMetadata != "" && s.ListenerPath == "" {
		p.Bad(prefix+"listenerMetadata", "must not be given without listenerPath", "")
	}
}

func validateSeccompRule(p *problems, prefix string, r *specs.LinuxSyscall) {
	if len(r.Names) == 0 {
		p.Bad(prefix+".names", "must name at least one system call", "")
	}
	for i, name := range r.Names {
		checkText(p, entry(prefix+".names", i), name)
		if name == "" {
			p.Bad(entry(prefix+".names", i), "must be the name of a system call", `""`)
		}
	}
	if seccompAction(p, prefix+".action", r.Action) {
		seccompErrno(p, prefix+".errnoRet", r.Action, r.ErrnoRet)
	}
	for i, a := range r.Args {
		if a.Index > 5 {
			p.Bad(entry(prefix+".args", i)+".index", "must be from 0 to 5", utoa(a.Index))
		}
		switch a.Op {
		case specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
			specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual:
		default:
			p.Bad(entry(prefix+".args", i)+".op", "must be a comparison such as SCMP_CMP_EQ", quote(string(a.Op)))
		}
	}
}

func seccompAction(p *problems, path string, a specs.LinuxSeccompAction) bool {
	switch a {
	case specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap,
		specs.ActErrno, specs.ActTrace, specs.ActAllow, specs.ActLog, specs.ActNotify:
		return true
	}
	p.Bad(path, "must be an action such as SCMP_ACT_ERRNO", quote(string(a)))
	return false
}

// seccompErrno checks the number that an action returns: an errno, or any 16 bits for
// the tracer (SECCOMP_RET_DATA in seccomp(2)).
func seccompErrno(p *problems, path string, a specs.LinuxSeccompAction, n *uint) {
	switch {
	case n == nil:
	case a == specs.ActErrno && *n > 4095:
		p.Bad(path, "must be from 0 to 4095", utoa(*n))
	case a == specs.ActTrace && *n > 65535:
		p.Bad(path, "must be from 0 to 65535", utoa(*n))
	case a != specs.ActErrno && a != specs.ActTrace:
		p.Bad(path, "must not be given for "+string(a)+", only for SCMP_ACT_ERRNO and SCMP_ACT_TRACE", utoa(*n))
	}
}

func seccompArch(a specs.Arch) bool {
	switch a {
	case specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
		specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL,
		specs.ArchMIPSEL64, specs.ArchMIPSEL64N32, specs.ArchPPC, specs.ArchPPC64,
		specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC,
		specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K,
		specs.ArchSH, specs.ArchSHEB:
		return true
	}
	return false
}
