package e2e

import (
	"bufio"
	"regexp"
	"strings"
	"testing"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// escapes are the sequences that control a terminal.
var escapes = regexp.MustCompile(`\x1b\[[?0-9;]*[A-Za-z]`)

const (
	screenEntered = "\x1b[?1049h"
	screenLeft    = "\x1b[?1049l"
	screenHome    = "\x1b[H"
)

// frame returns the lines of the next complete frame of a watched view.
func frame(p *testbundle.Pty) []string {
	p.Expect(screenHome)
	text := p.Expect("\x1b[J")
	return strings.Split(escapes.ReplaceAllString(text, ""), "\r\n")
}

// TestInspectWatchFitsScreen: the view fills one screen of the terminal, follows its size, highlights what
// changes, and the shell's screen is there again afterwards.
func TestInspectWatchFitsScreen(t *testing.T) {
	p := testbundle.NewPty(t)
	b, _ := up(t)
	if err := p.Master.Resize(console.WinSize{Height: 20, Width: 60}); err != nil {
		t.Fatal(err)
	}
	p.StartShell(t)
	before := p.Termios()
	p.Type(b.ShellLine("inspect", "--watch", "--interval", "100ms", b.ID) + "\n")
	p.Expect(screenEntered)
	check := func(rows, columns int) {
		t.Helper()
		lines := frame(p)
		if len(lines) != rows || !strings.HasPrefix(lines[0], b.ID) || !strings.Contains(strings.Join(lines, "\n"), "MOUNTS") {
			t.Errorf("%d lines, want %d:\n%s", len(lines), rows, strings.Join(lines, "\n"))
		}
		for _, l := range lines {
			if n := len([]rune(l)); n > columns {
				t.Errorf("a line has %d columns: %q", n, l)
			}
		}
	}
	check(20, 60)
	if err := p.Master.Resize(console.WinSize{Height: 12, Width: 40}); err != nil {
		t.Fatal(err)
	}
	frame(p) // it may have been on its way
	check(12, 40)
	exec := b.Command("exec", b.ID, "sleep", "1000")
	b.Start(exec)
	changed := p.Expect("\x1b[1;7mprocesses")
	if strings.Contains(changed, "\x1b[1;7mpid ") {
		t.Error("a line that is as before is highlighted")
	}
	p.Type("\x1a")
	p.Expect(screenLeft)
	p.Expect("Stopped")
	p.Type("bg\n")
	p.Expect("Stopped")
	p.Type("fg\n")
	p.Expect(screenEntered)
	p.Type("\x03")
	p.Expect(screenLeft)
	p.ExpectPrompt()
	if p.Termios() != before {
		t.Error("the terminal's settings are not what they were")
	}
	_ = exec.Process.Signal(unix.SIGTERM)
}

// TestInspectWatchInBackground: it does not draw over the shell's screen.
func TestInspectWatchInBackground(t *testing.T) {
	p := testbundle.NewPty(t)
	b, _ := up(t)
	p.StartShell(t)
	p.Type(b.ShellLine("inspect", "--watch", b.ID) + " &\n")
	if text := p.Expect("Stopped"); strings.Contains(text, screenEntered) {
		t.Errorf("it has drawn: %q", text)
	}
	p.Type("kill %1\n")
	p.Expect("Exit 143")
}

// TestInspectWatchEndsWithContainer: it ends when the container does, and restores the screen.
func TestInspectWatchEndsWithContainer(t *testing.T) {
	p := testbundle.NewPty(t)
	b, _ := up(t)
	p.StartShell(t)
	p.Type(b.ShellLine("inspect", "--watch", "--interval", "50ms", b.ID) + "; echo status $?\n")
	p.Expect(screenEntered)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	p.Expect(screenLeft)
	p.Expect("status 0")
}

// TestInspectWatchWritesLinesToPipe: without a terminal, the view is written once, and then what changes.
func TestInspectWatchWritesLinesToPipe(t *testing.T) {
	b, _ := up(t)
	cmd := b.Command("inspect", "--watch", "--interval", "50ms", b.ID)
	from, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Start(cmd)
	lines := bufio.NewScanner(from)
	next := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), "\x1b") {
				t.Errorf("a terminal is controlled: %q", lines.Text())
			}
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Errorf("there is no line with %q", want)
	}
	next("NAMESPACE")
	next("MOUNTS")
	exec := b.Command("exec", b.ID, "sleep", "1000")
	b.Start(exec)
	next("  cgroup: processes")
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	next("exited and was deleted")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
