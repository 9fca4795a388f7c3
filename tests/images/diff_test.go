package images

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestDiff: added, changed and deleted files, and a directory that was replaced, of running and stopped
// containers.
func TestDiff(t *testing.T) {
	s := loaded(t, runs("sh", "-c", `echo x >/etc/new; echo y >>/d/changed; rm /d/gone; rm -r /e; mkdir /e; echo z >/e/other
mkdir -p /n/sub; echo v >/vol/file; rm -r /f; chmod 700 /g; echo ready; exec sleep 1000`),
		layer{entries: []tar.Header{dir("etc"), dir("d"), file("d/changed", "a"), file("d/gone", "b"), file("d/same", "c"), dir("e"), dir("e/old"),
			file("e/old/file", "d"), file("e/other", "e"), dir("f"), file("f/x", "f"), dir("g"), dir("vol")}})
	id := name("diff")
	s.Do("run", "-d", "--name", id, "-v", "diffdata:/vol", "busybox")
	defer s.Minirun("rm", "-f", id)
	testbundle.Await(t, "the container", func() bool { return s.Do("logs", id) == "ready" })
	want := "C /d, C /d/changed, D /d/gone, C /e, D /e/old, C /e/other, C /etc, A /etc/new, D /f, C /g, A /n, A /n/sub"
	for _, state := range []string{"running", "stopped"} {
		var changes []string
		for line := range strings.Lines(s.Do("diff", s.Do("ps", "-a", "-q"))) {
			// minirun creates the targets of mounts.
			if line = strings.TrimSpace(line); !strings.Contains(line, "/dev") && !strings.Contains(line, "/proc") &&
				!strings.Contains(line, "/sys") && !strings.HasPrefix(line, "A /etc/host") && !strings.HasPrefix(line, "A /etc/resolv") {
				changes = append(changes, line)
			}
		}
		if got := strings.Join(changes, ", "); got != want {
			t.Errorf("%s: %s\nwant %s", state, got, want)
		}
		s.Do("stop", "-t", "0", id)
	}
	s.Minirun("diff", "none").Fails(t, "no such container")
}

// TestTop: the table of ps(1) with its options.
func TestTop(t *testing.T) {
	need(t, "ps", "procps")
	s := loaded(t, runs("sleep", "1234"))
	id := name("top")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Minirun("rm", "-f", id)
	if got := s.Do("top", id); !strings.HasPrefix(got, "UID") || !strings.HasSuffix(got, "sleep 1234") || strings.Count(got, "\n") != 1 {
		t.Errorf("%q", got)
	}
	if got := strings.Fields(s.Do("top", id, "-o", "pid,comm")); len(got) != 4 || got[3] != "sleep" {
		t.Errorf("%q", got)
	}
	s.Do("stop", "-t", "0", id)
	s.Minirun("top", id).Fails(t, "is not running", "hint: ")
}
