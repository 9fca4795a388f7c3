package images

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestCommit: an image of a stopped and of a running container has what the container wrote, changed
// and removed, and starts its command.
func TestCommit(t *testing.T) {
	s := loaded(t, runs("sh"), layer{entries: []tar.Header{dir("d"), file("d/old", "1"), file("gone", "2")}})
	id := name("commit")
	script := "rm /gone; rm -r /d; mkdir /d; echo new >/d/new; ln -s new /d/link; chown 5:6 /d/new; mkfifo /pipe; " +
		"echo $A >/a"
	s.Do("run", "--name", id, "-e", "A=b", "-w", "/d", "busybox", "sh", "-c", script)
	digest := s.Do("commit", "-a", "me", "-m", "why not", "-c", "LABEL x=y", "-c", `ENV C=d`, id, "made:1")
	if !strings.HasPrefix(digest, "sha256:") || s.images()["docker.io/library/made:1"].ID != digest {
		t.Errorf("%q %v", digest, s.images())
	}
	if out := s.Do("run", "--rm", "made:1", "sh", "-c", "ls -l /d/new; cat /d/link /a; ls -d /gone /d/old /pipe; "+
		"echo $A $C $PWD; true"); !strings.Contains(out, "5        6") || !strings.Contains(out, "new\nb\n/pipe\nb d /d") {
		t.Errorf("%s", out)
	}
	if out := s.Do("inspect", "-f", `{{.Author}} {{.Config.Labels.x}} {{index .Config.Cmd 0}} {{.Comment}}`,
		"made:1"); out != "me y sh why not" {
		t.Errorf("%q", out)
	}
	if out := s.Do("layers", "made:1"); len(strings.Split(out, "\n")) < 4 {
		t.Errorf("%s", out)
	}
	s.Do("rm", id)
	s.Do("save", "-q", "-o", filepath.Join(s.Host, "made.tar"), "made:1")
	s.Do("rmi", "made:1", "busybox")
	s.Do("load", "-q", filepath.Join(s.Host, "made.tar"))
	if out := s.Do("run", "--rm", "made:1", "cat", "/d/new"); out != "new" {
		t.Errorf("saved and loaded: %q", out)
	}
	s.Check()
}

// TestCommitOfRunningContainer: it runs again afterwards, also if the commit fails.
func TestCommitOfRunningContainer(t *testing.T) {
	s := loaded(t, runs("sh"))
	id := name("commits")
	s.Do("run", "-d", "--name", id, "busybox", "sh", "-c", "echo data >/file; sleep 1000")
	defer s.Do("rm", "-f", id)
	testbundle.Await(t, "the file", func() bool { return s.Minirun("exec", id, "test", "-s", "/file").Status == 0 })
	for _, args := range [][]string{{id, "app:1"}, {"--pause=false", id, "app:2"}, {id}} {
		s.Do(append([]string{"commit"}, args...)...)
	}
	s.Minirun("commit", "-c", "RUN x", id).Fails(t, `--change "RUN x"`, "needs a build")
	s.Minirun("commit", id, "UPPER").Fails(t, "lower case")
	s.Minirun("commit", "none").Fails(t, "none", "no such container")
	if out := s.Do("state", id); !strings.Contains(out, `"running"`) {
		t.Errorf("%s", out)
	}
	s.Do("pause", id)
	s.Do("commit", id, "app:3")
	if out := s.Do("state", id); !strings.Contains(out, `"paused"`) {
		t.Errorf("a paused container after commit: %s", out)
	}
	s.Do("resume", id)
	for _, image := range []string{"app:1", "app:2", "app:3"} {
		if out := s.Do("run", "--rm", image, "cat", "/file"); out != "data" {
			t.Errorf("%s: %q", image, out)
		}
	}
	if out := s.Do("images", "-f", "dangling=true", "-q"); len(strings.Fields(out)) != 1 {
		t.Errorf("images without a name: %q", out)
	}
}

// TestExport: the archive has the files of all layers and what the container wrote.
func TestExport(t *testing.T) {
	s := loaded(t, runs("sh"), layer{entries: []tar.Header{file("kept", "1"), file("gone", "2")}})
	id := name("export")
	s.Do("run", "--name", id, "busybox", "sh", "-c", "rm /gone; echo new >/new")
	defer s.Do("rm", id)
	archive := filepath.Join(s.Host, "files.tar")
	s.Do("export", "-o", archive, id)
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var names []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	for n, want := range map[string]bool{"kept": true, "new": true, "gone": false, "bin/busybox": true} {
		if got := slices.Contains(names, n); got != want {
			t.Errorf("%s: %v in %q", n, got, names)
		}
	}
	if out := s.Do("export", id); len(out) < 1<<16 {
		t.Errorf("standard output has %d bytes", len(out))
	}
	s.Do("import", archive, "flat")
	if out := s.Do("run", "--rm", "flat", "cat", "/new", "/kept"); out != "new\n1" {
		t.Errorf("%q", out)
	}
	s.Minirun("export", "none").Fails(t, "no such container", "none", "hint: minirun ps -a")
	s.Minirun("export", "../x").Fails(t, "no such container")
}
