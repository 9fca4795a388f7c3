package build

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// newBakeStore is newStore with minirun-bake.
func newBakeStore(t testing.TB) *store {
	t.Helper()
	testbundle.NeedBake(t)
	return newStore(t)
}

// bakeCommand runs minirun build bake in a directory.
func (s *store) bakeCommand(dir string, args ...string) *exec.Cmd {
	cmd := s.Command(append([]string{"build", "bake"}, args...)...)
	cmd.Dir = dir
	return cmd
}

// bake runs minirun build bake, which must succeed, and returns its standard output and standard
// error.
func (s *store) bake(dir string, args ...string) (stdout, stderr string) {
	s.T.Helper()
	stdout, stderr, err := s.tryBake(dir, args...)
	if err != nil {
		s.T.Fatalf("minirun build bake %s: %v: %s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout, stderr
}

func (s *store) tryBake(dir string, args ...string) (stdout, stderr string, err error) {
	cmd := s.bakeCommand(dir, args...)
	var out, messages strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &messages
	err = cmd.Run()
	return out.String(), messages.String(), err
}

// rejected runs minirun build bake and expects it to fail with these messages.
func (s *store) rejected(dir string, messages []string, args ...string) {
	s.T.Helper()
	stdout, stderr, err := s.tryBake(dir, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		s.T.Errorf("minirun build bake %s: %v, want status 1: %s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	for _, m := range messages {
		if !strings.Contains(stderr, m) {
			s.T.Errorf("minirun build bake %s: does not say %q: %s", strings.Join(args, " "), m, stderr)
		}
	}
}

// content returns the contents of files in an image.
func (s *store) content(image string, files ...string) string {
	s.T.Helper()
	return s.Do(append([]string{"run", "--rm", image, "cat"}, files...)...)
}
