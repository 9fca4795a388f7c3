// kernel_test.go loads filters into the running kernel, in children of the test program, and checks
// the results of their calls.

package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// childEnv makes the test program a child. Its value is a job, then a profile in JSON.
const childEnv = "SECCOMP_TEST_CHILD"

func child(what string) {
	job, profile, _ := strings.Cut(what, " ")
	p := &specs.LinuxSeccomp{}
	if err := json.Unmarshal([]byte(profile), p); err != nil {
		childFail(err)
	}
	runtime.LockOSThread()
	start := threadTime()
	prog, err := Compile(p, NativeArch())
	compiled := threadTime() - start
	if err != nil {
		childFail(err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		childFail(err)
	}
	start = threadTime()
	fd, err := load(prog)
	loaded := threadTime() - start
	if err != nil {
		childFail(err)
	}
	switch job {
	case "time":
		fmt.Println(compiled.Nanoseconds(), loaded.Nanoseconds())
	case "getppid":
		r, _, errno := unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
		fmt.Println(int(r) == 0 || errno != 0, int(errno))
	case "personality": // one call for each argument
		for _, v := range []uint64{0xffffffff, 8, 1<<32 | 8} {
			_, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, uintptr(v), 0, 0)
			fmt.Print(int(errno), " ")
		}
	case "notify":
		notifyJob(fd)
	}
	os.Exit(0)
}

// threadTime returns the CPU time of this thread, which, unlike wall-clock time, does not depend on
// other programs.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		childFail(err)
	}
	return time.Duration(ts.Nano())
}

func childFail(err error) {
	fmt.Println("child:", err)
	os.Exit(99)
}

// load does the same as the bootstrap. It returns the listener descriptor if Notify is used.
func load(p *Program) (int, error) {
	fprog := unix.SockFprog{Len: uint16(len(p.Filter)), Filter: &p.Filter[0]}
	r, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(p.Flags),
		uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, fmt.Errorf("seccomp: %w", errno)
	}
	return int(r), nil
}

// notifyJob makes a call that only the listener can answer, and answers it.
func notifyJob(fd int) {
	type notif struct { // struct seccomp_notif
		id         uint64
		pid, flags uint32
		nr         int32
		arch       uint32
		ip         uint64
		args       [6]uint64
	}
	type resp struct { // struct seccomp_notif_resp
		id    uint64
		val   int64
		err   int32
		flags uint32
	}
	go func() {
		var n notif
		if _, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_RECV,
			uintptr(unsafe.Pointer(&n))); errno != 0 {
			childFail(errno)
		}
		r := resp{id: n.id, val: int64(n.nr) + 1000}
		if _, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SEND,
			uintptr(unsafe.Pointer(&r))); errno != 0 {
			childFail(errno)
		}
	}()
	v, _, errno := unix.Syscall(unix.SYS_GETPPID, 0, 0, 0)
	fmt.Println(int(v)-unix.SYS_GETPPID, int(errno))
}

func runChild(t testing.TB, job, profile string) (out string, state *os.ProcessState) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+job+" "+profile)
	b, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "seccomp: invalid argument") || strings.Contains(string(b),
		"seccomp: function not implemented") {
		t.Skipf("this kernel refuses the filter: %s", b)
	}
	return strings.TrimSpace(string(b)), cmd.ProcessState
}

func getppidProfile(action string) string {
	return `{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/s","syscalls":[{"names":["getppid"],` + action + `}]}`
}

func TestFiltersInKernel(t *testing.T) {
	for _, c := range []struct {
		job, profile, out string
		signal            syscall.Signal
	}{
		{"getppid", `{"defaultAction":"SCMP_ACT_ALLOW"}`, "false 0", 0},
		{"getppid", getppidProfile(`"action":"SCMP_ACT_ERRNO"`), "true 1", 0},
		{"getppid", getppidProfile(`"action":"SCMP_ACT_ERRNO","errnoRet":4094`), "true 4094", 0},
		{"getppid", getppidProfile(`"action":"SCMP_ACT_LOG"`), "false 0", 0},
		{"getppid", getppidProfile(`"action":"SCMP_ACT_TRACE"`), "true 38", 0}, // no tracer: ENOSYS (seccomp(2))
		{"getppid", getppidProfile(`"action":"SCMP_ACT_KILL_PROCESS"`), "", syscall.SIGSYS},
		{"notify", getppidProfile(`"action":"SCMP_ACT_NOTIFY"`), "1000 0", 0},
		{"getppid", strings.Replace(getppidProfile(`"action":"SCMP_ACT_ERRNO"`), "{",
			`{"flags":["SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_SPEC_ALLOW"],`, 1),
			"true 1", 0},
		{"notify", strings.Replace(getppidProfile(`"action":"SCMP_ACT_NOTIFY"`), "{",
			`{"flags":["SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],`, 1), "1000 0", 0},
		{"personality", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["personality"],"action":"SCMP_ACT_ERRNO","errnoRet":77,
			"args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]},{"names":["personality"],"action":"SCMP_ACT_ERRNO","errnoRet":78,
			"args":[{"index":0,"value":4294967296,"valueTwo":4294967296,"op":"SCMP_CMP_MASKED_EQ"}]}]}`, "0 77 78", 0},
	} {
		out, state := runChild(t, c.job, c.profile)
		ws := state.Sys().(syscall.WaitStatus)
		if out != c.out || ws.Signaled() != (c.signal != 0) || ws.Signaled() && ws.Signal() != c.signal ||
			!ws.Signaled() && ws.ExitStatus() != 0 {
			t.Errorf("%s %s:\n got %q, %v\nwant %q, signal %v", c.job, c.profile, out, state, c.out, c.signal)
		}
	}
}

// TestKernelAcceptsAllPrograms loads the programs of all profiles in TestOracle for this machine: the
// kernel's own check determines which programs are valid.
func TestKernelAcceptsAllPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each profile")
	}
	for _, c := range oracleCases(t) {
		if c.native != NativeArch() {
			continue
		}
		p := *c.profile
		p.DefaultAction, p.DefaultErrnoRet = specs.ActAllow, nil // so that the child can report its result
		rules := p.Syscalls
		p.Syscalls = nil
		for _, s := range rules {
			s.Names = append([]string{}, s.Names...)
			s.Action, s.ErrnoRet = specs.ActLog, nil
			p.Syscalls = append(p.Syscalls, s)
		}
		profile, err := json.Marshal(&p)
		if err != nil {
			t.Fatal(err)
		}
		out, state := runChild(t, "getppid", string(profile))
		if out != "false 0" {
			t.Errorf("%s: %s %v", c.name, out, state)
		}
	}
}

// TestColdTime measures the cost at the start of a container: the first compilation in a new
// process, and loading.
func TestColdTime(t *testing.T) {
	if testing.Short() {
		t.Skip("a measurement")
	}
	p := dockerProfile(t)
	profile, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	best := [2]int64{1 << 62, 1 << 62}
	var sum [2]int64
	const n = 20
	for range n {
		out, state := runChild(t, "time", string(profile))
		field := strings.Fields(out)
		if len(field) != 2 {
			t.Fatalf("%q %v", out, state)
		}
		for i := range 2 {
			v, err := strconv.ParseInt(field[i], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			best[i] = min(best[i], v)
			sum[i] += v
		}
	}
	t.Logf("Docker's profile, first use in a process, processor time: compile %d µs (best %d), load %d µs (best %d)",
		sum[0]/n/1000, best[0]/1000, sum[1]/n/1000, best[1]/1000)
	if total := (best[0] + best[1]) / 1000; total > 1500 {
		t.Errorf("compile and load took %d µs at best, more than 1500", total)
	}
}

func BenchmarkCompileDocker(b *testing.B) {
	p := dockerProfile(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(p, specs.ArchX86_64); err != nil {
			b.Fatal(err)
		}
	}
}
