// Package e2e runs real containers and checks what a user of `minirun run` sees. Everything needs
// root, and each test ends with testbundle's check that nothing is left.
package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) { testbundle.Main(m) }

var (
	with, without = testbundle.With, testbundle.Without
	maps, userns  = testbundle.Maps, testbundle.UserNS
	caps, user    = testbundle.Caps, testbundle.User
	addMount      = testbundle.AddMount
)

func TestRunForms(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo hello"))
	b.Write()
	for _, form := range []struct {
		name, wd string
		args     []string
	}{
		{"bundle", "", []string{b.Dir}},
		{"bundle with a slash", "", []string{b.Dir + "/"}},
		{"ID and bundle", "", []string{b.ID, b.Dir}},
		{"-b bundle ID", "", []string{"-b", b.Dir, b.ID}},
		{"--bundle=bundle ID", "", []string{"--bundle=" + b.Dir, b.ID}},
		{"the working directory's bundle", b.Dir, []string{b.ID}},
		{"a dot", b.Dir, []string{"."}},
		{"a relative bundle", b.Dir + "/..", []string{"bundle"}},
	} {
		t.Run(form.name, func(t *testing.T) {
			b.Wd = form.wd
			b.Minirun(append([]string{"run"}, form.args...)...).Prints(t, "hello")
		})
	}
}

func TestRunUsage(t *testing.T) {
	b := testbundle.New(t)
	b.Write()
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no argument", []string{"run"}, "missing argument: BUNDLE"},
		{"no such bundle", []string{"run", "/nonexistent/bundle"}, "config.json"},
		{"three arguments", []string{"run", "-b", b.Dir, "a", "b"}, `unexpected argument "b"`},
		{"a bad ID", []string{"run", "a/b", b.Dir}, "container ID"},
		{"dot dot as ID", []string{"run", "..", b.Dir}, "container ID"},
		{"an unknown flag", []string{"run", "--nonsense", b.Dir}, "nonsense"},
		{"negative preserve-fds", []string{"run", "--preserve-fds", "-1", b.ID, b.Dir}, "--preserve-fds"},
		{"preserve-fds without end", []string{"run", "--preserve-fds", "2000000000", b.ID, b.Dir}, "--preserve-fds"},
		{"bundle is a file", []string{"run", "-b", b.Dir + "/config.json", b.ID}, "config.json"},
	} {
		t.Run(c.name, func(t *testing.T) { b.Minirun(c.args...).Fails(t, c.want) })
	}
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		script string
		want   int
	}{
		{"exit 0", 0}, {"exit 1", 1}, {"exit 42", 42}, {"exit 255", 255},
		{"probe handle", 2}, // a Go program that panics
	} {
		t.Run(c.script, func(t *testing.T) { testbundle.New(t, testbundle.Sh(c.script)).Run().Exit(t, c.want) })
	}
	// PID 1 is immune to signals from inside that it does not handle; without a new PID namespace the
	// process is not PID 1.
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGSEGV, unix.SIGHUP} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			b := testbundle.New(t, testbundle.Sh(fmt.Sprintf("kill -%d $$", sig)), without(specs.PIDNamespace))
			b.Run().Exit(t, 128+int(sig))
		})
	}
}

func TestStandardStreams(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("cat; echo error >&2"))
	b.Stdin = "from stdin"
	r := b.Run()
	r.Prints(t, "from stdin")
	if r.Stderr != "error\n" {
		t.Errorf("stderr %q", r.Stderr)
	}
}

func TestTwoWithOneID(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo up; sleep 1000"))
	_, stop := b.Background(t)
	b.Run().Fails(t, "already exists")
	stop()
	b.Spec.Process.Args = []string{"true"}
	b.Run().Exit(t, 0)
}

func TestSignalsAreForwarded(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("probe", "hold", "7"))
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Start(cmd)
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("the container wrote %q, want %q", lines.Text(), want)
		}
	}
	expect("ready")
	for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGINT, unix.SIGHUP, unix.SIGUSR2, unix.SIGQUIT, unix.SIGCONT, unix.SIGTERM} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		expect(unix.SignalName(sig))
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 7 {
		t.Errorf("exit status %d, want 7: that of the container after SIGTERM", got)
	}
}

// Signal dispositions and masks are inherited neither from the process that starts minirun, nor from
// Go.
func TestSignalStateIsClean(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("grep", "-E", "SigBlk|SigIgn", "/proc/self/status"))
	b.Run().Prints(t, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000")
}

func TestPidFileDetachDelete(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	pidFile := filepath.Join(b.Host, "pid")
	b.Detach("--pid-file", pidFile).Exit(t, 0)
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatalf("the pid file holds %q", text)
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || !strings.HasPrefix(string(name), "sleep\x001000") {
		t.Errorf("process %d is %q, %v", pid, name, err)
	}
	b.Minirun("delete", b.ID).Fails(t, "running")
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	if err := unix.Kill(pid, 0); err == nil {
		reap(pid)
	}
	b.Minirun("delete", b.ID).Fails(t, "does not exist")
}

// reap reaps a container that was detached: this process is its subreaper.
func reap(pid int) { _, _ = unix.Wait4(pid, nil, 0, nil) }

func TestDeleteStopped(t *testing.T) {
	b := testbundle.New(t)
	pidFile := filepath.Join(b.Host, "pid")
	b.Detach("--pid-file", pidFile).Exit(t, 0)
	text, _ := os.ReadFile(pidFile)
	pid, _ := strconv.Atoi(string(text))
	reap(pid)
	b.Minirun("delete", b.ID).Exit(t, 0)
}

func TestKeepLeavesTheContainer(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("exit 3"))
	b.Run("--keep").Exit(t, 3)
	if _, err := os.Stat(filepath.Join(b.State(), "state.json")); err != nil {
		t.Error("the state is gone in spite of --keep:", err)
	}
	b.Run().Fails(t, "already exists")
	b.Minirun("delete", b.ID).Exit(t, 0)
}

func TestPreserveFDs(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh(testbundle.ListFDs))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	b.Write()
	for _, c := range []struct {
		preserve int
		listen   bool
		want     []string
	}{
		{0, false, []string{"0", "1", "2"}},
		{1, false, []string{"0", "1", "2", "3"}},
		{2, false, []string{"0", "1", "2", "3", "4"}},
		{0, true, []string{"0", "1", "2", "3", "4"}},
	} {
		t.Run(fmt.Sprint(c.preserve, c.listen), func(t *testing.T) {
			cmd := b.Command("run", "--preserve-fds", strconv.Itoa(c.preserve), b.ID, b.Dir)
			cmd.ExtraFiles = []*os.File{r, w, r}
			if c.listen {
				cmd.Env = append(cmd.Env, "LISTEN_FDS=2", "LISTEN_PID="+strconv.Itoa(os.Getpid()))
			}
			res := testbundle.Finish(t, cmd)
			res.Exit(t, 0)
			got := strings.Fields(res.Stdout)
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("open inside: %v, want %v", got, c.want)
			}
		})
	}
}

func TestPreservedDescriptorWorks(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo through >&3"))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Write()
	cmd := b.Command("run", "--preserve-fds=1", b.ID, b.Dir)
	cmd.ExtraFiles = []*os.File{w}
	testbundle.Finish(t, cmd).Exit(t, 0)
	w.Close()
	if text, _ := io.ReadAll(r); string(text) != "through\n" {
		t.Errorf("descriptor 3 got %q", text)
	}
}

func TestListenFDs(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("env | grep LISTEN | sort; echo pid $$"))
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.ExtraFiles = []*os.File{f}
	cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_PID=1")
	testbundle.Finish(t, cmd).Prints(t, "LISTEN_FDS=1\nLISTEN_PID=1\npid 1")
}

// The environment is that of config.json, not that of minirun.
func TestEnvironment(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("env | grep -v -E '^(PWD|SHLVL|OLDPWD)=' | sort"), func(s *specs.Spec) {
		s.Process.Env = []string{"PATH=/bin", "A=1", "B=x y=z"}
	})
	b.Env = []string{"LEAK=1"}
	b.Run().Prints(t, "A=1\nB=x y=z\nHOME=/root\nPATH=/bin")
}
