package build

import (
	"os"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestRunOpensStdout: a step's user may open /dev/stdout, which is a pipe to the builder.
func TestRunOpensStdout(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nUSER 65534\nRUN echo out >/dev/stdout; echo err >/dev/stderr; test -t 0 -o -t 1 -o -t 2 && exit 1; true\n"}, "")
	s.Do("build", "-q", "--no-cache", "-t", "opened", dir)
}

// TestBuildWithoutReader: a build whose progress output is closed continues to its end; otherwise it
// would leave the container of a step running.
func TestBuildWithoutReader(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN seq 1 1000; sleep 0.2; seq 1 1000; echo text > /made\n"}, "")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	cmd := s.Command("build", "--no-cache", "-t", "made", dir)
	cmd.Stderr = write
	err = cmd.Run()
	write.Close()
	if err != nil {
		t.Errorf("the build ended with %v", err)
	}
	r := s.Minirun("run", "--rm", "--name", testbundle.Prefix+"made", "made", "cat", "/made")
	r.Prints(t, "text")
}
