package testrootfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestNewRunsItsShell(t *testing.T) {
	root := New(t)
	link, err := os.Readlink(filepath.Join(root, "bin/sh"))
	if err != nil || link != "/bin/busybox" {
		t.Fatalf("bin/sh leads to %q, %v", link, err)
	}
	out, err := exec.Command(filepath.Join(root, "bin/busybox"), "echo", "hello").CombinedOutput()
	if err != nil || string(out) != "hello\n" {
		t.Fatalf("busybox echo: %q, %v", out, err)
	}
	info, err := os.Stat(filepath.Join(root, "tmp"))
	if err != nil || info.Mode().Perm() != 0o777 || info.Mode()&os.ModeSticky == 0 {
		t.Fatalf("tmp: %v, %v", info, err)
	}
}

func TestTreesAreSeparate(t *testing.T) {
	a, b := New(t), New(t)
	if err := os.WriteFile(filepath.Join(a, "bin/busybox"), []byte("changed"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{filepath.Join(b, "bin/busybox"), Busybox} {
		if content, err := os.ReadFile(other); err != nil || len(content) < 1000 {
			t.Fatalf("%s changed with it: %d bytes, %v", other, len(content), err)
		}
	}
}

func BenchmarkMake(b *testing.B) {
	base := b.TempDir()
	for b.Loop() {
		dir, err := os.MkdirTemp(base, "r")
		if err != nil {
			b.Fatal(err)
		}
		if err := Make(dir); err != nil {
			b.Fatal(err)
		}
	}
}
