package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// onTerminal starts a build of a Dockerfile on a terminal created by the test.
func (s *store) onTerminal(p *testbundle.Pty, dockerfile string, flags ...string) *exec.Cmd {
	s.T.Helper()
	dir := contextDir(s.T, map[string]string{"Dockerfile": dockerfile}, "")
	cmd := s.Command(append(append([]string{"build"}, flags...), dir)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
	cmd.Env = append(cmd.Env, "CI=", "BUILDKIT_PROGRESS=", "NO_COLOR=", "TERM=xterm")
	s.Start(cmd)
	return cmd
}

// status waits until a command ends, and returns its status.
func status(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// clean checks that a build has left nothing of its steps.
func (s *store) clean() {
	s.T.Helper()
	for _, dir := range []string{"tmp", "build/run"} {
		entries, err := os.ReadDir(filepath.Join(s.StoreDir, dir))
		if err != nil && !os.IsNotExist(err) {
			s.T.Fatal(err)
		}
		for _, e := range entries {
			s.T.Errorf("left: %s/%s", dir, e.Name())
		}
	}
}

// TestDebugShellHasTheFailedStepsState: after a RUN fails, the user gets a shell with its files,
// environment and directory; afterwards the build ends with the error of the RUN, and the terminal is
// as before.
func TestDebugShellHasTheFailedStepsState(t *testing.T) {
	p := testbundle.NewPty(t)
	s := newStore(t)
	before := p.Termios()
	cmd := s.onTerminal(p, "FROM base AS one\nENV GREETING=hello\nARG NAME=world\nWORKDIR /srv\nUSER app\nFROM one\nRUN echo made > /tmp/file; exit 3\n", "--debug")
	p.Expect("Starting a shell with the files")
	p.Type("echo $(cat /tmp/file) $GREETING $(pwd) $(id -u) $((6*7)) $(tty)\n")
	p.Expect("made hello /srv 1000 42 /dev/pts/0")
	p.Type("exit 5\n")
	p.Expect("did not complete successfully: exit code: 3")
	if got := status(t, cmd); got != 1 {
		t.Errorf("status %d", got)
	}
	if now := p.Termios(); now.Lflag != before.Lflag || now.Iflag != before.Iflag || now.Oflag != before.Oflag {
		t.Errorf("the terminal is %+v, was %+v", now, before)
	}
	s.clean()
}

// TestDebugNeedsTerminal: without a terminal it is an error before anything is built.
func TestDebugNeedsTerminal(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN false\n"}, "")
	r := s.Minirun("build", "--debug", dir)
	r.Fails(t, "--debug", "needs a terminal")
	if strings.Contains(r.Stderr, "RUN false") {
		t.Errorf("it was built: %s", r.Stderr)
	}
}

// TestProgressIsDrawnInPlaceOnTerminal: on a terminal, steps are drawn in place, no row is wider than
// the terminal, and a log has none of this.
func TestProgressIsDrawnInPlaceOnTerminal(t *testing.T) {
	p := testbundle.NewPty(t)
	s := newStore(t)
	if err := p.Master.Resize(console.WinSize{Height: 20, Width: 40}); err != nil {
		t.Fatal(err)
	}
	const text = "FROM base AS a\nRUN echo a line that is longer than the terminal is wide, by far; sleep 0.3\nFROM base\nCOPY --from=a /etc/passwd /a\nCMD true\n"
	cmd := s.onTerminal(p, text, "-t", "live")
	all := p.Expect("JSONArgsRecommended")
	if got := status(t, cmd); got != 0 {
		t.Errorf("status %d: %s", got, all)
	}
	for _, want := range []string{"[+] Building ", " FINISHED", " => [a 2/2] RUN echo a line", " => => # a line that is longer", "writing image sha256:", "naming to docker.io/library/", "\x1b[34m"} {
		if !strings.Contains(all, want) {
			t.Errorf("it does not show %q: %q", want, all)
		}
	}
	sequence := regexp.MustCompile(`\x1b\[[?0-9;]*[A-Za-z]`)
	for line := range strings.Lines(all) {
		if row := strings.TrimRight(sequence.ReplaceAllString(line, ""), "\r\n"); strings.Contains(row, "=>") && len([]rune(row)) > 40 {
			t.Errorf("wider than the terminal: %q", row)
		}
	}
}

// TestProgressIsLogWithoutTerminal: the output is a log if it does not go to a terminal: in a pipe, and
// if CI is set.
func TestProgressIsLogWithoutTerminal(t *testing.T) {
	p := testbundle.NewPty(t)
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN echo said\n"}, "")
	cmd := s.Command("build", dir, "-t", "plain")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
	cmd.Env = append(cmd.Env, "CI=true", "TERM=xterm")
	s.Start(cmd)
	onTerminal := p.Expect("naming to docker.io/library/plain:latest done")
	if got := status(t, cmd); got != 0 || strings.Contains(onTerminal, "\x1b") {
		t.Errorf("status %d: %q", got, onTerminal)
	}
	inPipe := s.Minirun("build", dir, "-t", "plain", "--no-cache")
	inPipe.Exit(t, 0)
	want := regexp.MustCompile(`^#1 \[internal\] load build definition from Dockerfile
#1 reading dockerfile: 24B done
#1 DONE 0\.\ds

#2 \[internal\] load metadata for docker\.io/library/base:latest
#2 DONE 0\.\ds

#3 \[1/2\] FROM base
#3 CACHED

#4 \[2/2\] RUN echo said
#4 \d\.\d{3} said
#4 DONE \d\.\ds

#5 exporting to image
#5 exporting layers done
#5 writing image sha256:[0-9a-f]{64} done
#5 naming to docker\.io/library/plain:latest done
#5 DONE \d\.\ds

$`)
	if !want.MatchString(inPipe.Stderr) {
		t.Errorf("it is %q", inPipe.Stderr)
	}
}

// TestInterruptEndsAllContainers: SIGINT ends all containers, nothing is left, and the exit status is
// that of a program killed by the signal.
func TestInterruptEndsAllContainers(t *testing.T) {
	p := testbundle.NewPty(t)
	s := newStore(t)
	before := p.Termios()
	cmd := s.onTerminal(p, "FROM base AS a\nRUN echo a-runs; sleep 1000\nFROM base AS b\nRUN echo b-runs; sleep 1000\nFROM base\nCOPY --from=a /x /x\nCOPY --from=b /x /x\n")
	p.Expect("# a-runs")
	p.Expect("# b-runs")
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.Expect("CANCELED [")
	p.Expect("minirun: canceled by a signal: interrupt")
	if got := status(t, cmd); got != 128+int(syscall.SIGINT) {
		t.Errorf("status %d", got)
	}
	if now := p.Termios(); now != before {
		t.Errorf("the terminal is %+v, was %+v", now, before)
	}
	s.clean()
}

// TestFlagsMayFollowTheContext: flags may follow the context; without a context the hint says how to call it;
// if the Dockerfile is missing, the error suggests a file with another name.
func TestFlagsMayFollowTheContext(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nARG A\nRUN echo $A > /a\n"}, "")
	s.Do("build", dir, "-t", "behind", "--build-arg", "A=given")
	if got := s.Do("run", "--rm", "--name", testbundle.Prefix+"behind", "behind", "cat", "/a"); got != "given" {
		t.Errorf("A is %q", got)
	}
	s.Minirun("build").Fails(t, "expected one argument", "hint: run minirun build [OPTIONS] .")
	s.Minirun("build", dir, dir).Fails(t, "expected one argument", "but got 2")
	s.Minirun("build", dir, "--tagg", "x").Fails(t, "tagg")
	other := contextDir(t, map[string]string{"Containerfile": "FROM base\n"}, "")
	s.Minirun("build", other).Fails(t, "Dockerfile", "hint: minirun build", "-f "+other+"/Containerfile")
	s.Minirun("build", contextDir(t, map[string]string{"x": ""}, "")).Fails(t, "there is no Dockerfile", "hint: create", "with -f")
	s.Minirun("build", filepath.Join(dir, "nowhere")).Fails(t, "nowhere", "does not exist", "hint: ")
}
