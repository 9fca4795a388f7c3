package seccomp

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"testing"

	mobyseccomp "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func ptr(v uint) *uint { return &v }

func parseJSON(t testing.TB, s string) *specs.LinuxSeccomp {
	t.Helper()
	p := &specs.LinuxSeccomp{}
	if err := json.Unmarshal([]byte(s), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// dockerProfile is the profile that Docker puts into config.json on amd64 for a container with the
// default capabilities.
func dockerProfile(t testing.TB) *specs.LinuxSeccomp {
	t.Helper()
	spec := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
		"CAP_AUDIT_WRITE"}}}}
	p, err := mobyseccomp.GetDefaultProfile(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestInvalidProfiles(t *testing.T) {
	const rule = `{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/s",` +
		`"syscalls":[{"names":["getcwd"],"action":"SCMP_ACT_ERRNO"},`
	for _, c := range []struct{ profile, want string }{
		{`{}`, `linux.seccomp.defaultAction: not set`},
		{`{"defaultAction":"SCMP_ACT_FOO"}`, `linux.seccomp.defaultAction: unknown action "SCMP_ACT_FOO"`},
		{`{"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/s"}`,
			`linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}`,
			`linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW returns no errno`},
		{`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096}`,
			`linux.seccomp.defaultErrnoRet: 4096 is out of range`},
		{`{"defaultAction":"SCMP_ACT_TRACE","defaultErrnoRet":65536}`,
			`linux.seccomp.defaultErrnoRet: 65536 is out of range`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","SCMP_ARCH_VAX"]}`,
			`linux.seccomp.architectures[1]: unknown architecture "SCMP_ARCH_VAX"`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_S390X"]}`,
			`linux.seccomp.architectures[0]: SCMP_ARCH_S390X has another byte order`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG","X"]}`,
			`linux.seccomp.flags[1]: unknown flag "X"`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}`,
			`linux.seccomp.flags[0]: unknown flag`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x"}`,
			`linux.seccomp.listenerMetadata: must not be set without listenerPath`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getcwd"],"action":"SCMP_ACT_NOTIFY"}]}`,
			`linux.seccomp.listenerPath: not set`},
		{rule + `{"action":"SCMP_ACT_ALLOW"}]}`, `linux.seccomp.syscalls[1].names: must have at least one entry`},
		{rule + `{"names":["a",""],"action":"SCMP_ACT_ALLOW"}]}`, `linux.seccomp.syscalls[1].names[1]: empty`},
		{rule + `{"names":["a"]}]}`, `linux.seccomp.syscalls[1].action: not set`},
		{rule + `{"names":["a"],"action":"ALLOW"}]}`, `linux.seccomp.syscalls[1].action: unknown action "ALLOW"`},
		{rule + `{"names":["read","write"],"action":"SCMP_ACT_NOTIFY"}]}`,
			`linux.seccomp.syscalls[1].names[1]: SCMP_ACT_NOTIFY cannot be used for the write syscall`},
		{rule + `{"names":["a"],"action":"SCMP_ACT_LOG","errnoRet":1}]}`,
			`linux.seccomp.syscalls[1].errnoRet: SCMP_ACT_LOG returns no errno`},
		{rule + `{"names":["a"],"action":"SCMP_ACT_ERRNO","errnoRet":5000}]}`,
			`linux.seccomp.syscalls[1].errnoRet: 5000 is out of range`},
		{rule + `{"names":["a"],"action":"SCMP_ACT_ALLOW",` +
			`"args":[{"index":0,"op":"SCMP_CMP_EQ"},{"index":6,"op":"SCMP_CMP_EQ"}]}]}`,
			`linux.seccomp.syscalls[1].args[1].index: 6 is out of range`},
		{rule + `{"names":["a"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"EQ"}]}]}`,
			`linux.seccomp.syscalls[1].args[0].op: unknown operator "EQ"`},
		{rule + `{"names":["a"],"action":"SCMP_ACT_ALLOW","args":[{"index":0}]}]}`,
			`linux.seccomp.syscalls[1].args[0].op: not set`},
	} {
		_, err := Compile(parseJSON(t, c.profile), specs.ArchX86_64)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.profile, err, c.want)
		}
	}
	if _, err := Compile(parseJSON(t, `{"defaultAction":"SCMP_ACT_ALLOW"}`), ""); err == nil {
		t.Error("no error for an unknown native architecture")
	}
}

func TestTooLong(t *testing.T) {
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	for i := range 5000 {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActErrno,
			Args: []specs.LinuxSeccompArg{{Index: 0, Value: uint64(i) << 31, Op: specs.OpGreaterEqual}}})
	}
	if _, err := Compile(p, specs.ArchX86_64); err == nil || !strings.HasPrefix(err.Error(),
		"linux.seccomp: the filter has ") {
		t.Fatal(err)
	}
}

func TestProgramFlags(t *testing.T) {
	const (
		tsync, log, spec, listener, esrch, wait = 1, 2, 4, 8, 16, 32
		notify                                  = `"listenerPath":"/s","syscalls":[{"names":["getcwd"],"action":"SCMP_ACT_NOTIFY"}],`
	)
	for _, c := range []struct {
		profile string
		want    uint
		notify  bool
	}{
		{``, spec, false},
		{`"flags":[],`, 0, false},
		{`"flags":["SECCOMP_FILTER_FLAG_TSYNC"],`, tsync, false},
		{`"flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_SPEC_ALLOW"],`, log | spec, false},
		{`"flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],`, 0, false},
		{`"flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],` + notify, wait | listener, true},
		{`"flags":["SECCOMP_FILTER_FLAG_TSYNC"],` + notify, tsync | esrch | listener, true},
		{notify, spec | listener, true},
		{`"listenerPath":"/s",`, spec, false},
	} {
		p, err := Compile(parseJSON(t, `{`+c.profile+`"defaultAction":"SCMP_ACT_ALLOW"}`), specs.ArchX86_64)
		if err != nil || p.Flags != c.want || p.Notify != c.notify {
			t.Errorf("%s: %+v, %v, want %#x", c.profile, p, err, c.want)
		}
	}
}

func TestUnknownNamesAreSkipped(t *testing.T) {
	const profile = `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"syscalls":[
		{"names":["nonsense","read","breakpoint","socketcall","s390_runtime_instr","zzz"],"action":"SCMP_ACT_ERRNO"}]}`
	p, err := Compile(parseJSON(t, profile), specs.ArchX86_64)
	if err != nil || !slices.Equal(p.Skipped, []string{"nonsense", "breakpoint", "s390_runtime_instr", "zzz"}) {
		t.Fatal(p.Skipped, err)
	}
}

// TestDeterminism compiles the largest available profile many times.
func TestDeterminism(t *testing.T) {
	profile := dockerProfile(t)
	first, err := Compile(profile, specs.ArchX86_64)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		again, err := Compile(profile, specs.ArchX86_64)
		if err != nil || !slices.Equal(first.Filter, again.Filter) {
			t.Fatal("two programs for one profile", err)
		}
	}
}

func TestListedNamesAreSortedAndKnown(t *testing.T) {
	for _, list := range [][]string{Actions(), Operators(), Archs(), Flags()} {
		if !sort.StringsAreSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("not sorted: %v", list)
		}
	}
	for _, a := range Archs() {
		if _, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, specs.Arch(a)); err != nil {
			t.Error(err)
		}
	}
	if archNamed(NativeArch()) == nil {
		t.Errorf("NativeArch is %q", NativeArch())
	}
}

// TestDisassemble also shows what a small program looks like.
func TestDisassemble(t *testing.T) {
	const profile = `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
		{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"},
		{"names":["personality"],"action":"SCMP_ACT_KILL","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]},
		{"names":["personality"],"action":"SCMP_ACT_KILL","args":[{"index":0,"value":4294967295,"op":"SCMP_CMP_EQ"}]}]}`
	p, err := Compile(parseJSON(t, profile), specs.ArchX86_64)
	if err != nil {
		t.Fatal(err)
	}
	const want = `   0: A = arch
   1: if A == 0xc000003e goto 2 else 15  # SCMP_ARCH_X86_64
   2: A = number
   3: if A >= 0x87 goto 6 else 4  # personality
   4: if A == 0x53 goto 5 else 14  # mkdir
   5: return ERRNO EPERM
   6: if A >= 0x40000000 goto 13 else 7  # numbers of x32
   7: if A >= 0x88 goto 14 else 8  # ustat
   8: A = args[0] second half
   9: if A == 0x0 goto 10 else 14
  10: A = args[0] first half
  11: if A == 0xffffffff goto 15 else 12
  12: if A == 0x8 goto 15 else 14
  13: if A >= 0xffffffff goto 14 else 15
  14: return ALLOW
  15: return KILL_THREAD
`
	if got := disassemble(p.Filter); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	odd := []unix.SockFilter{{Code: 0x80}, {Code: opLoad, K: 8}, {Code: opAnd, K: 1}, {Code: opRet, K: 0x123}}
	if got := disassemble(odd); !strings.Contains(got, "data[8]") || !strings.Contains(got, "code 0x80") {
		t.Error(got)
	}
}
