package testbundle

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// prompt is what the shell of StartShell prints when it waits for a command.
const prompt = "prompt> "

// StartShell starts a shell with job control on the terminal, as a user has it.
func (p *Pty) StartShell(t testing.TB, env ...string) *exec.Cmd {
	t.Helper()
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is needed, for job control")
	}
	cmd := exec.Command(shell, "--norc", "--noprofile", "--noediting", "-i")
	cmd.Env = append([]string{"PS1=" + prompt, "HISTFILE=", "HOME=/", "TERM=dumb",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, env...)
	p.Attach(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p.Expect(prompt)
	p.Type("set -o notify\n") // reports at once that a job was stopped
	p.Expect(prompt)
	return cmd
}

// ShellLine returns a command for the shell that runs minirun with these arguments.
func (b *Bundle) ShellLine(args ...string) string {
	return "'" + strings.Join(b.Command(args...).Args, "' '") + "'"
}

// ExpectPrompt waits for the shell's next prompt, and returns the output before it.
func (p *Pty) ExpectPrompt() string {
	p.t.Helper()
	return p.Expect(prompt)
}

// AwaitRunning waits until the container's program runs.
func (b *Bundle) AwaitRunning(t testing.TB) {
	t.Helper()
	b.await(t, func() bool { return strings.Contains(b.Minirun("state", b.ID).Stdout, `"status": "running"`) })
}

// AwaitProgram waits until the first process runs a program of this name.
func (b *Bundle) AwaitProgram(t testing.TB, name string) {
	t.Helper()
	b.await(t, func() bool {
		return strings.Contains(b.Minirun("exec", b.ID, "cat", "/proc/1/cmdline").Stdout, name)
	})
}

func (b *Bundle) await(t testing.TB, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the container's program does not run")
		}
	}
}

// HangUp hangs the terminal up, as when its window is closed. Closing the master would not: it is
// being read.
func (p *Pty) HangUp() {
	p.t.Helper()
	if err := unix.IoctlSetInt(int(p.Slave.Fd()), unix.TIOCVHANGUP, 0); err != nil {
		p.t.Fatal(err)
	}
}
