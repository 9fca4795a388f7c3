package predicate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOverlayDirs: an overlay's options as kernels before and after Linux 6.8 show them.
func TestOverlayDirs(t *testing.T) {
	for _, options := range []string{
		"rw,lowerdir+=/l/app,lowerdir+=/l/rootfs,upperdir=/l/upper,workdir=/l/.upper.work,uuid=on",
		"rw,lowerdir=/l/app:/l/rootfs,upperdir=/l/upper,workdir=/l/.upper.work",
	} {
		lower, upper := overlayDirs(strings.Split(options, ","))
		if !slices.Equal(lower, []string{"/l/app", "/l/rootfs"}) || upper != "/l/upper" {
			t.Errorf("%s: %q, %q", options, lower, upper)
		}
	}
}

// TestRelativeOverlayDirs: a relative name belongs to a directory above the layers, and a directory is
// recognized whatever its name.
func TestRelativeOverlayDirs(t *testing.T) {
	dir := t.TempDir()
	bundle, upper := filepath.Join(dir, "bundle"), filepath.Join(dir, "bundle", "upper")
	if err := os.MkdirAll(filepath.Join(upper, "srv"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("bundle", filepath.Join(dir, "alias")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"upper": true, "bundle/upper": true, strings.TrimPrefix(upper, "/"): true, upper: true, "alias/upper": true,
		"bundle": false, "/": false, "elsewhere": false, "": false,
	} {
		if got := containsDir([]string{name}, bundle, upper); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]bool{
		"upper": true, "upper/not/yet": true, "bundle": true, dir: false, "/run": false, "": false,
	} {
		if got := isWithin(resolveFrom(bundle, name), bundle); got != want {
			t.Errorf("%q is within the bundle: %v, want %v", name, got, want)
		}
	}
}

// TestLayersOfAnotherBundle: a bundle may use the layers of another one, which are named from there then.
func TestLayersOfAnotherBundle(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"one/rootfs", "one/app", "two/rootfs"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	wants := []string{"one/rootfs", "one/app"}
	for _, c := range []struct{ names, want string }{{"app rootfs", "one"}, {"one/app one/rootfs", "."}, {"rootfs", "two"}, {"none", "two"}} {
		if got := layersBase(filepath.Join(dir, "two"), dir, wants, strings.Fields(c.names)); got != filepath.Join(dir, c.want) {
			t.Errorf("%s: %s, want %s", c.names, got, c.want)
		}
	}
}

// TestOrigin: the attribute of a copy names the file in the layer by its handle.
func TestOrigin(t *testing.T) {
	handle := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	attribute := append(append([]byte{0, 0xfb, 29, 0, 1}, make([]byte, 16)...), handle...)
	if !isOrigin(attribute, handle) || !isOrigin(nil, handle) {
		t.Error("the copy of the file is not recognized")
	}
	if isOrigin(attribute, []byte{9, 2, 3, 4, 5, 6, 7, 8}) || isOrigin([]byte("spoof"), handle) ||
		isOrigin(make([]byte, 29), make([]byte, 8)) {
		t.Error("the copy of another file, or a made-up attribute, is accepted")
	}
}

// TestFirstDifference: a change of content, mode or type, a missing file and an added one are found.
func TestFirstDifference(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"":        func(string) error { return nil },
		"srv/old": func(dir string) error { return os.Remove(filepath.Join(dir, "srv/old")) },
		"srv/new": func(dir string) error { return os.WriteFile(filepath.Join(dir, "srv/new"), nil, 0o644) },
		"menu":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "menu"), []byte("pastel 8\n"), 0o644) },
		"srv":     func(dir string) error { return os.Chmod(filepath.Join(dir, "srv"), 0o700) },
	} {
		a, b := t.TempDir(), t.TempDir()
		for _, dir := range []string{a, b} {
			if err := os.Mkdir(filepath.Join(dir, "srv"), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{"srv/old", "menu"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte("pastel 7\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := change(b); err != nil {
			t.Fatal(err)
		}
		if got, err := firstDifference(a, b); err != nil || got != name {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}
