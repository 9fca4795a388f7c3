package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// create writes text to a file through an output.
func create(path, text string) error {
	f, err := Create(path, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return f.Done(err)
}

func appendTo(path, text string) error {
	f, err := Append(path, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// only fails the test unless the directory contains exactly these names, that is, no temporary
// files are left.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s has %q, want %q", dir, got, names)
	}
}

func TestWriteReplacesFilesAndLinksOnly(t *testing.T) {
	dir := t.TempDir()
	file, link, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	for _, text := range []string{"new", "other"} {
		if err := Write(file, []byte(text), 0o600); err != nil || content(t, file) != text {
			t.Errorf("%v: %q", err, content(t, file))
		}
	}
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, []byte("instead"), 0o600); err != nil || content(t, link) != "instead" || content(t, file) != "other" {
		t.Errorf("a link: %v: %q and %q", err, content(t, link), content(t, file))
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"toPipe", "toNull"} {
		if err := os.Symlink(map[string]string{"toPipe": "fifo", "toNull": "/dev/null"}[name], filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{fifo, dir, dir + "/", filepath.Join(dir, "none/file"), "/dev/null", filepath.Join(dir, "toPipe"), filepath.Join(dir, "toNull")} {
		if err := Write(path, nil, 0o600); err == nil {
			t.Errorf("%s: written", path)
		}
	}
	only(t, dir, "fifo", "file", "link", "toNull", "toPipe")
}

func TestCreateReplacesAtCommit(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	f, err := Create(link, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	if err := f.Done(unix.EIO); err == nil || content(t, file) != "before" {
		t.Errorf("after an error: %v, %q", err, content(t, file))
	}
	if err := create(link, "after"); err != nil || content(t, file) != "after" {
		t.Errorf("through the user's link: %v, %q", err, content(t, file))
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode is not kept: %v", info.Mode())
	}
	if err := create("/dev/null", "x"); err != nil {
		t.Error(err)
	}
	only(t, dir, "file", "link")
}

func TestCreateWritesToPipesThroughLinks(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	link := filepath.Join(t.TempDir(), "stdout")
	if err := os.Symlink("/proc/self/fd/"+strconv.Itoa(int(w.Fd())), link); err != nil {
		t.Fatal(err)
	}
	if err := create(link, "hello"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var b [8]byte
	if n, _ := r.Read(b[:]); string(b[:n]) != "hello" {
		t.Errorf("the pipe has %q", b[:n])
	}
}

func TestAppendKeepsContent(t *testing.T) {
	dir := t.TempDir()
	log, link := filepath.Join(dir, "log"), filepath.Join(dir, "link")
	if err := os.Symlink("log", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, log, link} {
		if err := appendTo(path, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if content(t, log) != "xxx" {
		t.Errorf("%q", content(t, log))
	}
	if err := appendTo(filepath.Join(dir, "none", "log"), "x"); err == nil {
		t.Error("a log in no directory")
	}
}

// In a directory like /tmp, files planted by another user are not followed, opened or written to.
func TestPlantedNamesAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: files of other users are made")
	}
	const other = 1000
	for _, mode := range []os.FileMode{0o777, 0o777 | os.ModeSticky, 0o770 | os.ModeSticky} {
		dir := t.TempDir()
		victim := filepath.Join(t.TempDir(), "victim")
		if err := os.WriteFile(victim, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		planted := map[string]func(string) error{
			"link": func(path string) error { return os.Symlink(victim, path) },
			"fifo": func(path string) error { return unix.Mkfifo(path, 0o666) },
			"file": func(path string) error { return os.WriteFile(path, nil, 0o666) },
			"dir":  func(path string) error { return os.Mkdir(path, 0o777) },
		}
		for kind, plant := range planted {
			path := filepath.Join(dir, kind)
			if err := plant(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Lchown(path, other, other); err != nil {
				t.Fatal(err)
			}
			if kind == "link" || kind == "file" {
				if err := appendTo(path, ""); err != nil {
					t.Errorf("a %s in a directory of root's alone: %v", kind, err)
				}
			}
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		for kind := range planted {
			path := filepath.Join(dir, kind)
			if err := appendTo(path, "x"); err == nil {
				t.Errorf("%v: a log is written to a planted %s", mode, kind)
			}
			if err := create(path, "x"); err == nil && kind != "file" { // a regular file is replaced
				t.Errorf("%v: an output is written to a planted %s", mode, kind)
			}
		}
		if err := CheckDirectory(filepath.Join(dir, "dir")); err == nil {
			t.Errorf("%v: a planted directory is taken", mode)
		}
		if got := content(t, victim); got != "secret" {
			t.Errorf("%v: the file that the link leads to has %q", mode, got)
		}
	}
}
