package e2e

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

var heldLine = regexp.MustCompile(`held: process (\d+) waits`)

// held starts a container with --hold and a pipe as standard input, and returns the input, the
// process's ID, and what was written up to the last line for the reader.
func held(t *testing.T, cmd *exec.Cmd, b *testbundle.Bundle) (in io.WriteCloser, pid, text string) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Start(cmd)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		text += lines.Text() + "\n"
		if m := heldLine.FindStringSubmatch(lines.Text()); m != nil {
			pid = m[1]
		}
		if strings.HasPrefix(lines.Text(), "A line on standard input") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return in, pid, text
		}
	}
	t.Fatalf("it is not held: %s", text)
	return nil, "", ""
}

// TestHoldWaitsBeforeProgram: the process has become what the program will be, the printed commands
// work, and a line lets it go on. The rest of the input is the program's.
func TestHoldWaitsBeforeProgram(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"default": func(*specs.Spec) {}, "user namespace": userns,
		"filtered": func(s *specs.Spec) {
			s.Process.NoNewPrivileges = false // the filter is loaded before
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
		},
	} {
		for _, flags := range [][]string{{"--hold"}, {"--hold", "--explain"}} {
			t.Run(name+" "+strings.Join(flags, " "), func(t *testing.T) {
				b := testbundle.New(t, change, testbundle.Sh("read line; echo got $line; exit 3"))
				b.Write()
				cmd := b.Command(append(append([]string{"run"}, flags...), b.ID, b.Dir)...)
				var stdout strings.Builder
				cmd.Stdout = &stdout
				in, pid, text := held(t, cmd, b)
				status, err := os.ReadFile("/proc/" + pid + "/status")
				if err != nil || !strings.Contains(string(status), "CapEff:\t0000000020000420") {
					t.Errorf("the process has not given up its capabilities: %v\n%s", err, status)
				}
				for _, line := range regexp.MustCompile(`(?m)^  ((?:cat|ls) .*)$`).FindAllStringSubmatch(text, -1) {
					if out, err := exec.Command("sh", "-c", line[1]).CombinedOutput(); err != nil {
						t.Errorf("%s: %v: %s", line[1], err, out)
					}
				}
				has(t, b.Minirun("inspect", b.ID).Stdout, "NAMESPACE", pid)
				if _, err := io.WriteString(in, "\nfor the program\n"); err != nil {
					t.Fatal(err)
				}
				exits(t, cmd, 3)
				if stdout.String() != "got for the program\n" {
					t.Errorf("output %q", stdout.String())
				}
			})
		}
	}
}

// TestInterruptedHoldLeavesNothing: a signal, and the deletion of the container, end a minirun that
// holds one: testbundle checks that nothing is left.
func TestInterruptedHoldLeavesNothing(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo ran"))
	b.Write()
	for name, end := range map[string]struct {
		do     func(cmd *exec.Cmd)
		status int
	}{
		"SIGINT":  {func(cmd *exec.Cmd) { _ = cmd.Process.Signal(unix.SIGINT) }, 130},
		"SIGTERM": {func(cmd *exec.Cmd) { _ = cmd.Process.Signal(unix.SIGTERM) }, 143},
		"delete":  {func(*exec.Cmd) { b.Minirun("delete", "--force", b.ID).Exit(t, 0) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := b.Command("run", "--hold", b.ID, b.Dir)
			var stdout strings.Builder
			cmd.Stdout = &stdout
			in, _, _ := held(t, cmd, b)
			in.Close() // the end of the input does not start the program
			end.do(cmd)
			exits(t, cmd, end.status)
			if stdout.Len() > 0 {
				t.Errorf("the program has run: %q", stdout.String())
			}
			if entries, _ := os.ReadDir(b.Root); len(entries) > 0 {
				t.Errorf("left in the state directory: %v", entries)
			}
		})
	}
}

// TestHoldNeedsMinirunThatStays: --hold with flags that contradict it is an error, before anything happens.
func TestHoldNeedsMinirunThatStays(t *testing.T) {
	b := testbundle.New(t)
	b.Run("--hold", "--detach").Fails(t, "--hold cannot be combined with --detach", "hint: omit --detach")
	b.Run("--hold", "--trace", "/x.txt").Fails(t, "--hold cannot be combined with --trace")
}

// TestHoldOnTerminal: Enter starts the program, also if it gets its own terminal, and Ctrl-C ends it.
func TestHoldOnTerminal(t *testing.T) {
	testbundle.Need(t)
	for name, change := range map[string]func(*specs.Spec){
		"no terminal": func(*specs.Spec) {}, "terminal": func(s *specs.Spec) { s.Process.Terminal = true },
	} {
		t.Run(name, func(t *testing.T) {
			p := testbundle.NewPty(t)
			b := testbundle.New(t, change, testbundle.Sh("read line; echo got-$line"))
			b.Write()
			p.StartShell(t)
			before := p.Termios()
			p.Type(b.ShellLine("run", "--hold", b.ID, b.Dir) + "; echo status-$?\n")
			p.Expect("Press Enter to start the program")
			p.Type("not for the program\n")
			p.Type("one\n")
			p.Expect("got-one")
			p.Expect("status-0")
			p.Type(b.ShellLine("run", "--hold", b.ID, b.Dir) + "; echo status-$?\n")
			p.Expect("Press Enter to start the program")
			p.Type("\x03")
			p.Expect("interrupted by SIGINT")
			p.ExpectPrompt()
			if p.Termios() != before {
				t.Error("the terminal's settings are not what they were")
			}
			p.Type(b.ShellLine("run", "--hold", b.ID, b.Dir) + " &\n")
			p.Expect("Stopped")
			p.Type("fg\n")
			p.Expect("Press Enter to start the program")
			p.Type("\n")
			p.Type("two\n")
			p.Expect("got-two")
		})
	}
}

// TestHoldByUnprivilegedUser: an unprivileged user can hold a container.
func TestHoldByUnprivilegedUser(t *testing.T) {
	u := asUser(t, false, "echo ran")
	u.Stdin = "\n"
	r := u.minirun(t, "run", "--hold", u.ID, u.Dir)
	if r.Status != 0 || r.Stdout != "ran\n" {
		t.Errorf("status %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
	has(t, r.Stderr, "held: process", "nsenter --target")
}
