package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/tests/testbundle"
)

// fakeCRIU installs a criu that writes its arguments to a file, and whose restore is a script with
// the container's terminal in $tty, the pid file in $pidfile, and the cgroup v2 directory in $root.
func fakeCRIU(t *testing.T, b *testbundle.Bundle, restore string) (arguments string) {
	t.Helper()
	return fakeVerbs(t, b, "true", restore)
}

// fakeVerbs is like fakeCRIU with an additional script for dump, which gets the freezer cgroup in
// $freezer.
func fakeVerbs(t *testing.T, b *testbundle.Bundle, dump, restore string) (arguments string) {
	t.Helper()
	bin := filepath.Join(b.Host, "bin")
	arguments = filepath.Join(b.Host, "criu-arguments")
	script := `#!/bin/sh
echo "$*" > ` + arguments + `
verb=$1
while [ $# -gt 0 ]; do
	case "$1 $2" in
	"--pidfile "*) pidfile=$2;;
	"--freeze-cgroup "*) freezer=$2;;
	"--cgroup-root /"*) root=$2;;
	"--inherit-fd fd["*"]:tty["*) tty=${2#fd[}; tty=${tty%%]*};;
	esac
	shift
done
if [ $verb != restore ]; then
` + dump + `
exit
fi
` + restore + "\n"
	err := os.Mkdir(bin, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(bin, "criu"), []byte(script), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Env = append(b.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	return arguments
}

// TestRestoreTerminal: criu treats the container's terminal as an external one, and gets a new one at
// restore, whose master is sent to the console socket.
func TestRestoreTerminal(t *testing.T) {
	b := testbundle.New(t, terminal, testbundle.Args("sleep", "1000"), func(s *specs.Spec) {
		s.Process.ConsoleSize = &specs.Box{Height: 12, Width: 34}
		s.Annotations = map[string]string{spec.AnnotationCRIUConfig: "/etc/criu/own.conf"}
	})
	images := t.TempDir()
	arguments := fakeCRIU(t, b, `setsid sh -c "stty size <&$tty >&$tty; exec sleep 1000" <&$tty >/dev/null 2>&1 & echo $! > $pidfile`)
	path, l := listen(t, b, "console")
	master := func(args ...string) *os.File {
		t.Helper()
		got := make(chan *os.File, 1)
		go func() {
			_, f := receive(t, l)
			got <- f
		}()
		quiet(t, b.Command(args...))
		return <-got
	}
	b.Write()
	master("run", "--detach", "--console-socket", path, b.ID, b.Dir).Close()
	b.Minirun("checkpoint", "--tcp-skip-in-flight", "--image-path", images, b.ID).Exit(t, 0)
	testbundle.Reap()
	hasArguments(t, arguments, "dump ", " --skip-in-flight ", " --external tty[88", " --config /etc/criu/own.conf")

	f := master("restore", "--detach", "--console-socket", path, "--bundle", b.Dir, "--image-path", images, b.ID)
	defer f.Close()
	hasArguments(t, arguments, "restore ", "]:tty[88", " --config /etc/criu/own.conf")
	buf := make([]byte, 100)
	_ = f.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := f.Read(buf); string(buf[:n]) != "12 34\r\n" {
		t.Errorf("the restored terminal says %q, %v", buf[:n], err)
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()

	b.Minirun("restore", "--detach", "--bundle", b.Dir, "--image-path", images, b.ID).Fails(t, "process.terminal", "--console-socket")
	if err := os.Remove(filepath.Join(images, "terminal.json")); err != nil {
		t.Fatal(err)
	}
	b.Minirun("restore", "--detach", "--console-socket", path, "--bundle", b.Dir, "--image-path", images, b.ID).Fails(t, "process.terminal", "had no terminal")
	b.Minirun("state", b.ID).Fails(t, "does not exist")
}

func hasArguments(t *testing.T, file string, words ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		if !strings.Contains(" "+strings.TrimSpace(string(text))+" ", w) {
			t.Errorf("criu's arguments have no %q: %s", w, text)
		}
	}
}

// TestRestoreIsInterrupted: a signal ends criu and restore, and nothing is left.
func TestRestoreIsInterrupted(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	images := t.TempDir()
	fakeCRIU(t, b, `touch `+b.Host+`/begun; exec sleep 1000`)
	quiet(t, b.Command("run", "--detach", b.ID, writtenDir(b)))
	b.Minirun("checkpoint", "--image-path", images, b.ID).Exit(t, 0)
	testbundle.Reap()
	cmd := b.Command("restore", "--bundle", b.Dir, "--image-path", images, b.ID)
	b.Start(cmd)
	await(t, filepath.Join(b.Host, "begun"))
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exits(t, cmd, 128+int(unix.SIGTERM))
	b.Minirun("state", b.ID).Fails(t, "does not exist")
}

// writtenDir writes config.json and returns the bundle's directory.
func writtenDir(b *testbundle.Bundle) string {
	b.Write()
	return b.Dir
}
