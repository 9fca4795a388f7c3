package images

import (
	"strings"
	"testing"

	"github.com/containerd/console"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestPsListsContainers: the table, filters, templates and IDs of real containers.
func TestPsListsContainers(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	running, ended := name("running"), name("ended")
	defer func() { s.Minirun("rm", "-f", running, ended) }()
	s.Do("run", "--name", ended, "--label", "tier=back", "busybox", "true")
	s.Do("run", "-d", "--name", running, "--label", "tier=front", "-v", "data:/data", "busybox")
	text := s.Do("ps")
	if !strings.HasPrefix(text, "CONTAINER ID   IMAGE ") || strings.Contains(text, ended) || !strings.Contains(text, "second") ||
		!strings.Contains(text, `"sleep 1000"`) {
		t.Errorf("ps:\n%s", text)
	}
	for args, want := range map[string]string{
		"-a":                              running + " " + ended,
		"-l":                              running,
		"-n 1 -f exited=0":                ended,
		"-f status=exited":                ended,
		"--filter label=tier=front":       running,
		"--filter=volume=data":            running,
		"-a -f label=tier -f name=ended$": ended,
		"-n 5":                            running + " " + ended,
	} {
		got := s.Do(append([]string{"ps", "--format", "{{.Names}}"}, strings.Fields(args)...)...)
		if got := strings.Join(strings.Fields(got), " "); got != want {
			t.Errorf("ps %s: %q, want %q", args, got, want)
		}
	}
	id := s.Do("ps", "-q", "--no-trunc")
	if short := s.Do("ps", "-q"); len(id) != 64 || len(short) != 12 || !strings.HasPrefix(id, short) {
		t.Errorf("IDs: %s and %s", id, short)
	}
	if got := s.Do("ps", "-s", "--format", "{{.Size}}", "-f", "name=running"); !strings.HasPrefix(got, "0B (virtual ") {
		t.Errorf("ps -s: %s", got)
	}
	for _, args := range [][]string{{"--format", "yaml"}, {"-f", "color=red"}, {"-n", "-2"}, {"--last", "x"}} {
		s.Minirun(append([]string{"ps"}, args...)...).Fails(t, "hint: ")
	}
	s.Minirun("ps", "-q", running).Fails(t, "--quiet", "cannot be used with an ID")
	if got := s.Do("ps", "-f", "json", running); !strings.HasPrefix(got, "[") {
		t.Errorf("runc's ps -f json ID: %s", got)
	}
	if got := s.Do("ps", running, "-o", "pid,args"); !strings.Contains(got, "sleep 1000") {
		t.Errorf("ps ID: %s", got)
	}
	for _, args := range [][]string{{"exec", id[:9], "true"}, {"pause", id[:5]}, {"resume", id[:5]}, {"state", id}, {"inspect", id[:12]},
		{"layers", id[:12]}, {"ps", id[:12]}, {"kill", id[:12], "0"}, {"logs", id[:12]}, {"top", id[:12]}} {
		if r := s.Minirun(args...); r.Status != 0 {
			t.Errorf("%v: %s", args, r.Stderr)
		}
	}
	if got := s.Do("stop", "-t", "0", id[:8]); got != running {
		t.Errorf("stop with an ID printed %q", got)
	}
	s.Do("rm", id[:10])
	if got := s.Do("ps", "-a", "--format", "{{.Names}}"); got != ended {
		t.Errorf("after rm with an ID: %s", got)
	}
}

// TestPsFitsTerminal: a narrow terminal gets a narrow table.
func TestPsFitsTerminal(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	defer func() { s.Minirun("rm", "-f", name("fits")) }()
	s.Do("run", "--name", name("fits"), "busybox", "sh", "-c", "exit 0 # a long command that has to be shortened to fit")
	pty := testbundle.NewPty(t)
	if err := pty.Master.Resize(console.WinSize{Height: 24, Width: 80}); err != nil {
		t.Fatal(err)
	}
	cmd := s.Command("ps", "-a")
	cmd.Stdout = pty.Slave
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(pty.Rest()) {
		if n := len([]rune(strings.TrimSpace(line))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
