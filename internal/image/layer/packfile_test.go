package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// packed packs a file and returns the archive.
func packed(t *testing.T, path string, o FileOptions) []byte {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if o.Owner == nil {
		o.Owner = func(*unix.Stat_t) Owner { return Owner{os.Geteuid(), os.Getegid()} }
	}
	var out bytes.Buffer
	if err := PackFile(&out, fd, o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// extractInUse unpacks an archive into a directory that is in use.
func extractInUse(t *testing.T, dir string, archive []byte) error {
	t.Helper()
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	return Extract(context.Background(), root, tar.NewReader(bytes.NewReader(archive)), ExtractOptions{InUse: true})
}

// TestPackFileRoundTrip: names that layers reserve, times, links, and a single file.
func TestPackFileRoundTrip(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	stamp := time.Unix(1700000000, 123456789)
	for _, err := range []error{
		os.MkdirAll(from+"/d/.wh.sub", 0o750), os.WriteFile(from+"/d/.wh.file", []byte("text"), 0o640),
		os.Link(from+"/d/.wh.file", from+"/d/hard"), os.Symlink("/nowhere", from+"/d/link"),
		os.Chtimes(from+"/d/.wh.file", stamp, stamp), os.Chmod(from+"/d/.wh.file", os.ModeSetuid|0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := extractInUse(t, to, packed(t, from+"/d", FileOptions{Name: "new"})); err != nil {
		t.Fatal(err)
	}
	var file, hard unix.Stat_t
	if err := errors.Join(unix.Lstat(to+"/new/.wh.file", &file), unix.Lstat(to+"/new/hard", &hard)); err != nil {
		t.Fatal(err)
	}
	if file.Ino != hard.Ino || file.Mode&0o7777 != 0o4755 || time.Unix(file.Mtim.Unix()) != stamp {
		t.Errorf("%+v, the hard link is inode %d", file, hard.Ino)
	}
	if target, err := os.Readlink(to + "/new/link"); err != nil || target != "/nowhere" {
		t.Errorf("%s, %v", target, err)
	}
	if info, err := os.Stat(to + "/new/.wh.sub"); err != nil || !info.IsDir() || info.Mode().Perm() != 0o750 {
		t.Errorf("%v, %v", info, err)
	}
	for name, o := range map[string]FileOptions{"link": {Name: "link"}, ".wh.file": {Name: "copy", Untrusted: true}} {
		if err := extractInUse(t, to, packed(t, from+"/d/"+name, o)); err != nil {
			t.Error(err)
		}
	}
	if err := unix.Lstat(to+"/copy", &file); err != nil || file.Mode&0o7777 != 0o755 {
		t.Errorf("set-ID bits of an untrusted file: %o, %v", file.Mode, err)
	}
	skipped := packed(t, from+"/d", FileOptions{Skip: func(dir *os.File) bool { return true }})
	if _, err := tar.NewReader(bytes.NewReader(skipped)).Next(); err == nil {
		t.Error("a directory is not skipped")
	}
}

// TestPackFileLeavesDevicesOut: a device of a container would give the user's host one.
func TestPackFileLeavesDevicesOut(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mknod(dir+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); errors.Is(err, unix.EPERM) {
		t.Skip("needs root: a device is made")
	} else if err != nil {
		t.Fatal(err)
	}
	leftOut := ""
	archive := packed(t, dir, FileOptions{Name: "d", Untrusted: true, LeftOut: func(name string) { leftOut += name }})
	if leftOut != "d/null" || bytes.Contains(archive, []byte("null")) {
		t.Errorf("left out: %q", leftOut)
	}
	if !bytes.Contains(packed(t, dir, FileOptions{Name: "d"}), []byte("null")) {
		t.Error("the device is missing with -a")
	}
}

// TestInUseKeepsKinds: a file does not replace a directory, nor the other way round, and a new file
// replaces an old one.
func TestInUseKeepsKinds(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, err := range []error{
		os.WriteFile(from+"/file", []byte("new"), 0o600), os.Mkdir(from+"/dir", 0o700),
		os.WriteFile(to+"/file", []byte("old"), 0o600), os.MkdirAll(to+"/dir/full", 0o700), os.Symlink("file", to+"/link"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ from, name, want string }{
		{"file", "dir", "there is a directory"}, {"dir", "file", "there is a file"}, {"dir", "link", "there is a file"},
		{"file", "file", ""}, {"dir", "dir", ""}, {"file", "link", ""},
	} {
		err := extractInUse(t, to, packed(t, filepath.Join(from, c.from), FileOptions{Name: c.name}))
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrRefused)) {
			t.Errorf("%s to %s: %v", c.from, c.name, err)
		}
	}
	if text, err := os.ReadFile(to + "/link"); err != nil || string(text) != "new" {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := os.Stat(to + "/dir/full"); err != nil {
		t.Error(err)
	}
}

// TestMetadataIsSetOnTheNewFile: if another process has replaced a new directory with a link, its
// owner and mode are not set on what the link leads to.
func TestMetadataIsSetOnTheNewFile(t *testing.T) {
	dir, victim := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Chmod(victim, 0o700), os.Symlink(victim, dir+"/new")); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	e := entry{kind: directory, path: "new", base: "new", mode: unix.S_IFDIR | 0o777, uid: os.Geteuid(), gid: os.Getegid()}
	if err := setMetadata(fd, e); !errors.Is(err, ErrRefused) {
		t.Errorf("%v", err)
	}
	a := newApplier(fd, Options{}, rules{inUse: true})
	if err := a.setDirTimes("new/below", madeDir{known: true}); err == nil {
		t.Error("the times are set through a link")
	}
	var st unix.Stat_t
	if err := unix.Stat(victim, &st); err != nil || st.Mode&0o777 != 0o700 {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
}
