package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// A container without a terminal that is run from one has pipes, from and to which minirun copies.
// This must make no difference, except to a program that checks whether it has a terminal.

// onTerminal starts run, or exec in a running container, on a terminal.
func onTerminal(t *testing.T, verb, script string, change ...func(*specs.Spec)) (*testbundle.Pty, *exec.Cmd) {
	t.Helper()
	p := testbundle.NewPty(t)
	var cmd *exec.Cmd
	if verb == "run" {
		b := testbundle.New(t, append(change, testbundle.Sh(script))...)
		b.Write()
		cmd = b.Command("run", b.ID, b.Dir)
		p.Attach(cmd)
		b.Start(cmd)
		return p, cmd
	}
	b, _ := up(t, change...)
	cmd = b.Command("exec", b.ID, "sh", "-c", script)
	p.Attach(cmd)
	b.Start(cmd)
	return p, cmd
}

func exits(t *testing.T, cmd *exec.Cmd, want int) {
	t.Helper()
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("%s: exit status %d, want %d", cmd.Args[3], got, want)
	}
}

func TestTerminalPipes(t *testing.T) {
	for _, verb := range []string{"run", "exec"} {
		t.Run(verb, func(t *testing.T) {
			p, cmd := onTerminal(t, verb, "echo ready; read x; echo first $x; cat; echo over; exit 7")
			p.Expect("ready\r\n")
			p.Type("one\n")
			p.Expect("first one\r\n")
			p.Type("two\n")
			p.Expect("two\r\ntwo\r\n") // the echo, and the output of cat
			p.Type("\x04")
			p.Expect("over\r\n")
			exits(t, cmd, 7)
		})
	}
}

// If standard output and standard error are the same terminal they share one pipe, so the order is
// preserved.
func TestTerminalPipesKeepOrder(t *testing.T) {
	const lines = 3000
	for _, verb := range []string{"run", "exec"} {
		t.Run(verb, func(t *testing.T) {
			p, cmd := onTerminal(t, verb, fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo $i; i=$((i+1)); echo $i >&2; i=$((i+1)); done; echo end", lines))
			got := p.Expect("end\r\n")
			exits(t, cmd, 0)
			var want strings.Builder
			for i := range lines {
				want.WriteString(strconv.Itoa(i) + "\r\n")
			}
			if got != want.String() {
				t.Errorf("the output is not whole or not in order: %d bytes, want %d", len(got), want.Len())
			}
		})
	}
}

// Everything that the program has written when it ends is shown before minirun ends.
func TestTerminalPipesAreDrained(t *testing.T) {
	for _, verb := range []string{"run", "exec"} {
		t.Run(verb, func(t *testing.T) {
			p, cmd := onTerminal(t, verb, "seq 1 8000 | dd bs=60000 iflag=fullblock 2>/dev/null; exit 3")
			out := ""
			for !strings.Contains(out, "8000\r\n") {
				out += p.Expect("\n") + "\n"
			}
			if n := strings.Count(out, "\r\n"); n != 8000 {
				t.Errorf("%d lines of 8000", n)
			}
			exits(t, cmd, 3)
		})
	}
}

// A process that outlives the program holds the pipe open, but minirun does not wait for it.
func TestTerminalPipesOutlived(t *testing.T) {
	noPID := func(s *specs.Spec) {
		var keep []specs.LinuxNamespace
		for _, n := range s.Linux.Namespaces {
			if n.Type != specs.PIDNamespace {
				keep = append(keep, n)
			}
		}
		s.Linux.Namespaces = keep
	}
	for _, verb := range []string{"run", "exec"} {
		t.Run(verb, func(t *testing.T) {
			p, cmd := onTerminal(t, verb, "sleep 1000 & yes & echo started; exit 4", noPID)
			p.Expect("started\r\n")
			exits(t, cmd, 4)
		})
	}
}

// ^C and a hang-up reach the program as signals.
func TestTerminalPipesSignals(t *testing.T) {
	for _, verb := range []string{"run", "exec"} {
		t.Run(verb, func(t *testing.T) {
			p, cmd := onTerminal(t, verb, "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done")
			p.Expect("ready\r\n")
			p.Type("\x03")
			p.Expect("interrupted\r\n")
			exits(t, cmd, 9)
		})
	}
	t.Run("a terminal that is gone", func(t *testing.T) {
		p, cmd := onTerminal(t, "run", "trap '' HUP PIPE; echo ready; while echo x; do sleep 0.05; done; exit 5")
		p.Expect("ready\r\n")
		p.Slave.Close()
		p.Master.Close()
		exits(t, cmd, 5)
	})
}

// A stopped terminal (^S) does not accept the remaining output at the end. A signal ends the wait for
// it.
func TestTerminalPipesStopped(t *testing.T) {
	for _, verb := range []string{"run", "exec"} {
		t.Run(verb, func(t *testing.T) {
			p, cmd := onTerminal(t, verb, "echo ready; read x; echo more; exit 3")
			p.Expect("ready\r\n")
			p.Type("go\n")
			p.Type("\x13")
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = cmd.Wait()
			}()
			for {
				select {
				case <-ended:
				case <-time.After(200 * time.Millisecond):
					_ = cmd.Process.Signal(unix.SIGTERM)
					continue
				}
				break
			}
			if got := cmd.ProcessState.ExitCode(); got != 3 && got != 143 {
				t.Errorf("exit status %d, want 3", got)
			}
		})
	}
}

// Input that the program has not read stays in the terminal, except for one line.
func TestTerminalPipesLeaveInput(t *testing.T) {
	for _, verb := range []string{"run", "exec"} {
		t.Run(verb, func(t *testing.T) {
			p, cmd := onTerminal(t, verb, "echo ready; sleep 0.3; read x; echo got $x; sleep 0.3")
			p.Expect("ready\r\n")
			p.Type("one\ntwo\nthree\n")
			p.Expect("got one\r\n")
			exits(t, cmd, 0)
			if err := unix.SetNonblock(int(p.Slave.Fd()), true); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			n, err := unix.Read(int(p.Slave.Fd()), buf) // one line
			if left := string(buf[:max(n, 0)]); err != nil || left != "two\n" && left != "three\n" {
				t.Errorf("left in the terminal: %q, %v", left, err)
			}
		})
	}
}

// A background job does not take the shell's input, and continues to run.
func TestTerminalPipesInBackground(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("echo ready; read x; echo got $x"))
	b.Write()
	cmd := exec.Command("/bin/sh", "-m", "-c", `"$@" & read line; echo "the shell has $line"; fg >/dev/null; echo "status $?"`, "sh", testbundle.Binary, "--root", b.Root, "run", b.ID, b.Dir)
	p.Attach(cmd)
	b.Start(cmd)
	p.Expect("ready\r\n")
	p.Type("one\n")
	p.Expect("the shell has one\r\n")
	p.Type("two\n")
	p.Expect("got two\r\n")
	p.Expect("status 0\r\n")
	_ = cmd.Wait()
}

// With a new terminal for its container, a background job leaves the shell's settings and input alone:
// it is stopped until it is in the foreground. It exits when it is continued, if its program has.
func TestTerminalInBackground(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("echo ready; read x; echo got $x"), terminal)
	b.Write()
	cmd := exec.Command("/bin/sh", "-m", "-c", `"$@" & read line; echo "the shell has $line"; fg >/dev/null; echo "status $?"`, "sh", testbundle.Binary, "--root", b.Root, "run", b.ID, b.Dir)
	before := p.Termios()
	p.Attach(cmd)
	b.Start(cmd)
	p.Expect("ready\r")
	if p.Termios() != before {
		t.Error("a background job has changed the terminal's settings")
	}
	p.Type("one\n")
	p.Expect("the shell has one\r\n")
	p.Type("two\n")
	p.Expect("got two\r")
	p.Expect("status 0\r\n")
	_ = cmd.Wait()
	if p.Termios() != before {
		t.Error("the terminal's settings are not what they were")
	}

	b = testbundle.New(t, testbundle.Sh("exit 3"), terminal)
	b.Write()
	cmd = exec.Command("/bin/sh", "-m", "-c", `"$@" & wait $!; fg >/dev/null; echo "status $?"`, "sh", testbundle.Binary, "--root", b.Root, "run", b.ID, b.Dir)
	p.Attach(cmd)
	b.Start(cmd)
	p.Expect("status 3\r\n")
	_ = cmd.Wait()
}

// The message of a background job is printed to the terminal, also with stty tostop.
func TestMessageInBackground(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Args("/no/such"))
	b.Write()
	cmd := exec.Command("/bin/sh", "-m", "-c", `stty tostop; "$@" & wait $!; status=$?; stty -tostop; echo "status $status"`, "sh", testbundle.Binary, "--root", b.Root, "run", b.ID, b.Dir)
	p.Attach(cmd)
	b.Start(cmd)
	p.Expect("/no/such")
	p.Expect("status 1\r\n")
	_ = cmd.Wait()
}

// Only terminals are replaced with pipes: output to a file is written directly.
func TestTerminalPipesOnlyForTerminals(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("readlink /proc/self/fd/1; echo x >&2; read y; echo $y"))
	b.Write()
	out, err := os.CreateTemp(b.Host, "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := b.Command("run", b.ID, b.Dir)
	p.Attach(cmd)
	cmd.Stdout = out
	b.Start(cmd)
	p.Expect("x\r\n")
	p.Type("typed\n")
	exits(t, cmd, 0)
	text, _ := os.ReadFile(out.Name())
	if lines := strings.Split(string(text), "\n"); len(lines) != 3 || strings.HasPrefix(lines[0], "pipe:") || lines[1] != "typed" {
		t.Errorf("the file has %q", text)
	}
}

// The container's user may open /dev/stdout also if it is a pipe of minirun.
func TestTerminalPipesOfUser(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"default": func(*specs.Spec) {}, "user namespace": userns} {
		t.Run(name, func(t *testing.T) {
			p, cmd := onTerminal(t, "run", "echo out >/dev/stdout; echo err >/dev/stderr; read x </dev/stdin; echo $x", user(1000, 1000), change)
			p.Expect("out\r\n")
			p.Expect("err\r\n")
			p.Type("in\n")
			p.Expect("in\r\nin\r\n")
			exits(t, cmd, 0)
		})
	}
}

// A container that cannot be started is reported on the terminal, with the output of the hook that
// ran inside.
func TestTerminalPipesOfFailure(t *testing.T) {
	p, cmd := onTerminal(t, "run", "", func(s *specs.Spec) {
		s.Process.Args = nil
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{shellHook("echo from a hook; seq 1 20000 | tail -c 70000 >/dev/null; exit 3")}}
	})
	p.Expect("hooks.createContainer")
	p.Expect("from a hook\r\n")
	exits(t, cmd, 1)
}
