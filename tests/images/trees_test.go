package images

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tree describes every file below a directory: type, mode, owner, size or device number, content,
// link target, time, attributes, and its other names.
func tree(t testing.TB, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	names := map[uint64][]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		text, ino, err := describe(path)
		if err != nil {
			return err
		}
		out[name] = text
		if ino != 0 {
			names[ino] = append(names[ino], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, same := range names {
		slices.Sort(same)
		for _, n := range same {
			out[n] += fmt.Sprintf(" names=%q", same)
		}
	}
	return out
}

func describe(path string) (text string, ino uint64, err error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", 0, err
	}
	text = fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		data, err := os.ReadFile(path)
		if err != nil {
			return "", 0, err
		}
		text += fmt.Sprintf(" %d %x", st.Size, sha256.Sum256(data))
		if st.Nlink > 1 {
			ino = st.Ino
		}
	case unix.S_IFLNK:
		to, err := os.Readlink(path)
		if err != nil {
			return "", 0, err
		}
		text += " -> " + to
	case unix.S_IFCHR, unix.S_IFBLK:
		text += fmt.Sprintf(" device %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	text += fmt.Sprintf(" @%d.%d", st.Mtim.Sec, st.Mtim.Nsec)
	list := make([]byte, 1<<16)
	n, err := unix.Llistxattr(path, list)
	if err != nil && err != unix.ENOTSUP {
		return "", 0, err
	}
	xattrs := strings.Split(strings.Trim(string(list[:max(n, 0)]), "\x00"), "\x00")
	sort.Strings(xattrs)
	for _, x := range xattrs {
		if x == "" {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(path, x, value)
		if err != nil {
			return "", 0, err
		}
		text += fmt.Sprintf(" %s=%x", x, value[:n])
	}
	return text, ino, nil
}

// same compares two trees except for what ignore specifies for a path.
func same(t testing.TB, what string, a, b map[string]string, ignore func(path string) bool) {
	t.Helper()
	paths := map[string]bool{}
	for p := range a {
		paths[p] = true
	}
	for p := range b {
		paths[p] = true
	}
	different := 0
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if a[p] == b[p] || ignore(p) {
			continue
		}
		if different++; different <= 10 {
			t.Errorf("%s: %s\n  %s\n  %s", what, p, a[p], b[p])
		}
	}
	if different > 10 {
		t.Errorf("%s: and %d more", what, different-10)
	}
}
