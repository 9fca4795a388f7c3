package newbundle

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/spec"
)

// elf returns the header of an ELF file with program headers of these types.
func elf(types ...uint32) *bytes.Reader {
	data := make([]byte, elfHeaderSize+56*len(types))
	copy(data, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint64(data[32:], elfHeaderSize)
	binary.LittleEndian.PutUint16(data[54:], 56)
	binary.LittleEndian.PutUint16(data[56:], uint16(len(types)))
	for i, kind := range types {
		binary.LittleEndian.PutUint32(data[elfHeaderSize+56*i:], kind)
	}
	return bytes.NewReader(data)
}

func TestIsStatic(t *testing.T) {
	for _, c := range []struct {
		file *bytes.Reader
		want bool
	}{{elf(), true}, {elf(1, 2, 4), true}, {elf(6, 3, 1), false}, {elf(1, 3), false}} {
		if got, err := isStatic(c.file); err != nil || got != c.want {
			t.Errorf("static: %t, %v, want %t", got, err, c.want)
		}
	}
	for _, text := range []string{"", "#!/bin/sh\n", "\x7fELF\x01 for 32 bits"} {
		if _, err := isStatic(strings.NewReader(text)); err == nil {
			t.Errorf("%q is an ELF file", text)
		}
	}
	whole := elf(1, 3)
	broken := make([]byte, whole.Len()-80)
	if _, err := whole.ReadAt(broken, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := isStatic(bytes.NewReader(broken)); err == nil {
		t.Error("a file without its program headers is accepted")
	}
}

// inPath makes a program the only busybox in PATH.
func inPath(t *testing.T, content []byte) {
	t.Helper()
	dir := t.TempDir()
	if content != nil {
		if err := os.WriteFile(filepath.Join(dir, "busybox"), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// TestWriteBusyboxNeedsStaticProgram: without one, the hint names the package, and nothing is created.
func TestWriteBusyboxNeedsStaticProgram(t *testing.T) {
	dynamic := make([]byte, elf(3).Len())
	if _, err := elf(3).Read(dynamic); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"none": nil, "dynamic": dynamic, "script": []byte("#!/bin/sh\n")} {
		inPath(t, content)
		dir := filepath.Join(t.TempDir(), "bundle")
		err := Settings{}.WriteBusybox(dir)
		if err == nil || name != "script" && !strings.Contains(err.Error(), "hint: apt install busybox-static") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("%s: the bundle was created", name)
		}
	}
}

// TestFailedWriteLeavesNothing: the list of programs cannot be read.
func TestFailedWriteLeavesNothing(t *testing.T) {
	program := make([]byte, elf(1).Len())
	if _, err := elf(1).Read(program); err != nil {
		t.Fatal(err)
	}
	inPath(t, program) // cannot be executed
	parent := t.TempDir()
	for _, dir := range []string{"new", "."} {
		if err := (Settings{}).WriteBusybox(filepath.Join(parent, dir)); err == nil {
			t.Fatal("no error")
		}
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestWriteReplacesNothing: an existing config.json or rootfs stays as it is.
func TestWriteReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := (Settings{Args: []string{"ls", "-l"}}).Write(dir); err != nil {
		t.Fatal(err)
	}
	s, _, err := spec.Load(dir)
	if err != nil || !slices.Equal(s.Process.Args, []string{"ls", "-l"}) || s.Process.Terminal {
		t.Errorf("%v, %+v", err, s)
	}
	if err := (Settings{}).Write(dir); err == nil || !strings.Contains(err.Error(), "hint: remove it first with: rm ") {
		t.Errorf("the second: %v", err)
	}
	if err := (Settings{}).Write(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "hint: mkdir") {
		t.Errorf("a missing directory: %v", err)
	}
	inPath(t, nil)
	if again, _, err := spec.Load(dir); err != nil || !slices.Equal(again.Process.Args, s.Process.Args) {
		t.Errorf("config.json was changed: %v", err)
	}
}
