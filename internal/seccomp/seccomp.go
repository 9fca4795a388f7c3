// Package seccomp compiles the seccomp section of config.json to a classic BPF
// program, the form in which seccomp(2) takes a filter. It is pure: it loads nothing
// and makes no system calls.
//
// The stages of the compilation, one file each:
//
//	specs.LinuxSeccomp
//	   │ profile.go   check it; names of actions, operators, flags → kernel values
//	   ▼
//	rules             {verdict, conditions} in the order of the profile
//	   │ table.go     per architecture: names → numbers (arch.go, syscalls.go),
//	   │              socketcall and ipc, which of several rules comes first
//	   ▼
//	spans             sorted number ranges, each with a verdict or an argument check
//	   │ enosys.go    calls newer than the profile → ENOSYS
//	   ▼
//	   │ tree.go      binary search over the spans     args.go  argument checks
//	   ▼
//	BPF               asm.go
//
// The meaning of a profile is that of runc and crun, which both use libseccomp; the
// tests compare the programs with libseccomp's.
package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxInstructions is the kernel's limit for one filter (BPF_MAXINSNS).
const maxInstructions = 4096

// Program contains the arguments of seccomp(SECCOMP_SET_MODE_FILTER, Flags, Filter).
type Program struct {
	// Filter has at most 4096 instructions. The same profile always gives the same
	// bytes.
	Filter []unix.SockFilter
	// Flags are SECCOMP_FILTER_FLAG_* bits, with NEW_LISTENER when Notify.
	Flags uint
	// Notify means that the call returns a listener descriptor, which belongs to the
	// agent at listenerPath.
	Notify bool
	// Skipped are the names that no architecture of the profile knows, in the order of
	// the profile. runc and crun silently ignore them, and profiles rely on it: they
	// name calls of many kernels and architectures.
	Skipped []string
}

// Compile compiles the filter for a profile (config-linux.md, "Seccomp") on a machine
// whose own architecture is native, which is always part of the filter. An error
// begins with the JSON path of the invalid value.
func Compile(p *specs.LinuxSeccomp, native specs.Arch) (*Program, error) {
	return compile(p, native, options{enosys: true})
}

// options are for tests; the product has only one way to compile.
type options struct {
	enosys bool // run the pass in enosys.go
}

func compile(p *specs.LinuxSeccomp, native specs.Arch, o options) (*Program, error) {
	prof, err := parse(p, native)
	if err != nil {
		return nil, err
	}
	tables, skipped := buildTables(prof)
	if o.enosys {
		addENOSYS(tables, prof.defaultRet)
	}
	filter := assemble(tables, prof.defaultRet)
	if len(filter) > maxInstructions {
		return nil, fmt.Errorf("linux.seccomp: the filter has %d instructions, but the kernel accepts at most %d\n"+
			"hint: use fewer rules with args, or fewer architectures",
			len(filter), maxInstructions)
	}
	return &Program{Filter: filter, Flags: prof.flags, Notify: prof.notify, Skipped: skipped}, nil
}
