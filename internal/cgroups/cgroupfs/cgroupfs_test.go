package cgroupfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadTextOfAnySize(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, size := range []int{0, 1, 2047, 2048, 4096, 4097, 100_000} {
		want := strings.Repeat("x", size)
		if err := os.WriteFile(file, []byte(want+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadText(file); err != nil || got != want {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
	}
}

func TestWriteTextOverwritesFromTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("0000"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteText(file, "12"); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadText(file); err != nil || got != "1200" {
		t.Errorf("%q, %v", got, err)
	}
	if err := WriteText(file+"x", "1"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), file+"x") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestIsGone(t *testing.T) {
	for err, want := range map[error]bool{unix.ENOENT: true, unix.ENODEV: true, unix.EACCES: false} {
		if got := IsGone(fmt.Errorf("read: %w", err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
