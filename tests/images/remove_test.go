package images

import (
	"archive/tar"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// onTerminal starts minirun with this store on a terminal.
func (s *store) onTerminal(t *testing.T, args ...string) (*testbundle.Pty, *exec.Cmd) {
	t.Helper()
	pty := testbundle.NewPty(t)
	cmd := s.Command(args...)
	pty.Attach(cmd)
	s.Start(cmd)
	return pty, cmd
}

// TestPruneAsks: prune --all asks on a terminal, and refuses without one unless --force is given.
func TestPruneAsks(t *testing.T) {
	s, l := newStore(t), newLayout(t)
	l.add("one", runs("sh"), layer{entries: []tar.Header{file("one", "1")}})
	s.Do("load", "-q", l.dir)
	for _, args := range [][]string{{"prune", "--all"}, {"build", "prune", "--all"}} {
		command := strings.Join(args, " ")
		s.Minirun(args...).Fails(t, "asks for confirmation", "hint: ", "run "+command+" --force")
		pty, cmd := s.onTerminal(t, args...)
		pty.Expect("This removes ")
		pty.Expect("Continue? [y/N] ")
		pty.Type("n\n")
		pty.Expect("nothing was removed")
		if err := cmd.Wait(); err != nil || len(s.images()) != 1 {
			t.Errorf("%s, answered no: %v, %d images", command, err, len(s.images()))
		}
	}
	s.Do("prune", "-a", "-f", "--filter", "until=2000-01-01", "--filter", "label!=x")
	s.Do("prune", "-a", "-f", "--filter", "label=x")
	if len(s.images()) != 1 {
		t.Errorf("an image that does not match was removed: %v", s.images())
	}
	s.Minirun("prune", "--filter", "dangling=true").Fails(t, `unknown key "dangling"`, "hint: ")
	pty, cmd := s.onTerminal(t, "prune", "--all")
	if text := pty.Expect("Continue? [y/N] "); !strings.Contains(text, "one:latest") {
		t.Errorf("the question does not list the image: %q", text)
	}
	pty.Type("y\n")
	pty.Expect("removed docker.io/library/one:latest")
	if err := cmd.Wait(); err != nil || len(s.images()) != 0 {
		t.Errorf("answered yes: %v, %d images", err, len(s.images()))
	}
	s.Do("prune", "--all", "--force")
	s.Do("build", "prune", "-a", "-f")
	s.Minirun("prune", "--unused", "1h").Fails(t, "--unused has no effect without --build", "hint: ")
}

// TestRemoveImagesLikeDocker: rmi continues after an image that does not exist; -f and --no-prune.
func TestRemoveImagesLikeDocker(t *testing.T) {
	s, l := newStore(t), newLayout(t)
	for _, name := range []string{"one", "two", "three"} {
		l.add(name, runs("sh"), layer{entries: []tar.Header{file(name, "1")}})
	}
	s.Do("load", "-q", l.dir)
	r := s.Minirun("rmi", "one", "none", "two")
	if r.Fails(t, "no such image", "none"); !strings.Contains(r.Stdout, "removed docker.io/library/two:latest") {
		t.Errorf("after an error: %q", r.Stdout)
	}
	s.Do("rmi", "-f", "none")
	for _, args := range [][]string{{"rmi", "thre"}, {"history", "thre"}, {"tag", "thre", "x"}, {"inspect", "--type", "image", "thre"}} {
		s.Minirun(args...).Fails(t, "no such image: thre", "hint: did you mean three?")
	}
	s.Do("tag", "three", "more:1")
	id := s.images()["docker.io/library/three:latest"].ID
	s.Minirun("rmi", id).Fails(t, "several names", "minirun rmi -f")
	if out := s.Do("rmi", "--no-prune", "--force", id); strings.Contains(out, "blobs") || len(s.images()) != 0 {
		t.Errorf("%s, left: %v", out, s.images())
	}
	if kept := s.Check(); !slices.ContainsFunc(kept, func(k string) bool { return strings.Contains(k, "blob") }) {
		t.Errorf("--no-prune kept no blobs: %v", kept)
	}
}
