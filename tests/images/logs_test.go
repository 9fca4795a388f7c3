package images

import (
	"fmt"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestLogsWhileRotating: a container writes several times as much as its log keeps. No call of logs
// fails meanwhile, each result is a part of the output without gaps, and that the beginning is gone
// is reported on standard error.
func TestLogsWhileRotating(t *testing.T) {
	const lines = 900000
	s := loaded(t, runs("sh", "-c", fmt.Sprintf("yes 'a line that makes the log grow until it is full, %s' | head -n %d; echo last",
		strings.Repeat("x", 50), lines)))
	id := name("rotating")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	calls, late := 0, 0
	for running := true; running; calls++ {
		running = s.Do("ps", "-q") != ""
		r := s.Minirun("logs", "--tail", "20", id)
		if r.Status != 0 || r.Stderr != "" {
			t.Fatalf("call %d: status %d: %s", calls, r.Status, r.Stderr)
		}
		if strings.Count(r.Stdout, "\n") >= 20 {
			late++
		}
	}
	if calls < 3 || late == 0 {
		t.Errorf("only %d calls, %d of them with all lines", calls, late)
	}
	testbundle.Await(t, "the last line", func() bool { return s.Do("logs", "-n", "1", id) == "last" })
	r := s.Minirun("logs", id)
	if !strings.Contains(r.Stderr, "were discarded: only the last 24 MiB") || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("standard error: %q", r.Stderr)
	}
	if len(r.Stdout) < 14<<20 || !strings.HasPrefix(r.Stdout, "a line") {
		t.Errorf("%d bytes: %.80q", len(r.Stdout), r.Stdout)
	}
}

// TestLogsFlags: the part of the log that the flags select, and values that are refused.
func TestLogsFlags(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "seq 5; printf 'no end'"))
	id := name("logflags")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	all := "1\n2\n3\n4\n5\nno end"
	testbundle.Await(t, "the log", func() bool { return s.Do("logs", id) == all })
	stamp, _, _ := strings.Cut(strings.Split(s.Do("logs", "-t", id), "\n")[2], " ")
	for args, want := range map[string]string{
		"--tail all": all, "-n 2": "5\nno end", "--tail=0": "", "-f -n 2": "5\nno end",
		"--since " + stamp: "3\n4\n5\nno end", "--until " + stamp: "1\n2\n3", "--since 1h": all,
		"--until 1136073600": "", "--since 2h --until 1h": "", "-n 1 --until " + stamp: "3",
	} {
		if got := s.Do(append(append([]string{"logs"}, strings.Fields(args)...), id)...); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
	for args, want := range map[string]string{
		"--tail x": "number of lines", "--tail -2": "number of lines", "--since yesterday": "not a time", "--details": "--details",
	} {
		s.Minirun(append(append([]string{"logs"}, strings.Fields(args)...), id)...).Fails(t, want, "hint: ")
	}
}

// TestLogsOfTerminal: the last line of a terminal is logged, also if it has no end.
func TestLogsOfTerminal(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "echo first; printf 'no end'"))
	id := name("logtty")
	s.Do("run", "-d", "-t", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	if got := s.Do("logs", "-f", id); got != "first\r\nno end" {
		t.Errorf("%q", got)
	}
}
