package testbundle

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

// A Pty is a terminal created by the test, which minirun uses as its terminal.
type Pty struct {
	Master console.Console
	Slave  *os.File

	t      testing.TB
	output bytes.Buffer
	lines  chan []byte
}

// NewPty creates one.
func NewPty(t testing.TB) *Pty {
	t.Helper()
	Need(t)
	master, path, err := console.NewPty()
	if err != nil {
		t.Skip("no pty could be opened: ", err)
	}
	slave, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &Pty{t: t, Master: master, Slave: slave, lines: make(chan []byte, 1000)}
	t.Cleanup(func() { slave.Close(); master.Close() })
	go func() {
		for {
			buf := make([]byte, 4096)
			n, err := master.Read(buf)
			if err != nil {
				close(p.lines)
				return
			}
			p.lines <- buf[:n]
		}
	}()
	return p
}

// Expect reads until text appears, and returns everything before it.
func (p *Pty) Expect(text string) string {
	p.t.Helper()
	timeout := time.After(20 * time.Second)
	for !strings.Contains(p.output.String(), text) {
		select {
		case b, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the terminal was closed; %q is missing in %q", text, p.output.String())
			}
			p.output.Write(b)
		case <-timeout:
			p.t.Fatalf("%q is missing in %q", text, p.output.String())
		}
	}
	before, rest, _ := strings.Cut(p.output.String(), text)
	p.output.Reset()
	p.output.WriteString(rest)
	return before
}

// Attach connects a command to the terminal, as a shell does: the command leads a session whose
// controlling terminal this is.
func (p *Pty) Attach(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
}

// Rest returns the output of the terminal until no new output has appeared for a short time.
func (p *Pty) Rest() string {
	for {
		select {
		case b, ok := <-p.lines:
			if ok {
				p.output.Write(b)
				continue
			}
		case <-time.After(200 * time.Millisecond):
		}
		text := p.output.String()
		p.output.Reset()
		return text
	}
}

// Type writes text as if a user typed it.
func (p *Pty) Type(text string) {
	p.t.Helper()
	if _, err := p.Master.Write([]byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// Termios returns the terminal's settings.
func (p *Pty) Termios() unix.Termios {
	p.t.Helper()
	termios, err := unix.IoctlGetTermios(int(p.Slave.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return *termios
}
