package layer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCompareAndMerged: both ways to compare a layer with the lower ones agree.
func TestCompareAndMerged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: whiteouts are devices")
	}
	for seed := range uint64(40) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			dirs := randomLayers(t, rand.New(rand.NewPCG(seed, 1)))
			var below Merged
			for i, dir := range dirs {
				incremental, err := below.Add(dir)
				if err != nil {
					t.Fatal(err)
				}
				single, err := Compare(dir, dirs[:i])
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(incremental, single) {
					t.Fatalf("layer %d: %+v, and compared alone %+v", i, incremental, single)
				}
			}
		})
	}
}

// TestReplacedDirectoryIsCountedOnce: the files that an opaque directory hides are counted as
// wasted once, even if the layer contains them again.
func TestReplacedDirectoryIsCountedOnce(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: trusted.overlay.opaque")
	}
	dirs := []string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		write(t, filepath.Join(dir, "d/f"), 100)
		write(t, filepath.Join(dir, "d/g"), 10)
	}
	makeOpaque(t, filepath.Join(dirs[1], "d"))
	d, err := Compare(dirs[1], dirs[:1])
	if err != nil {
		t.Fatal(err)
	}
	if d.Wasted != 110 || d.Changed != 3 {
		t.Errorf("%+v: want 110 bytes wasted, 3 files changed", d)
	}
}

// randomLayers creates six unpacked layers of files, directories, whiteouts and opaque directories,
// with few different names.
func randomLayers(t *testing.T, r *rand.Rand) (dirs []string) {
	for range 6 {
		dir := t.TempDir()
		for range 12 {
			name := dir
			for range 1 + r.IntN(3) {
				name = filepath.Join(name, string(rune('a'+r.IntN(3))))
			}
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				continue // a file is in the way
			}
			switch r.IntN(4) {
			case 0:
				_ = unix.Mknod(name, unix.S_IFCHR, 0)
			case 1:
				if os.Mkdir(name, 0o700+os.FileMode(r.IntN(8))) == nil && r.IntN(2) == 0 {
					makeOpaque(t, name)
				}
			default:
				if _, err := os.Lstat(name); err != nil {
					write(t, name, 1+r.IntN(100))
				}
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

func write(t *testing.T, name string, size int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(fmt.Sprintf("%*d", size, 0)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func makeOpaque(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Setxattr(dir, "trusted.overlay.opaque", []byte("y"), 0); err != nil {
		t.Fatal(err)
	}
}
