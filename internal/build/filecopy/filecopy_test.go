package filecopy

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/tartest"
)

// create creates files in a new directory, see tartest.CreateFiles.
func create(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	tartest.CreateFiles(t, dir, files...)
	return dir
}

func open(t *testing.T, dir string) *os.File {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), dir)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// list describes the files of a directory in the format of create, and their modes unless these are
// 0644 and 0755.
func list(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")
		if err != nil || name == "" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := ""
		switch {
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			out = append(out, name+"->"+target)
			return err
		case d.IsDir():
			if info.Mode().Perm() != 0o755 {
				mode = fmt.Sprintf(" %04o", info.Mode().Perm())
			}
			out = append(out, name+"/"+mode)
			return nil
		}
		text, err := os.ReadFile(path)
		if info.Mode().Perm() != 0o644 {
			mode = fmt.Sprintf(" %04o", info.Mode().Perm())
		}
		out = append(out, name+"="+string(text)+mode)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestDestinations: where COPY puts the sources, with which modes, and when it fails.
func TestDestinations(t *testing.T) {
	for _, c := range []struct {
		name    string
		sources []string // files to create
		copies  []string // patterns
		image   []string // the files of the image
		o       Options
		want    string // the files of the image afterwards, or an error after !
	}{
		{"a file", []string{"a=1"}, []string{"a"}, nil, Options{Dest: "/b"}, "b=1"},
		{"a file into a directory", []string{"a=1"}, []string{"a"}, nil, Options{Dest: "/d", DestIsDir: true}, "d/ d/a=1"},
		{"a file into an existing directory", []string{"a=1"}, []string{"a"}, []string{"d/"}, Options{Dest: "/d"},
			"d/ d/a=1"},
		{"a file through a link to a directory", []string{"a=1"}, []string{"a"}, []string{"d/", "l->d"},
			Options{Dest: "/l", DestIsDir: true}, "d/ d/a=1 l->d"},
		{"a file through an absolute link, which stays in the image", []string{"a=1"}, []string{"a"}, []string{"l->/d"},
			Options{Dest: "/l/x"}, "d/ d/x=1 l->/d"},
		{"a file through a link that leads out", []string{"a=1"}, []string{"a"}, []string{"l->../../../d"},
			Options{Dest: "/l/x"}, "d/ d/x=1 l->../../../d"},
		{"a file to a link to a file", []string{"a=1"}, []string{"a"}, []string{"f=0", "l->f"}, Options{Dest: "/l"},
			"f=1 l->f"},
		{"a file of a directory over a link", []string{"s/l=1"}, []string{"s"}, []string{"f=0", "l->f"}, Options{Dest: "/"},
			"f=0 l=1"},
		{"a link loop", []string{"a=1"}, []string{"a"}, []string{"l->l"}, Options{Dest: "/l/x"}, "!too many levels"},
		{"below a file", []string{"a=1"}, []string{"a"}, []string{"f=0"}, Options{Dest: "/f/x"},
			"!/f is not a directory in the image"},
		{"a file over a directory", []string{"s/f=1"}, []string{"s"}, []string{"f/"}, Options{Dest: "/"},
			"!f is a directory in the image, but a file in the source"},
		{"a directory over a file", []string{"s/f/x=1"}, []string{"s"}, []string{"f=0"}, Options{Dest: "/"},
			"!/f is a file in the image, but a directory in the source"},
		{"the content of a directory", []string{"s/a=1", "s/d/b=2"}, []string{"s"}, []string{"d/c=3"}, Options{Dest: "/"},
			"a=1 d/ d/b=2 d/c=3"},
		{"a link in a directory", []string{"s/", "s/l->x"}, []string{"s"}, nil, Options{Dest: "/d"}, "d/ d/l->x"},
		{"--parents", []string{"s/d/a=1"}, []string{"s/d/a"}, nil, Options{Dest: "/t", Parents: true},
			"t/ t/s/ t/s/d/ t/s/d/a=1"},
		{"--chmod", []string{"s/a=1", "s/d/b=2"}, []string{"s"}, nil, Options{Dest: "/n/d", Chmod: "700"},
			"n/ 0700 n/d/ 0700 n/d/a=1 0700 n/d/d/ 0700 n/d/d/b=2 0700"},
		{"--chmod, symbolic", []string{"s/a=1", "s/d/b=2"}, []string{"s"}, nil, Options{Dest: "/n/d", Chmod: "go-r"},
			"n/ n/d/ n/d/a=1 0600 n/d/d/ 0711 n/d/d/b=2 0600"},
		{"an invalid --chmod", []string{"a=1"}, []string{"a"}, nil, Options{Dest: "/a", Chmod: "x"},
			"!invalid chmod parameter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := create(t, c.image...)
			tree := &contenthash.Tree{Root: open(t, create(t, c.sources...)), Label: "the context"}
			chosen, err := tree.Select(c.copies, contenthash.Options{Parents: c.o.Parents})
			if err == nil {
				err = Copy(t.Context(), open(t, image), chosen, c.o)
			}
			if wantError, ok := strings.CutPrefix(c.want, "!"); ok {
				if err == nil || !strings.Contains(err.Error(), wantError) {
					t.Errorf("the error is %v, want %q", err, wantError)
				}
				return
			}
			if got := list(t, image); err != nil || got != c.want {
				t.Errorf("%s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

// TestCopyKeepsHardLinks: two names of one source file are two names of one file in the image.
func TestCopyKeepsHardLinks(t *testing.T) {
	source, image := create(t, "s/a=1"), t.TempDir()
	if err := os.Link(filepath.Join(source, "s", "a"), filepath.Join(source, "s", "b")); err != nil {
		t.Fatal(err)
	}
	chosen, err := (&contenthash.Tree{Root: open(t, source)}).Select([]string{"s"}, contenthash.Options{})
	if err == nil {
		err = Copy(t.Context(), open(t, image), chosen, Options{Dest: "/"})
	}
	if err != nil {
		t.Fatal(err)
	}
	a, errA := os.Stat(filepath.Join(image, "a"))
	b, errB := os.Stat(filepath.Join(image, "b"))
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		t.Errorf("%v and %v are not the same file: %v, %v", a, b, errA, errB)
	}
}

// TestTimes: a copied file keeps its time; directories that are created get SOURCE_DATE_EPOCH.
func TestTimes(t *testing.T) {
	source, image := create(t, "a=1"), t.TempDir()
	old, epoch := time.Unix(1000, 0), time.Unix(2000, 0)
	uid, gid := os.Getuid(), os.Getgid()
	if err := os.Chtimes(filepath.Join(source, "a"), old, old); err != nil {
		t.Fatal(err)
	}
	chosen, err := (&contenthash.Tree{Root: open(t, source)}).Select([]string{"a"}, contenthash.Options{})
	if err == nil {
		err = Copy(t.Context(), open(t, image), chosen, Options{Dest: "/d/a", Time: &epoch})
	}
	if err == nil {
		o := Options{Dest: "/d/", DestIsDir: true, Time: &epoch, UID: &uid, GID: &gid}
		err = File(t.Context(), open(t, image), "h", strings.NewReader("x"), o)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Time{"d/a": old, "d/h": epoch} {
		if info, err := os.Stat(filepath.Join(image, name)); err != nil || !info.ModTime().Equal(want) {
			t.Errorf("%s: %v, %v, want %v", name, info, err, want)
		}
	}
}

// TestIsArchive: ADD unpacks a file by its content, not by its name.
func TestIsArchive(t *testing.T) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err := w.WriteHeader(&tar.Header{Name: "f", Mode: 0o600, Size: 1, Uid: os.Getuid(), Gid: os.Getgid()})
	if err == nil {
		_, err = w.Write([]byte("x"))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	dir, image := create(t, "a="+archive.String(), "b.tar=text", "c=\x1f\x8bnot gzip", "d="), t.TempDir()
	tree := &contenthash.Tree{Root: open(t, dir)}
	for name, want := range map[string]bool{"a": true, "b.tar": false, "c": false, "d": false} {
		chosen, err := tree.Select([]string{name}, contenthash.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := IsArchive(tree, &chosen.Files[0]); err != nil || got != want {
			t.Errorf("%s: %t, %v, want %t", name, got, err, want)
		}
		o := Options{Dest: "/" + name + "/", DestIsDir: true, Unpack: true}
		if err := Copy(t.Context(), open(t, image), chosen, o); err != nil {
			t.Error(err)
		}
	}
	if got, want := list(t, image), "a/ a/f=x 0600 b.tar/ b.tar/b.tar=text c/ c/c=\x1f\x8bnot gzip d/ d/d="; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
