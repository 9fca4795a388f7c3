package regularfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openers returns all ways to open the file name in the directory dir.
func openers(t *testing.T, dir, name string) map[string]func() (*os.File, error) {
	t.Helper()
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	fd := int(root.Fd())
	return map[string]func() (*os.File, error){
		"Open":   func() (*os.File, error) { return Open(filepath.Join(dir, name)) },
		"OpenAt": func() (*os.File, error) { return OpenAt(fd, name) },
		"OpenIn": func() (*os.File, error) { return OpenIn(fd, name, unix.RESOLVE_IN_ROOT) },
	}
}

func TestOpenReadsRegularFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, open := range openers(t, dir, "file") {
		f, err := open()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text, err := io.ReadAll(f); err != nil || string(text) != "text" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("%s: flags %#x, %v", name, flags, err)
		}
		_ = f.Close()
	}
}

// TestOpenRefusesOtherKinds: opening a FIFO without a writer would block forever.
func TestOpenRefusesOtherKinds(t *testing.T) {
	for name, c := range map[string]struct {
		create func(path string) error
		want   error
	}{
		"FIFO":      {func(p string) error { return unix.Mkfifo(p, 0o644) }, ErrNotRegular},
		"device":    {func(p string) error { return unix.Mknod(p, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))) }, ErrNotRegular},
		"directory": {func(p string) error { return os.Mkdir(p, 0o755) }, unix.EISDIR},
		"nothing":   {func(string) error { return nil }, unix.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.create(filepath.Join(dir, "file")); errors.Is(err, unix.EPERM) {
				t.Skip("needs root: a device is made")
			} else if err != nil {
				t.Fatal(err)
			}
			for name, open := range openers(t, dir, "file") {
				f, err := open()
				if !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", name, err, c.want)
				}
				if err == nil {
					_ = f.Close()
				}
			}
		})
	}
}

func TestOpenInFollowsLinksOpenAtDoesNot(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "file"), nil, 0o644), os.Symlink("/file", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	all := openers(t, dir, "link")
	if f, err := all["OpenIn"](); err != nil {
		t.Errorf("the link begins at the root: %v", err)
	} else {
		_ = f.Close()
	}
	if _, err := all["OpenAt"](); !errors.Is(err, ErrNotRegular) {
		t.Errorf("OpenAt: %v, want %v", err, ErrNotRegular)
	}
}

// TestReopenKeepsTheInode: the same inode is opened even after its name refers to another file.
func TestReopenKeepsTheInode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := errors.Join(os.Remove(path), unix.Mkfifo(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	f, err := Reopen(fd, path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if text, err := io.ReadAll(f); err != nil || string(text) != "first" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestOpenat2WhileRenaming: the kernel refuses a .. below a root while any file on the machine is
// renamed.
func TestOpenat2WhileRenaming(t *testing.T) {
	dir := t.TempDir()
	names := [2]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	if err := errors.Join(os.WriteFile(names[0], nil, 0o600), os.Mkdir(filepath.Join(dir, "d"), 0o700)); err != nil {
		t.Fatal(err)
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(root) }()
	stop, renamed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(renamed)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = os.Rename(names[i%2], names[(i+1)%2])
			}
		}
	}()
	defer func() {
		close(stop)
		<-renamed
	}()
	up := strings.Repeat("d/../", 200) + "d"
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	refused := 0
	for end := time.Now().Add(10 * time.Second); refused < 20 && time.Now().Before(end); {
		fd, err := unix.Openat2(root, up, &how)
		if errors.Is(err, unix.EAGAIN) {
			refused++
		} else if err == nil {
			_ = unix.Close(fd)
		}
		if fd, err = Openat2(root, up, &how); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fd)
	}
	if refused == 0 {
		t.Skip("no rename came in between: one processor?")
	}
}
