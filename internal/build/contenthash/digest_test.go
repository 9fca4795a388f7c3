package contenthash

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/tartest"
)

func digestOf(t *testing.T, tree *Tree, sources ...string) digest.Digest {
	t.Helper()
	s, err := tree.Select(sources, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDigestCovers: what changes the digest of a directory, and what does not.
func TestDigestCovers(t *testing.T) {
	past := time.Unix(1000, 0)
	for _, c := range []struct {
		name    string
		change  func(dir string) error
		differs bool
	}{
		{"nothing", func(string) error { return nil }, false},
		{"the same content, written again", func(dir string) error { return os.WriteFile(dir+"/a", []byte("1"), 0o644) },
			false},
		{"the content of a file", func(dir string) error { return os.WriteFile(dir+"/a", []byte("2"), 0o644) }, true},
		{"the content of a file in a directory",
			func(dir string) error { return os.WriteFile(dir+"/d/b", []byte("3"), 0o644) }, true},
		{"a new file", func(dir string) error { return os.WriteFile(dir+"/new", nil, 0o644) }, true},
		{"a new directory", func(dir string) error { return os.Mkdir(dir+"/new", 0o755) }, true},
		{"a removed file", func(dir string) error { return os.Remove(dir + "/a") }, true},
		{"another name", func(dir string) error { return os.Rename(dir+"/a", dir+"/c") }, true},
		{"the mode of a file", func(dir string) error { return os.Chmod(dir+"/a", 0o600) }, true},
		{"the mode of a directory", func(dir string) error { return os.Chmod(dir+"/d", 0o700) }, true},
		{"a set-ID bit", func(dir string) error { return unix.Chmod(dir+"/a", 0o4644) }, true},
		{"the time of a file", func(dir string) error { return os.Chtimes(dir+"/a", past, past) }, false},
		{"the target of a link", func(dir string) error {
			return errors.Join(os.Remove(dir+"/l"), os.Symlink("d/b", dir+"/l"))
		}, true},
		{"a link instead of a file",
			func(dir string) error { return errors.Join(os.Remove(dir+"/a"), os.Symlink("d/b", dir+"/a")) }, true},
		{"a hard link instead of a copy", func(dir string) error {
			return errors.Join(os.Remove(dir+"/same"), os.Link(dir+"/a", dir+"/same"))
		}, true},
		{"a FIFO instead of a file",
			func(dir string) error { return errors.Join(os.Remove(dir+"/a"), unix.Mkfifo(dir+"/a", 0o644)) }, true},
	} {
		dir := t.TempDir()
		tartest.CreateFiles(t, dir, "a=1", "same=1", "d/b=2", "l->a")
		tree := treeOf(t, dir)
		before := digestOf(t, tree, ".")
		if err := c.change(dir); err != nil {
			t.Fatal(err)
		}
		if after := digestOf(t, tree, "."); (after != before) != c.differs {
			t.Errorf("%s: the digest differs: %t, want %t", c.name, after != before, c.differs)
		}
	}
}

// TestDigestOfEqualTrees: the digest does not depend on where the files are, and covers the names at
// the destination instead of those in the tree.
func TestDigestOfEqualTrees(t *testing.T) {
	one, two := newTree(t, "x/a=1", "x/b=2"), newTree(t, "y/a=1", "y/b=2", "other=3")
	if digestOf(t, one, "x") != digestOf(t, two, "y") {
		t.Error("the content of two equal directories has two digests")
	}
	if digestOf(t, one, "x/a", "x/b") == digestOf(t, one, "x/b", "x/a") {
		t.Error("the order of the sources is not covered")
	}
	if digestOf(t, one, "x/a") == digestOf(t, newTree(t, "a/a=1"), "a") {
		t.Error("a file and a directory with that file have the same digest")
	}
}

// TestDigestOfForeignFiles: the owner of a file is not covered in a context, whose files belong to
// root in the image.
func TestDigestOfForeignFiles(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("changing an owner needs root")
	}
	dir := t.TempDir()
	tartest.CreateFiles(t, dir, "a=1")
	for foreign, differs := range map[bool]bool{true: false, false: true} {
		tree := treeOf(t, dir)
		tree.Foreign = foreign
		if err := os.Chown(filepath.Join(dir, "a"), 0, 0); err != nil {
			t.Fatal(err)
		}
		before := digestOf(t, tree, ".")
		if err := os.Chown(filepath.Join(dir, "a"), 12, 34); err != nil {
			t.Fatal(err)
		}
		if after := digestOf(t, tree, "."); (after != before) != differs {
			t.Errorf("foreign %t: the digest differs: %t, want %t", foreign, after != before, differs)
		}
	}
}

// TestMemo: a memo has the digests of unchanged files, also after it was written and read; it has none
// for a file that changed, and a damaged memo is empty.
func TestMemo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "memo")
	dir := t.TempDir()
	tartest.CreateFiles(t, dir, "a=1", "b=2")
	settled := func() { time.Sleep(2 * granularity) } // files that changed more recently are not recorded
	settled()
	digestWith := func(known map[string]bool) digest.Digest {
		t.Helper()
		m, err := OpenMemo(path)
		if err != nil {
			t.Fatal(err)
		}
		tree := treeOf(t, dir)
		tree.Memo = m
		for name, want := range known {
			st, err := tree.lstat(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, got := m.find(memoKeyOf(&st, 0)); got != want {
				t.Errorf("the memo has %s: %t, want %t", name, got, want)
			}
		}
		d := digestOf(t, tree, ".")
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := digestWith(map[string]bool{"a": false, "b": false})
	if digestWith(map[string]bool{"a": true, "b": true}) != first {
		t.Error("the memo changes the digest")
	}
	tartest.CreateFiles(t, dir, "a=3")
	settled()
	if digestWith(map[string]bool{"a": false, "b": true}) == first {
		t.Error("a changed file has the digest of the old one")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	digestWith(map[string]bool{"a": false, "b": false})
}
