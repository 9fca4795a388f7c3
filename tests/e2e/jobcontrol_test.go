package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/containerd/console"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// These tests run commands in a shell with job control on a terminal: with &, fg, ^Z and ^C, and
// with signals from the shell's kill.

// A job is a command of minirun as the shell starts it. Its program says ready, then got and each
// line that it reads, until "end". SIGTERM ends it with status 7.
type job struct {
	name string
	line func(t *testing.T) (b *testbundle.Bundle, line string)
}

const jobScript = `trap 'echo terminated; exit 7' TERM; trap 'echo size $(stty size)' WINCH
echo ready; while :; do if read x; then echo got $x; [ "$x" = end ] && exit 0; fi; done`

// terminalJobs are the commands whose programs have terminals.
var terminalJobs = []job{
	{"run", func(t *testing.T) (*testbundle.Bundle, string) {
		b := testbundle.New(t, terminal, testbundle.Sh(jobScript))
		b.Write()
		return b, b.ShellLine("run", b.ID, b.Dir)
	}},
	{"exec", func(t *testing.T) (*testbundle.Bundle, string) {
		b, _ := up(t)
		b.File("job", jobScript, 0o755)
		return b, b.ShellLine("exec", "-t", b.ID, "sh", "/job")
	}},
}

// TestBackgroundJobWithTerminalStops: a command whose container has a terminal is stopped in the
// background, like other programs that change the terminal's settings, and continues with fg. The
// shell's settings are restored when it exits.
func TestBackgroundJobWithTerminalStops(t *testing.T) {
	for _, j := range terminalJobs {
		t.Run(j.name, func(t *testing.T) {
			p := testbundle.NewPty(t)
			_, line := j.line(t)
			p.StartShell(t)
			before := p.Termios()
			p.Type(line + " &\n")
			p.Expect("Stopped")
			if p.Termios() != before {
				t.Error("the background job has changed the terminal's settings")
			}
			p.Type("fg\n")
			p.Type("one\r")
			p.Expect("got one")
			p.Type("end\r")
			p.Expect("got end")
			p.ExpectPrompt()
			if p.Termios() != before {
				t.Errorf("the settings were %+v and are %+v", before, p.Termios())
			}
		})
	}
}

// TestStoppedJobReactsToTermination: the shell's kill ends a job that was stopped in the background.
func TestStoppedJobReactsToTermination(t *testing.T) {
	for _, j := range terminalJobs {
		t.Run(j.name, func(t *testing.T) {
			p := testbundle.NewPty(t)
			_, line := j.line(t)
			p.StartShell(t)
			before := p.Termios()
			p.Type(line + " &\n")
			p.Expect("Stopped")
			p.Type("kill %1\n")
			p.Expect("Exit 7")
			if p.Termios() != before {
				t.Errorf("the settings were %+v and are %+v", before, p.Termios())
			}
		})
	}
}

// TestStoppedJobKeepsTerminal: a job that a signal stops gives the terminal back, and has it again
// with its new size after fg.
func TestStoppedJobKeepsTerminal(t *testing.T) {
	for _, j := range terminalJobs {
		for _, stop := range []string{"TSTP", "STOP"} {
			t.Run(j.name+" "+stop, func(t *testing.T) {
				p := testbundle.NewPty(t)
				_, line := j.line(t)
				shell := p.StartShell(t)
				p.Type(line + "\n")
				p.Expect("ready")
				job := foregroundJob(t, p)
				if job == shell.Process.Pid {
					t.Fatal("the job is not in the foreground")
				}
				if err := unix.Kill(-job, unix.SignalNum("SIG"+stop)); err != nil {
					t.Fatal(err)
				}
				p.Expect("Stopped")
				p.Type("echo the shell $((40+2))\n")
				p.Expect("the shell 42")
				if err := p.Master.Resize(console.WinSize{Height: 17, Width: 71}); err != nil {
					t.Fatal(err)
				}
				p.Type("fg\n")
				p.Expect("size 17 71")
				if now := p.Termios(); now.Lflag&(unix.ICANON|unix.ECHO) != 0 {
					t.Errorf("the terminal is not raw after fg: lflag %#x", now.Lflag)
				}
				p.Type("end\r")
				p.Expect("got end")
				p.ExpectPrompt()
			})
		}
	}
}

// foregroundJob returns the terminal's foreground process group.
func foregroundJob(t *testing.T, p *testbundle.Pty) int {
	t.Helper()
	group, err := unix.IoctlGetInt(int(p.Master.Fd()), unix.TIOCGPGRP)
	if err != nil {
		t.Fatal(err)
	}
	return group
}

// plainJobs are commands whose programs have no terminals.
var plainJobs = []job{
	{"run", func(t *testing.T) (*testbundle.Bundle, string) {
		b := testbundle.New(t, testbundle.Sh(jobScript))
		b.Write()
		return b, b.ShellLine("run", b.ID, b.Dir)
	}},
	{"exec", func(t *testing.T) (*testbundle.Bundle, string) {
		b, _ := up(t)
		b.File("job", jobScript, 0o755)
		return b, b.ShellLine("exec", b.ID, "sh", "/job")
	}},
}

// TestSuspendKeyStopsMinirun: ^Z stops a command whose container has no terminal, and its process if
// that is not PID 1. fg continues both.
func TestSuspendKeyStopsMinirun(t *testing.T) {
	for _, j := range plainJobs {
		t.Run(j.name, func(t *testing.T) {
			p := testbundle.NewPty(t)
			_, line := j.line(t)
			p.StartShell(t)
			p.Type(line + "\n")
			p.Expect("ready")
			p.Type("\x1a")
			p.Expect("Stopped")
			p.ExpectPrompt()
			p.Type("fg\n")
			p.Type("one\n")
			p.Expect("got one")
			p.Type("\x1a")
			p.Expect("Stopped")
			p.Type("kill %1\n")
			p.Expect("terminated")
			p.Expect("Exit 7")
		})
	}
}

// TestHangUpLeavesNothing: if the terminal is closed, the command exits and the container is gone,
// also if its program does not handle SIGHUP.
func TestHangUpLeavesNothing(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"terminal": terminal, "no terminal": func(*specs.Spec) {}} {
		for _, where := range []string{"foreground", "stopped", "no shell"} {
			t.Run(name+", "+where, func(t *testing.T) {
				p := testbundle.NewPty(t)
				b := testbundle.New(t, change, testbundle.Sh("echo ready; sleep 1000; sleep 1000"))
				b.Write()
				if where == "no shell" {
					cmd := b.Command("run", b.ID, b.Dir)
					p.Attach(cmd)
					b.Start(cmd)
					p.Expect("ready")
				} else {
					p.StartShell(t)
					p.Type(b.ShellLine("run", b.ID, b.Dir) + "\n")
					p.Expect("ready")
				}
				if where == "stopped" {
					if err := unix.Kill(-foregroundJob(t, p), unix.SIGTSTP); err != nil {
						t.Fatal(err)
					}
					p.Expect("Stopped")
				}
				p.HangUp()
				awaitNoContainers(t, b)
			})
		}
	}
}

// awaitNoContainers waits until the state directory is empty.
func awaitNoContainers(t *testing.T, b *testbundle.Bundle) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		entries, err := os.ReadDir(b.Root)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return
		}
		if time.Now().After(end) {
			b.Minirun("delete", "--force", b.ID)
			t.Fatalf("left: %v", entries)
		}
	}
}

// TestStepInBackground: step is stopped in the background, and by ^Z. fg continues it, and the shell's
// kill ends it.
func TestStepInBackground(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("echo container runs"))
	b.Write()
	p.StartShell(t)
	before := p.Termios()
	p.Type(b.ShellLine("step", b.ID, b.Dir) + " &\n")
	p.Expect("Stopped")
	p.Type("fg\n")
	p.Expect("(step) ")
	p.Type("\x1a")
	p.Expect("Stopped")
	p.Type("bg\n")
	p.Expect("Stopped")
	p.Type("fg\n")
	p.Expect("(step) ")
	p.Type("s")
	p.Type("echo in the shell $((40+2)); exit 3\n")
	p.Expect("in the shell 42")
	if text := p.Expect("(step) "); strings.Contains(text, "exit status") {
		t.Errorf("the shell's exit status is shown as an error: %q", text)
	}
	p.Type("\x1a")
	p.Expect("Stopped")
	p.Type("kill %1\n")
	p.Expect("interrupted by SIGTERM")
	p.Expect("Exit 143")
	if p.Termios() != before {
		t.Errorf("the settings were %+v and are %+v", before, p.Termios())
	}
	awaitNoContainers(t, b)
}

// TestJobWithoutShellStaysInBackground: if no shell could continue it, a background job is not stopped.
func TestJobWithoutShellStaysInBackground(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("echo ready; sleep 0.5; exit 3"), terminal)
	b.Write()
	p.StartShell(t)
	// The outer subshell exits, and leaves the inner one in an orphaned process group.
	p.Type("( (" + b.ShellLine("run", b.ID, b.Dir) + "; echo status $?) & )\n")
	p.Expect("status 3")
}
