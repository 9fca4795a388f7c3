package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// `layers ID` while the container replaces directories with symbolic links to the host's: no file name
// of the host is listed, and no file of the host is counted.
func TestLayersDoNotFollowExchangedDirectories(t *testing.T) {
	const runs, marker = 150, "name-of-the-host"
	b := testbundle.New(t, testbundle.Args("sleep", "1000"), testbundle.Writable)
	base, upper := filepath.Join(b.Dir, "base"), filepath.Join(b.Dir, "upper")
	testbundle.MakeRootfs(t, base)
	b.Spec.Annotations = map[string]string{"dev.minirun.layers": `["base"]`, "dev.minirun.upper": "upper"}
	b.Spec.Root.Path = "rootfs"
	for _, dir := range []string{upper, filepath.Join(upper, "dir"), filepath.Join(b.Host, "sub")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 { // time between finding a directory and opening it
		name := filepath.Join(upper, "dir", strings.Repeat("a", i+1)[:min(i+1, 200)]+string(rune('a'+i%26)))
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(b.Host, "sub", marker), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b.Detach().Exit(t, 0)
	defer b.Minirun("delete", "--force", b.ID)
	dir, link := filepath.Join(upper, "dir"), filepath.Join(upper, "link")
	if err := os.Symlink(b.Host, link); err != nil {
		t.Fatal(err)
	}
	stop := swap(t, dir, link)
	defer stop()
	lists, naive := 0, false
	for range runs {
		r := b.Minirun("layers", "--format", "json", b.ID)
		if r.Status != 0 {
			t.Fatalf("status %d: %s", r.Status, r.Stderr)
		}
		if strings.Contains(r.Stdout, marker) {
			t.Fatal("a name of the host is listed")
		}
		if strings.Contains(r.Stdout, "/dir/a") || strings.Contains(r.Stdout, "/link/a") {
			lists++
		}
		r = b.Minirun("layers", b.ID, "/dir/sub/"+marker)
		if strings.Contains(r.Stdout, "file") {
			t.Fatal("a file of the host is found")
		}
	}
	for range 100_000 { // the implementation without the guard
		if info, err := os.Lstat(dir); err == nil && info.IsDir() {
			entries, _ := os.ReadDir(dir)
			if naive = len(entries) == 1; naive {
				break
			}
		}
	}
	if !naive {
		t.Error("the check does not see that the naive way is led out")
	}
	if lists == 0 {
		t.Error("the directory was never listed")
	}
	t.Logf("listed in %d of %d runs", lists, runs)
}
