package e2e

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/tests/testbundle"
)

// strace must see the new process run exactly the plan that was printed: the same calls in the same
// order, with the same arguments. Descriptors and process IDs are those that earlier steps returned.
func TestPlanIsWhatRuns(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("needs strace: apt-get install strace")
	}
	mount := func(m specs.Mount) func(*specs.Spec) { return testbundle.AddMount(m) }
	limit := int64(64 << 20)
	for name, change := range map[string]func(*specs.Spec){
		"default":               func(*specs.Spec) {},
		"no namespaces but one": func(s *specs.Spec) { s.Linux.Namespaces, s.Hostname = nil, ""; with(specs.MountNamespace, "")(s) },
		"user namespace":        userns,
		"cgroup namespace":      with(specs.CgroupNamespace, ""),
		"time namespace":        with(specs.TimeNamespace, ""),
		"host network":          testbundle.Without(specs.NetworkNamespace),
		"host PIDs":             testbundle.Without(specs.PIDNamespace),
		"no IPC namespace": func(s *specs.Spec) {
			testbundle.Without(specs.IPCNamespace)(s)
			testbundle.NoMount(func(d string) bool { return d == "/dev/mqueue" })(s)
		},
		"writable root":    testbundle.Writable,
		"tmpfs":            mount(specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=1m", "mode=1777", "noexec"}}),
		"tmpfs, copied up": mount(specs.Mount{Destination: "/etc", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}}),
		"bind":             mount(specs.Mount{Destination: "/mnt", Source: "/usr", Options: []string{"bind", "ro", "nosuid"}}),
		"rbind, rslave":    mount(specs.Mount{Destination: "/mnt", Source: "/usr", Options: []string{"rbind", "rslave"}}),
		"bind on a missing path": func(s *specs.Spec) {
			testbundle.Writable(s)
			mount(specs.Mount{Destination: "/new/place", Source: "/usr", Options: []string{"bind"}})(s)
		},
		"user":                  testbundle.User(1000, 1000, 5, 6),
		"umask":                 func(s *specs.Spec) { u := uint32(0o27); s.Process.User.Umask = &u },
		"all capabilities gone": func(s *specs.Spec) { s.Process.Capabilities = &specs.LinuxCapabilities{} },
		"ambient":               testbundle.Caps(func(c *specs.LinuxCapabilities) { c.Inheritable, c.Ambient = c.Permitted, c.Permitted }),
		"new privileges":        func(s *specs.Spec) { s.Process.NoNewPrivileges = false },
		"rlimits": func(s *specs.Spec) {
			s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_CORE", Soft: 0, Hard: 0})
		},
		"cwd": func(s *specs.Spec) { s.Process.Cwd = "/home/user" },
		"PATH search": func(s *specs.Spec) {
			s.Process.Args = []string{"true", "a", "b"}
			s.Process.Env = []string{"PATH=/nowhere:/etc:/bin"}
		},
		"a path":      testbundle.Args("/bin/true"),
		"environment": func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, "A=b c", "HOME=/x") },
		"hostname":    func(s *specs.Spec) { s.Hostname, s.Domainname = "inside", "example" },
		"sysctl": func(s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{"kernel.msgmni": "7", "net.ipv4.ip_forward": "1"}
		},
		"devices": func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{deviceNode("/dev/fuse", 10, 229)} },
		"masked and read-only": func(s *specs.Spec) {
			s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/etc", "/no/such")
			s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/home")
		},
		"propagation": func(s *specs.Spec) { s.Linux.RootfsPropagation = "private" },
		"limits":      func(s *specs.Spec) { s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit} },
		"oom score":   func(s *specs.Spec) { n := 500; s.Process.OOMScoreAdj = &n },
		"scheduler":   func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 3} },
		"personality": func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux} },
		"hook inside": func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/bin/true"}}} },
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change)
			b.Write()
			o := container.Options{Root: b.Root, ID: b.ID, Bundle: b.Dir, Warn: func(any) {}, SystemdCgroup: len(b.Global) > 0}
			p, err := planWithPipes(t, o)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			words := append([]string{"-ff", "-qq", "--decode-pids=pidns", "-s", "4096", "-X", "raw", "-o", filepath.Join(dir, "log")}, b.Command("run", b.ID, b.Dir).Args...)
			cmd := exec.Command("strace", words...)
			cmd.Stdin = os.Stdin
			testbundle.Finish(t, cmd).Exit(t, 0)
			f := &follower{t: t, dir: dir, plan: p.Plan, cells: map[uint64]int64{}}
			f.follow(f.initLog(), 0, true)
			if f.steps < 100 {
				t.Errorf("only %d steps were followed", f.steps)
			}
			if t.Failed() {
				return
			}
			t.Logf("%d steps of %d ran, %d arguments compared, %d structures not", f.steps, len(p.Plan.Steps), f.compared, f.skipped)
		})
	}
}

// planWithPipes returns the plan for a process whose standard output and error are pipes, like those of
// the process that strace starts. The plan depends on the descriptors, and those of the test may be files or devices.
func planWithPipes(t *testing.T, o container.Options) (*container.RunPlan, error) {
	t.Helper()
	for _, fd := range []int{1, 2} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		saved, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			err = unix.Dup3(int(w.Fd()), fd, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Dup3(saved, fd, 0); err != nil {
				t.Error(err)
			}
			_ = unix.Close(saved)
			_, _ = r.Close(), w.Close()
		}()
	}
	return container.PlanRun(o, nil)
}

// A follower executes a plan in the same way as the loop, with the results that strace recorded.
type follower struct {
	t                        *testing.T
	dir                      string
	plan                     *plan.Plan
	cells                    map[uint64]int64
	steps, compared, skipped int
}

// initLog returns the log of the process that executed the plan.
func (f *follower) initLog() string {
	logs, _ := filepath.Glob(filepath.Join(f.dir, "log.*"))
	for _, log := range logs {
		if text, err := os.ReadFile(log); err == nil && strings.Contains(string(text), `["minirun-init"]`) {
			return log
		}
	}
	f.t.Fatal("strace has seen no process execute the plan")
	return ""
}

// A call in the log: "openat(-100, "/", 0x280000) = 3".
var (
	seenCall = regexp.MustCompile(`^([a-z0-9_]+)\((.*)\)\s+= (-?\d+|\?)(.*)$`)
	comment  = regexp.MustCompile(` /\*[^*]*\*/`)
	otherPID = regexp.MustCompile(`/\* (\d+) in strace's PID NS \*/`)
)

// follow compares the calls of one process, beginning with a step.
func (f *follower) follow(log string, step int, born bool) {
	text, err := os.ReadFile(log)
	if err != nil {
		f.t.Fatal(err)
	}
	begun := !born
	for line := range strings.Lines(string(text)) {
		m := seenCall.FindStringSubmatch(strings.TrimSpace(line))
		switch {
		case !begun:
			begun = strings.Contains(line, `["minirun-init"]`)
			continue
		case m == nil || m[3] == "?": // a signal, the exit, or a restarted call
			continue
		case step >= len(f.plan.Steps):
			f.t.Fatalf("after the last step: %s", line)
		}
		result, _ := strconv.ParseInt(m[3], 10, 64)
		if result == -1 {
			result = -int64(errnoOf(f.t, m[4]))
		}
		s := &f.plan.Steps[step]
		f.compare(step, s, m[1], arguments(comment.ReplaceAllString(m[2], "")), line)
		f.steps++
		f.cells[uint64(s.Out)] = result
		if s.Call == plan.Execve && result == 0 {
			return
		}
		if s.Call == plan.Clone && result > 0 {
			child := m[3]
			if other := otherPID.FindStringSubmatch(line); other != nil {
				child = other[1]
			}
			if next, ok := f.plan.After(step, 0); ok {
				f.follow(filepath.Join(f.dir, "log."+child), next, false)
			}
		}
		next, ok := f.plan.After(step, result)
		if !ok {
			return
		}
		step = next
	}
}

func errnoOf(t *testing.T, text string) unix.Errno {
	name := strings.Fields(text)[0]
	for e := unix.Errno(1); e < 200; e++ {
		if unix.ErrnoName(e) == name {
			return e
		}
	}
	t.Fatalf("errno %q", text)
	return 0
}

// arguments splits at the commas that are not inside brackets or quotes.
func arguments(text string) (out []string) {
	depth, quoted, begin := 0, false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[' || c == '(':
			depth++
		case c == '}' || c == ']' || c == ')':
			depth--
		case c == ',' && depth == 0:
			out, begin = append(out, strings.TrimSpace(text[begin:i])), i+1
		}
	}
	return append(out, strings.TrimSpace(text[begin:]))
}

func (f *follower) compare(i int, s *plan.Step, name string, args []string, line string) {
	if name != s.Call.Name() {
		f.t.Fatalf("step %d is %s, strace has seen %s", i, f.plan.CallText(s), line)
	}
	if s.Call == plan.Clone {
		return // strace prints its arguments in a different order
	}
	for k, a := range s.Args {
		if k >= len(args) {
			return // arguments that the call ignores
		}
		if s.Call == plan.Read && k == 1 {
			continue // the parent's response
		}
		if !f.same(a, args[k]) || !f.sameStructure(s, a, args[k]) {
			f.t.Fatalf("step %d is %s, strace has seen %s: argument %d is %s", i, f.plan.CallText(s), line, k, args[k])
		}
	}
}

// fields lists the fields of the most common structures in plans: where strace shows each of them, in
// 64-bit words.
var fields = map[plan.Call][]string{
	plan.Openat2:      {"flags", "mode", "resolve"},
	plan.MountSetattr: {"attr_set", "attr_clr", "propagation", "userns_fd"},
	plan.Prlimit:      {"rlim_cur", "rlim_max"},
}

func (f *follower) sameStructure(s *plan.Step, a plan.Arg, seen string) bool {
	names := fields[s.Call]
	if names == nil || a.Kind != plan.Pointer || !strings.HasPrefix(seen, "{") {
		return true
	}
	f.skipped--
	f.compared++
	for i, name := range names {
		want := binary.LittleEndian.Uint64(f.plan.Data[int(a.Value)-plan.DataBase+8*i:])
		_, rest, shown := strings.Cut(seen, name+"=")
		if !shown {
			if want != 0 && name != "userns_fd" {
				return false
			}
			continue
		}
		n, ok := numberOf(strings.TrimRight(strings.FieldsFunc(rest, func(r rune) bool { return r == ',' || r == '}' })[0], "*"))
		if !ok || uint64(n) != want {
			f.t.Logf("%s is %d", name, want)
			return false
		}
	}
	return true
}

// same compares an argument; structures are counted as skipped.
func (f *follower) same(a plan.Arg, seen string) bool {
	want := int64(a.Value)
	switch a.Kind {
	case plan.Result:
		v, ok := f.cells[a.Value-plan.DataBase]
		if !ok {
			f.skipped++ // filled in by the kernel through a pointer
			return true
		}
		want = v
	case plan.Pointer:
		if text, err := strconv.Unquote(octal.ReplaceAllStringFunc(seen, threeDigits)); err == nil && strings.HasPrefix(seen, `"`) {
			if strings.IndexByte(text, 0) >= 0 {
				f.skipped++ // a structure, shown as bytes
				return true
			}
			f.compared++
			return strings.HasPrefix(f.plan.String(a.Value)+"\x00", text)
		}
		f.skipped++
		return strings.HasPrefix(seen, "{") || strings.HasPrefix(seen, "[") || strings.HasPrefix(seen, "0x") || strings.HasPrefix(seen, `"`)
	}
	if seen == "NULL" {
		f.compared++
		return want == 0
	}
	got, ok := numberOf(seen)
	if !ok {
		f.skipped++
		return strings.HasPrefix(seen, "makedev") || strings.HasPrefix(seen, "[") || strings.HasPrefix(seen, "{") || want == 0
	}
	f.compared++
	return got == want || int32(got) == int32(want) && (uint64(want)>>32 == 0 || uint64(got)>>32 == 0)
}

// numberOf parses "-100", "0x2|0x80000", "1<<5".
func numberOf(text string) (n int64, ok bool) {
	for part := range strings.SplitSeq(text, "|") {
		part, shift, shifted := strings.Cut(part, "<<")
		v, err := strconv.ParseInt(part, 0, 64)
		if err != nil {
			big, err := strconv.ParseUint(part, 0, 64)
			if err != nil {
				return 0, false
			}
			v = int64(big)
		}
		if shifted {
			by, err := strconv.Atoi(shift)
			if err != nil {
				return 0, false
			}
			v <<= by
		}
		n |= v
	}
	return n, true
}

// strace prints \0 where Go requires \000.
var octal = regexp.MustCompile(`\\[0-7]{1,3}`)

func threeDigits(s string) string {
	n, _ := strconv.ParseUint(s[1:], 8, 8)
	return fmt.Sprintf("\\%03o", n)
}
