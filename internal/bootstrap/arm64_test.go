package bootstrap

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// imagesEnv is set for a test binary built for another architecture. It names the directory where
// TestWriteImages puts the images.
const imagesEnv = "MINIRUN_TEST_IMAGES"

// TestWriteImages writes the image of every scenario to a file; TestARM64 runs it.
func TestWriteImages(t *testing.T) {
	root := os.Getenv(imagesEnv)
	if root == "" {
		t.Skip("only for TestARM64, which sets " + imagesEnv)
	}
	for _, s := range scenarios() {
		image, _ := s.image(t, filepath.Join(root, s.name))
		_, err := image.Seek(0, io.SeekStart)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(image)
		if err != nil {
			t.Fatal(err)
		}
		image.Close()
		if err := os.WriteFile(filepath.Join(root, s.name, "image"), b, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if size := len(loopCode()); size >= maxLoop {
		t.Errorf("the loop has %d bytes, want less than %d", size, maxLoop)
	}
}

// TestARM64 runs the scenarios with the arm64 loop. A test binary built for arm64 writes the
// images, and qemu runs each of them as a program, with the same descriptors and the same
// expectations as on the kernel.
func TestARM64(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a test binary for arm64 and runs qemu")
	}
	if runtime.GOARCH == "arm64" {
		t.Skip("this is arm64: TestPlansRunAsWritten runs this loop")
	}
	const qemu = "/usr/bin/qemu-aarch64-static"
	if _, err := os.Stat(qemu); err != nil {
		t.Skipf("qemu's user-mode emulation is not installed: %v (Debian: qemu-user-static)", err)
	}
	root := t.TempDir()
	list := scenarios()
	for _, s := range list {
		dir := filepath.Join(root, s.name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s.prepare(t, dir)
	}
	binary := filepath.Join(root, "arm64.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build for arm64: %v\n%s", err, out)
	}
	write := exec.Command(qemu, binary, "-test.run=^TestWriteImages$")
	write.Env = append(os.Environ(), imagesEnv+"="+root)
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("write the images: %v\n%s", err, out)
	}
	for _, s := range list {
		t.Run(s.name, func(t *testing.T) { s.emulate(t, qemu, filepath.Join(root, s.name)) })
	}
}

// emulate runs the scenario's image under qemu.
func (s *scenario) emulate(t *testing.T, qemu, dir string) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "sync"), os.NewFile(uintptr(pair[1]), "sync")
	defer ours.Close()
	defer theirs.Close()
	pipes := newPipes(t, s.stdin)
	cmd := exec.Command(qemu, filepath.Join(dir, "image"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = pipes.stdin, pipes.stdout, os.Stderr, []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	defer time.AfterFunc(limit, func() { _ = cmd.Process.Kill() }).Stop()
	out := pipes.read(t)
	_, last := (&Process{sync: ours, steps: 1 << 20}).Receive()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	s.verify(t, dir, out, cmd.ProcessState.ExitCode(), last)
}
