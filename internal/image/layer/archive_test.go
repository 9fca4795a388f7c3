package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/tartest"
)

var when = time.Unix(1700000000, 123456789)

// archive writes a tar archive from headers. For a regular file, Linkname is the content.
func archive(t testing.TB, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	return bytes.NewBuffer(tartest.Archive(t, when, headers...))
}

// Short names for the headers of an archive.
var file, dir, link, hard = tartest.File, tartest.Dir, tartest.Symlink, tartest.Hardlink

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: layers have files of others")
	}
}

// layers unpacks archives, each as a layer on top of the previous ones.
func layers(t testing.TB, archives ...io.Reader) ([]string, error) {
	t.Helper()
	var dirs []string
	for n, a := range archives {
		d := filepath.Join(t.TempDir(), fmt.Sprint(n))
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Apply(context.Background(), d, a, Options{Parents: dirs}); err != nil {
			return nil, err
		}
		dirs = append(dirs, d)
	}
	return dirs, nil
}

// list describes the files below a directory, including overlay's marks.
func list(t testing.TB, dir string) []string {
	t.Helper()
	out := []string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		switch {
		case image.IsWhiteout(&st):
			name = "-" + name
		case d.IsDir() && image.IsOpaque(path):
			name += "/!"
		case d.IsDir():
			name += "/"
		case d.Type()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			name += "->" + to
		case d.Type().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name += "=" + string(text)
		}
		out = append(out, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
