package overlay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
)

// store creates a directory with layers, each with a file named after it, and upper and work.
func store(t *testing.T, layers ...string) (dir string, paths []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: an overlay is mounted")
	}
	dir = t.TempDir()
	for _, l := range append([]string{"upper", "work"}, layers...) {
		if err := os.Mkdir(filepath.Join(dir, l), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range layers {
		paths = append(paths, filepath.Join(dir, l))
		if err := os.WriteFile(filepath.Join(dir, l, "of "+l), []byte(l), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, paths
}

// TestOpenWritable: changes go to the upper directory with both ways of mounting, and the host sees
// no mount.
func TestOpenWritable(t *testing.T) {
	for name, open := range map[string]func(layers []string, upper, work string) (*os.File, error){
		"layers one by one": func(l []string, u, w string) (*os.File, error) { return OpenWritable(l, u, w, false) },
		"in one string": func(l []string, u, w string) (*os.File, error) {
			return mountOnThread(Overlay{Layers: l, Upper: u, Work: w})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, layers := store(t, "a", "b,c:d", "e")
			upper := filepath.Join(dir, "upper")
			f, err := open(layers, upper, filepath.Join(dir, "work"))
			if err != nil {
				t.Fatal(err)
			}
			root := fmt.Sprintf("/proc/self/fd/%d/", f.Fd())
			for _, l := range []string{"a", "b,c:d", "e"} {
				if text, err := os.ReadFile(root + "of " + l); string(text) != l {
					t.Errorf("%q, %v", text, err)
				}
			}
			if err := errors.Join(os.WriteFile(root+"new", []byte("x"), 0o644), os.Remove(root+"of a")); err != nil {
				t.Fatal(err)
			}
			mounts, err := os.ReadFile("/proc/self/mountinfo")
			if err != nil || strings.Contains(string(mounts), dir) {
				t.Errorf("the host has a mount of %s, %v", dir, err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			var st unix.Stat_t
			if err := unix.Lstat(filepath.Join(upper, "of a"), &st); err != nil || !image.IsWhiteout(&st) {
				t.Errorf("no mark of what is removed: %v", err)
			}
			if text, err := os.ReadFile(filepath.Join(upper, "new")); string(text) != "x" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

// TestOpenWritableWithoutLayers mounts upper without layers.
func TestOpenWritableWithoutLayers(t *testing.T) {
	dir, _ := store(t)
	f, err := OpenWritable(nil, filepath.Join(dir, "upper"), filepath.Join(dir, "work"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Mkdir(fmt.Sprintf("/proc/self/fd/%d/d", f.Fd()), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "upper", "d")); err != nil {
		t.Error(err)
	}
}

// TestManyLayers mounts more layers than fit into a page of options.
func TestManyLayers(t *testing.T) {
	var names []string
	for n := range 200 {
		names = append(names, fmt.Sprintf("%032d", n))
	}
	dir, layers := store(t, names...)
	f, err := OpenWritable(layers, filepath.Join(dir, "upper"), filepath.Join(dir, "work"), false)
	if err != nil {
		t.Skipf("needs Linux 6.8: %v", err)
	}
	defer f.Close()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil || len(entries) != 200 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}
