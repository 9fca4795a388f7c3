package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// withInit asks for an init as PID 1.
func withInit(s *specs.Spec) {
	if s.Annotations == nil {
		s.Annotations = map[string]string{}
	}
	s.Annotations["dev.minirun.init"] = "true"
}

// TestInitExitsWithProgramsStatus: the container's exit status is that of the program, or 128 plus the
// number of the signal that ended it.
func TestInitExitsWithProgramsStatus(t *testing.T) {
	for script, want := range map[string]int{
		"exit 0": 0, "exit 1": 1, "exit 7": 7, "exit 127": 127, "exit 128": 128, "exit 255": 255,
		"kill -KILL $$": 137, "kill -TERM $$": 143, "kill -USR1 $$": 138, "ulimit -c 0; kill -SEGV $$": 139, "kill -64 $$": 192,
	} {
		testbundle.New(t, withInit, testbundle.Sh(script)).Run().Exit(t, want)
	}
}

// TestInitKinds: with user namespaces, users, filters and terminals, PID 1 is the init, the program is its child,
// and both have the same privileges.
func TestInitKinds(t *testing.T) {
	const script = `cat /proc/1/comm; echo $$ $PPID; for p in 1 self; do grep -E '^(Cap|Seccomp:|NoNew|Uid|Gid)' /proc/$p/status | md5sum; done; ls /proc/1/fd | tr '\n' ' '`
	filter := func(s *specs.Spec) {
		s.Process.NoNewPrivileges = true
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow,
			Syscalls: []specs.LinuxSyscall{{Names: []string{"mount", "pidfd_open"}, Action: specs.ActErrno}}}
	}
	for name, change := range map[string][]func(*specs.Spec){
		"default": nil, "user namespace": {userns}, "user": {user(1000, 1000)}, "filter": {filter},
		"filter without no_new_privs": {filter, func(s *specs.Spec) { s.Process.NoNewPrivileges = false }},
		"HOME":                        {func(s *specs.Spec) { s.Process.Env = []string{"PATH=/bin"} }},
	} {
		t.Run(name, func(t *testing.T) {
			r := testbundle.New(t, append(change, withInit, testbundle.Sh(script))...).Run()
			r.Exit(t, 0)
			lines := strings.Split(r.Stdout, "\n")
			if len(lines) < 4 || lines[0] != "init" || lines[1] != "2 1" || lines[2] != lines[3] {
				t.Errorf("it is %q", r.Stdout)
			}
			if len(lines) > 4 && lines[4] != "" && lines[4] != "0 1 2 " {
				t.Errorf("the init has the descriptors %s", lines[4])
			}
		})
	}
	r := testbundle.New(t, terminal, withInit, testbundle.Sh("cat /proc/1/comm; echo in the foreground; set -- $(cat /proc/self/stat); [ $5 = $8 ] && echo ok")).RunTerminal()
	r.Exit(t, 0)
	has(t, r.Stdout, "init\nin the foreground\nok")
}

// TestInitReapsProcesses: processes whose parents have exited do not stay as zombies.
func TestInitReapsProcesses(t *testing.T) {
	const script = `for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.01 &); done; (sleep 1000 &)
while [ $(ls -d /proc/[0-9]* | wc -l) -gt 5 ]; do sleep 0.01; done; grep -l '^State:.Z' /proc/[0-9]*/status; exit 4`
	r := testbundle.New(t, withInit, testbundle.Sh(script)).Run()
	r.Exit(t, 4) // also with an orphan that continues to run
	if r.Stdout != "" {
		t.Errorf("zombies: %s", r.Stdout)
	}
}

// TestInitPassesSignals: signals for PID 1 reach the program, which does not need handlers for them.
func TestInitPassesSignals(t *testing.T) {
	for signal, want := range map[string]int{"TERM": 143, "INT": 130, "HUP": 129, "USR2": 140, "40": 168} {
		b := testbundle.New(t, withInit, testbundle.Args("sleep", "1000"))
		b.Write()
		cmd := b.Command("run", b.ID, b.Dir)
		b.Start(cmd)
		b.AwaitRunning(t)
		b.Minirun("kill", b.ID, signal).Exit(t, 0)
		exits(t, cmd, want)
	}
	p := testbundle.NewPty(t)
	b := testbundle.New(t, withInit, testbundle.Args("sleep", "1000"), terminal)
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	p.Attach(cmd)
	b.Start(cmd)
	b.AwaitRunning(t)
	for ended := false; !ended; { // a key that comes before the program is in the foreground has no effect
		p.Type("\x03")
		ended = hasExited(cmd.Process.Pid)
		time.Sleep(20 * time.Millisecond)
	}
	exits(t, cmd, 130)
}

// hasExited reports whether a child of this process has exited, and leaves it as it is.
func hasExited(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// TestInitStartFailures: a program that cannot be executed is reported as without an init.
func TestInitStartFailures(t *testing.T) {
	testbundle.New(t, withInit, testbundle.Args("no-such-program")).Run().Fails(t, "process.args[0]", "no-such-program")
	b := testbundle.New(t, withInit, testbundle.Args("/script"))
	b.File("script", "#!/no/interpreter\n", 0o755)
	b.Run().Fails(t, "/script", "/no/interpreter")
	testbundle.New(t, withInit, testbundle.Without(specs.PIDNamespace)).Run().Fails(t, "dev.minirun.init", "PID namespace")
	testbundle.New(t, withInit, func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow,
			Syscalls: []specs.LinuxSyscall{{Names: []string{"rt_sigtimedwait"}, Action: specs.ActErrno}}}
	}).Run().Fails(t, "dev.minirun.init", "rt_sigtimedwait")
}

// TestInitWithOtherCommands: create, start, exec, kill, step, --explain and --trace work with an init.
func TestInitWithOtherCommands(t *testing.T) {
	b, pid := up(t, withInit)
	in(b, "cat /proc/1/comm; echo ok").Prints(t, "init\nok")
	if got := b.Minirun("state", b.ID).Stdout; !strings.Contains(got, `"status": "running"`) || !strings.Contains(got, strconv.Itoa(pid)) {
		t.Errorf("the state is %s", got)
	}
	b = testbundle.New(t, withInit, testbundle.Sh("echo ran; exit 3"))
	b.Write()
	cmd := b.Command("create", "--bundle", b.Dir, b.ID)
	if err := cmd.Run(); err != nil { // without a pipe, which the container would keep open
		t.Fatal(err)
	}
	if got := b.Minirun("state", b.ID).Stdout; !strings.Contains(got, `"status": "created"`) {
		t.Errorf("the state is %s", got)
	}
	b.Minirun("start", b.ID).Exit(t, 0)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	b.Run("--explain").Exit(t, 3)
	b.Run("--trace", b.Host+"/trace.txt").Exit(t, 3)
	b.Stdin = "at 3\ncontinue\n"
	b.Minirun("step", b.ID, b.Dir).Exit(t, 3)
	has(t, b.Minirun("plan", b.Dir).Stdout, "become the init", "the program of descriptor", "reap a process")
}
