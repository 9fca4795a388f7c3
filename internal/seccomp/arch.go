// arch.go defines the architectures: how the kernel marks a call of each one, and how
// it lays out the arguments.

package seccomp

import (
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// x32Bit is set in the call numbers of x32, which shares AUDIT_ARCH_X86_64.
const x32Bit = 0x40000000

// Constants of linux/audit.h that x/sys lacks.
const (
	auditN32    = 0x20000000 // __AUDIT_ARCH_CONVENTION_MIPS64_N32
	auditLittle = 0x40000000 // __AUDIT_ARCH_LE
)

type arch struct {
	name  specs.Arch
	audit uint32 // seccomp_data.arch
	// wide: an argument has 64 bits. On other architectures only the low 32 bits are
	// compared, as the upper half is not part of the call. x32 passes 64-bit
	// registers, but libseccomp compares 32 bits there, and so does this package.
	wide  bool
	calls *[len(callEnds)]int32
}

// isLittleEndian reports whether the architecture is little-endian: this decides which half of
// a 64-bit argument comes first.
func (a *arch) isLittleEndian() bool { return a.audit&auditLittle != 0 }

// archs is sorted by name, for Archs.
var archs = [...]arch{
	{specs.ArchAARCH64, unix.AUDIT_ARCH_AARCH64, true, &callsAARCH64},
	{specs.ArchARM, unix.AUDIT_ARCH_ARM, false, &callsARM},
	{specs.ArchLOONGARCH64, unix.AUDIT_ARCH_LOONGARCH64, true, &callsLOONGARCH64},
	{specs.ArchM68K, unix.AUDIT_ARCH_M68K, false, &callsM68K},
	{specs.ArchMIPS, unix.AUDIT_ARCH_MIPS, false, &callsMIPS},
	{specs.ArchMIPS64, unix.AUDIT_ARCH_MIPS64, true, &callsMIPS64},
	{specs.ArchMIPS64N32, unix.AUDIT_ARCH_MIPS64 | auditN32, false, &callsMIPS64N32},
	{specs.ArchMIPSEL, unix.AUDIT_ARCH_MIPSEL, false, &callsMIPS},
	{specs.ArchMIPSEL64, unix.AUDIT_ARCH_MIPSEL64, true, &callsMIPS64},
	{specs.ArchMIPSEL64N32, unix.AUDIT_ARCH_MIPSEL64 | auditN32, false, &callsMIPS64N32},
	{specs.ArchPARISC, unix.AUDIT_ARCH_PARISC, false, &callsPARISC},
	{specs.ArchPARISC64, unix.AUDIT_ARCH_PARISC64, true, &callsPARISC64},
	{specs.ArchPPC, unix.AUDIT_ARCH_PPC, false, &callsPPC},
	{specs.ArchPPC64, unix.AUDIT_ARCH_PPC64, true, &callsPPC64},
	{specs.ArchPPC64LE, unix.AUDIT_ARCH_PPC64LE, true, &callsPPC64},
	{specs.ArchRISCV64, unix.AUDIT_ARCH_RISCV64, true, &callsRISCV64},
	{specs.ArchS390, unix.AUDIT_ARCH_S390, false, &callsS390},
	{specs.ArchS390X, unix.AUDIT_ARCH_S390X, true, &callsS390X},
	{specs.ArchSH, unix.AUDIT_ARCH_SHEL, false, &callsSH},
	{specs.ArchSHEB, unix.AUDIT_ARCH_SH, false, &callsSH},
	{specs.ArchX32, unix.AUDIT_ARCH_X86_64, false, &callsX32},
	{specs.ArchX86, unix.AUDIT_ARCH_I386, false, &callsX86},
	{specs.ArchX86_64, unix.AUDIT_ARCH_X86_64, true, &callsX86_64},
}

func archNamed(name specs.Arch) *arch {
	for i := range archs {
		if archs[i].name == name {
			return &archs[i]
		}
	}
	return nil
}

// Archs lists the architectures that a profile can name, sorted.
func Archs() []string {
	list := make([]string, len(archs))
	for i := range archs {
		list[i] = string(archs[i].name)
	}
	return list
}

// NativeArch returns the architecture of this program, or "" if seccomp does not
// support it (Compile then reports an error).
func NativeArch() specs.Arch {
	switch runtime.GOARCH {
	case "386":
		return specs.ArchX86
	case "amd64":
		return specs.ArchX86_64
	case "arm":
		return specs.ArchARM
	case "arm64":
		return specs.ArchAARCH64
	case "loong64":
		return specs.ArchLOONGARCH64
	case "mips":
		return specs.ArchMIPS
	case "mipsle":
		return specs.ArchMIPSEL
	case "mips64":
		return specs.ArchMIPS64
	case "mips64le":
		return specs.ArchMIPSEL64
	case "ppc64":
		return specs.ArchPPC64
	case "ppc64le":
		return specs.ArchPPC64LE
	case "riscv64":
		return specs.ArchRISCV64
	case "s390x":
		return specs.ArchS390X
	}
	return ""
}

// numbers returns the range of call numbers of the architecture. -1 is not one of them
// on x86_64: a tracer sets it to skip a call.
func (a *arch) numbers() (first, last uint32) {
	switch a.name {
	case specs.ArchX86_64:
		return 0, x32Bit - 1
	case specs.ArchX32:
		return x32Bit, 1<<32 - 1
	}
	return 0, 1<<32 - 1
}
