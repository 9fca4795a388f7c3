package newbundle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const busyboxHint = "hint: apt install busybox-static"

// FindBusybox returns the path of a busybox that needs no file but itself.
func FindBusybox() (string, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return "", fmt.Errorf("busybox is not in PATH\n%s", busyboxHint)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	static, err := isStatic(f)
	if err != nil {
		return "", fmt.Errorf("examine %s: %w", path, err)
	}
	if !static {
		return "", fmt.Errorf("%s needs shared libraries, which a new root file system does not have\n%s", path,
			busyboxHint)
	}
	return path, nil
}

// The parts of an ELF file that isStatic reads (elf(5)), for 64 bits.
const (
	elfHeaderSize   = 64
	elfClass64      = 2
	interpreterType = 3 // PT_INTERP
)

// isStatic reports whether an ELF file names no program interpreter, which would load
// shared libraries.
func isStatic(f io.ReaderAt) (bool, error) {
	var header [elfHeaderSize]byte
	if _, err := f.ReadAt(header[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if string(header[:4]) != "\x7fELF" || header[4] != elfClass64 {
		return false, errors.New("not a 64-bit ELF file")
	}
	table := int64(binary.LittleEndian.Uint64(header[32:]))
	size, count := int64(binary.LittleEndian.Uint16(header[54:])), int64(binary.LittleEndian.Uint16(header[56:]))
	for i := range count {
		var kind [4]byte
		if _, err := f.ReadAt(kind[:], table+i*size); err != nil {
			return false, fmt.Errorf("read its program headers: %w", err)
		}
		if binary.LittleEndian.Uint32(kind[:]) == interpreterType {
			return false, nil
		}
	}
	return true, nil
}

// makeRootfs creates a root file system with busybox, a link for each of its programs,
// and the users of a small system.
func makeRootfs(dir, busybox string) error {
	list, err := exec.Command(busybox, "--list-full").Output()
	if err != nil {
		return fmt.Errorf("%s --list-full: %w", busybox, err)
	}
	for _, d := range []struct {
		name string
		mode os.FileMode
	}{
		{".", 0o755}, {"bin", 0o755}, {"etc", 0o755}, {"proc", 0o755}, {"dev", 0o755}, {"sys", 0o755},
		{"root", 0o700}, {"tmp", 0o777 | os.ModeSticky},
	} {
		path := filepath.Join(dir, d.name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, d.mode); err != nil { // whatever the umask is
			return err
		}
	}
	if err := copyProgram(busybox, filepath.Join(dir, "bin/busybox")); err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(list)) {
		path := filepath.Join(dir, filepath.Join("/", name)) // stays in dir
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("/bin/busybox", path); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	for name, text := range map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"group":  "root:x:0:\nnobody:x:65534:\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(0o755), out.Close())
}
