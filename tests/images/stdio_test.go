package images

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// asUser returns an image whose program runs as an unprivileged user.
func asUser(argv ...string) docker.DockerOCIImageConfig {
	return docker.DockerOCIImageConfig{ImageConfig: oci.ImageConfig{Cmd: argv, User: "65534"}}
}

func owner(t *testing.T, f *os.File) uint32 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

// TestRunLeavesOwner: the terminal, and a file on standard input, still belong to the caller
// afterwards.
func TestRunLeavesOwner(t *testing.T) {
	s := loaded(t, asUser("cat"))
	p := testbundle.NewPty(t)
	cmd := s.Command("run", "--rm", "--name", name("owner"), "busybox", "sh", "-c", "test -t 0 -o -t 1 -o -t 2 || echo no terminal")
	p.Attach(cmd)
	s.Start(cmd)
	p.Expect("no terminal\r\n")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if uid := owner(t, p.Slave); uid != 0 {
		t.Errorf("the terminal belongs to uid %d", uid)
	}
	secret, err := os.OpenFile(filepath.Join(s.Host, "secret"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	if _, err := secret.WriteAt([]byte("text"), 0); err != nil {
		t.Fatal(err)
	}
	cmd = s.Command("run", "--rm", "-i", "--name", name("owner"), "busybox")
	cmd.Stdin = secret
	testbundle.Finish(t, cmd).Prints(t, "text")
	if uid := owner(t, secret); uid != 0 {
		t.Errorf("the file on standard input belongs to uid %d", uid)
	}
}

// TestDetachedUserOpensStdout: the user of a detached container can open the pipes of its log.
func TestDetachedUserOpensStdout(t *testing.T) {
	s := loaded(t, asUser("sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr"))
	s.Do("run", "-d", "--name", name("opens"), "busybox")
	defer s.Do("rm", "-f", name("opens"))
	r := s.Minirun("logs", "-f", name("opens"))
	if r.Stdout != "out\n" || r.Stderr != "err\n" {
		t.Errorf("the log has %q and %q", r.Stdout, r.Stderr)
	}
}

// TestSaveWithoutReader: a command whose output is not read ends quietly, by itself.
func TestSaveWithoutReader(t *testing.T) {
	s := loaded(t, runs("true"))
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	var stderr strings.Builder
	cmd := s.Command("save", "busybox")
	cmd.Stdout, cmd.Stderr = write, &stderr
	_ = cmd.Run()
	write.Close()
	if status := cmd.ProcessState.ExitCode(); status != 128+int(syscall.SIGPIPE) || stderr.Len() > 0 {
		t.Errorf("exit status %d, %q", status, stderr.String())
	}
	s.Check()
}
