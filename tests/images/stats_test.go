package images

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestStatsShowsUsage: a container that uses a processor and memory, in all formats.
func TestStatsShowsUsage(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; echo ready; while :; do :; done"))
	busy, stopped := name("busy"), name("idle")
	s.Do("run", "-d", "--name", busy, "-m", "100m", "busybox")
	s.Do("run", "--name", stopped, "busybox", "true")
	defer s.Minirun("rm", "-f", busy, stopped)
	testbundle.Await(t, "the container", func() bool { return s.Do("logs", busy) == "ready" })
	text := s.Do("stats", "--no-stream")
	if !strings.HasPrefix(text, "CONTAINER ID   NAME ") || !strings.Contains(text, " / 100MiB") || strings.Contains(text, stopped) {
		t.Errorf("%s", text)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(s.Do("stats", "--no-stream", "--format", "json", s.Do("ps", "-q"))), &got); err != nil {
		t.Fatal(err)
	}
	if got["Name"] != busy || got["CPUPerc"] == "0.00%" || got["PIDs"] != "1" || got["MemPerc"] < "20" {
		t.Errorf("%v", got)
	}
	if got := s.Do("stats", "-a", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}}"); !strings.Contains(got, stopped+" --") {
		t.Errorf("--all: %s", got)
	}
	s.Minirun("stats", "none").Fails(t, "no such container")
	s.Minirun("stats", "--format", "{{.Nothing}}").Fails(t, "--format")
	s.Minirun("stats", "--format", "yaml").Fails(t, "--format", "hint: ")
	s.Minirun("stats", "-a", busy).Fails(t, "--all", "hint: ")

	cmd := s.Command("stats", "--format", "json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Start(cmd)
	lines := json.NewDecoder(out)
	for range 2 { // goes on
		if err := lines.Decode(&got); err != nil || got["Name"] != busy {
			t.Fatalf("%v, %v", got, err)
		}
	}
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(io.MultiReader(lines.Buffered(), out))
	if err := cmd.Wait(); err != nil || strings.Contains(string(rest), "\x1b") {
		t.Errorf("%v: %q", err, rest)
	}
}

// TestStatsOnTerminal: the live table fits the window, follows its size, and leaves the terminal as it
// was.
func TestStatsOnTerminal(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	for _, id := range []string{name("one"), name("two"), name("three"), name("four")} {
		s.Do("run", "-d", "--name", id, "busybox")
		defer s.Minirun("rm", "-f", id)
	}
	pty := testbundle.NewPty(t)
	if err := pty.Master.Resize(console.WinSize{Height: 24, Width: 80}); err != nil {
		t.Fatal(err)
	}
	before, err := unix.IoctlGetTermios(int(pty.Slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.Command("stats")
	pty.Attach(cmd)
	s.Start(cmd)
	pty.Expect("\x1b[?1049h\x1b[?25l")
	shown := pty.Expect("Ctrl-C ends stats")
	if strings.Count(shown, "\r\n") != 6 || !strings.Contains(shown, name("four")) {
		t.Errorf("%q", shown)
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(shown, "\x1b[K", ""), "\r\n") {
		if n := len([]rune(strings.TrimPrefix(line, "\x1b[H"))); n > 80 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if err := pty.Master.Resize(console.WinSize{Height: 5, Width: 40}); err != nil {
		t.Fatal(err)
	}
	pty.Expect("and 3 more: the window is too small")
	if err := cmd.Process.Signal(unix.SIGTSTP); err != nil { // Ctrl-Z
		t.Fatal(err)
	}
	pty.Expect("\x1b[?25h\x1b[?1049l")
	testbundle.Await(t, "stats to stop", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		return err == nil && strings.Contains(string(text), ") T ")
	})
	if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	pty.Expect("\x1b[?1049h\x1b[?25l")
	pty.Expect("and 3 more: the window is too small")
	if _, err := pty.Master.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	pty.Expect("\x1b[?25h\x1b[?1049l")
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	if rest := pty.Rest(); !strings.Contains(rest, name("one")) || strings.Contains(rest, "\x1b") {
		t.Errorf("the last table: %q", rest)
	}
	if after, err := unix.IoctlGetTermios(int(pty.Slave.Fd()), unix.TCGETS); err != nil || *after != *before {
		t.Errorf("the terminal's settings changed: %+v, %v", after, err)
	}
}
