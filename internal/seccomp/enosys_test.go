package seccomp

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestENOSYS checks the boundaries that runc 1.1.5 puts into its filters for the same profiles
// (seen with strace -v), and the two cases where minirun goes further.
func TestENOSYS(t *testing.T) {
	const (
		x86, x64, arm = 0x40000003, 0xc000003e, 0x40000028
		eperm, nosys  = 0x50001, 0x50026
		rules         = `"syscalls":[{"names":["read","openat2","execve"],"action":"SCMP_ACT_ALLOW"}`
		three         = `"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],`
	)
	for _, c := range []struct {
		profile string
		audit   uint32
		nr      uint32
		want    uint32
	}{
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `]`, x64, 0x1b5, 0x7fff0000},
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `]`, x64, 0x1b4, eperm},
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `]`, x64, 0x1b6, nosys},
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `]`, x64, 0x3fffffff, nosys},
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `]`, x64, 0x40000208, 0x7fff0000}, // execve of x32
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `]`, x64, 0x40000207, eperm},
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `]`, x64, 0x40000209, nosys},
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `]`, x86, 0x1b6, nosys},
		// A rule that repeats the default action counts, and so does one with conditions.
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `,{"names":["faccessat2"],"action":"SCMP_ACT_ERRNO"}]`,
			x64, 0x1b7, eperm},
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules + `,{"names":["faccessat2"],"action":"SCMP_ACT_ERRNO"}]`,
			x64, 0x1b8, nosys},
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules +
			`,{"names":["pidfd_getfd"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]`,
			x64, 0x1b6, eperm},
		{`"defaultAction":"SCMP_ACT_ERRNO",` + three + rules +
			`,{"names":["pidfd_getfd"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]`,
			x64, 0x1b7, nosys},
		// The default action decides.
		{`"defaultAction":"SCMP_ACT_KILL",` + three + rules + `]`, x64, 0x1b6, nosys},
		{`"defaultAction":"SCMP_ACT_KILL_PROCESS",` + three + rules + `]`, x64, 0x1b6, nosys},
		{`"defaultAction":"SCMP_ACT_TRAP",` + three + rules + `]`, x64, 0x1b6, nosys},
		{`"defaultAction":"SCMP_ACT_TRACE",` + three + rules + `]`, x64, 0x1b6, 0x7ff00001},
		{`"defaultAction":"SCMP_ACT_LOG",` + three + rules + `]`, x64, 0x1b6, 0x7ffc0000},
		{`"defaultAction":"SCMP_ACT_ALLOW",` + three + rules + `]`, x64, 0x1b6, 0x7fff0000},
		// Numbers of an architecture that is not in the profile remain fatal.
		{`"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],` + rules + `]`, x64, 0x40000209, 0},
		{`"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],` + rules + `]`, x64, 0xffffffff,
			eperm},
		{`"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],` + rules + `]`, x86, 0x1b6, 0},
		// Unlike runc: without a list, and with ARM's private calls.
		{`"defaultAction":"SCMP_ACT_ERRNO",` + rules + `]`, x64, 0x1b6, nosys},
		{`"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_ARM"],` + rules +
			`,{"names":["set_tls"],"action":"SCMP_ACT_ALLOW"}]`, arm, 0x1b6, nosys},
		{`"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_ARM"],` + rules +
			`,{"names":["set_tls"],"action":"SCMP_ACT_ALLOW"}]`, arm, 0xf0005, 0x7fff0000},
		{`"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_ARM"],` + rules +
			`,{"names":["set_tls"],"action":"SCMP_ACT_ALLOW"}]`, arm, 0xf0004, eperm},
	} {
		p, err := Compile(parseJSON(t, `{`+c.profile+`}`), specs.ArchX86_64)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := run(p.Filter, &callData{audit: c.audit, nr: c.nr}); got != c.want {
			t.Errorf("%s: %#x %#x: %s, want %s", c.profile, c.audit, c.nr, verdictName(got), verdictName(c.want))
		}
	}
}
