package e2e

import (
	"bufio"
	"fmt"
	osexec "os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/console"
	"github.com/mattn/go-runewidth"
	"github.com/opencontainers/runtime-spec/specs-go"
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

// TestInspectWatchOfLongListsAndWideCharacters: a screen of any size is filled and not exceeded, whatever the
// width of its characters, and shows what changes: also a mount that is gone, far down in its list.
func TestInspectWatchOfLongListsAndWideCharacters(t *testing.T) {
	p := testbundle.NewPty(t)
	wide := "/mnt/" + strings.Repeat("日本語", 20)
	b, pid := up(t, testbundle.Writable, func(s *specs.Spec) {
		for i := range 40 {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: fmt.Sprintf("/mnt/%d", i), Type: "tmpfs", Source: "tmpfs"})
		}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: wide, Type: "tmpfs", Source: "tmpfs"},
			specs.Mount{Destination: "/mnt/last", Type: "tmpfs", Source: "tmpfs"})
	})
	inside := func(args ...string) {
		t.Helper()
		if out, err := osexec.Command("nsenter", append([]string{"--target", strconv.Itoa(pid), "--mount"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	size := func(rows, columns int) {
		t.Helper()
		if err := p.Master.Resize(console.WinSize{Height: uint16(rows), Width: uint16(columns)}); err != nil {
			t.Fatal(err)
		}
	}
	size(24, 80)
	cmd := b.Command("inspect", "--watch", "--interval", "50ms", b.ID)
	p.Attach(cmd)
	b.Start(cmd)
	p.Expect(screenEntered)
	for _, s := range [][2]int{{24, 80}, {50, 200}, {120, 100}, {24, 132}, {10, 30}, {24, 80}} {
		size(s[0], s[1])
		var lines []string
		for range 100 { // frames of the old size may be on their way
			if lines = frame(p); fits(lines, s[0], s[1]) {
				break
			}
		}
		if !fits(lines, s[0], s[1]) {
			t.Errorf("it does not fit %v:\n%s", s, strings.Join(lines, "\n"))
		}
	}
	inside("umount", "/mnt/last")
	p.Expect("/mnt/last: tmpfs")
	p.Expect("(gone)")
	inside("umount", wide)
	p.Expect("\x1b[1;7m  /mnt/日本語")
	inside("mount", "-t", "tmpfs", "tmpfs", wide)
	p.Expect("\x1b[1;7m  /mnt/日本語")
	p.Type("\x03")
	p.Expect(screenLeft)
	exits(t, cmd, 0)
}

// fits reports whether lines fill a screen and do not exceed it.
func fits(lines []string, rows, columns int) bool {
	for _, l := range lines {
		if runewidth.StringWidth(l) > columns {
			return false
		}
	}
	return len(lines) == rows || len(lines) > 60 && len(lines) < rows
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
