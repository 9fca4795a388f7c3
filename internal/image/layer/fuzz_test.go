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
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/tartest"
)

// FuzzApply: whatever an archive contains, nothing outside its layer changes, and the layer has no
// overlay marks other than those that the archive may create.
func FuzzApply(f *testing.F) {
	for _, headers := range hostile() {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for _, h := range headers {
			h.Format = tar.FormatPAX
			content := ""
			if h.Typeflag == 0 {
				content, h.Linkname = h.Linkname, ""
				h.Size = int64(len(content))
			}
			if w.WriteHeader(&h) != nil {
				break
			}
			_, _ = io.WriteString(w, content)
		}
		_ = w.Close()
		f.Add(out.Bytes())
	}
	for _, entries := range fuzzSeeds() {
		f.Add(tartest.Encode(entries))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		needRoot(t)
		outside := canaryDir(t)
		before := state(t, outside)
		root := makeDir(t, outside, "layer")
		_, err := Apply(context.Background(), root, bytes.NewReader(data), Options{MaxBytes: 1 << 24, MaxEntries: 1000})
		if after := state(t, outside); !slices.Equal(before, after) {
			t.Errorf("outside changed:\n%q\n%q", before, after)
		}
		if err == nil {
			checkLowest(t, root)
		}
	})
}

// FuzzApplyEntries unpacks two layers whose entries the fuzzer chooses. Nothing outside changes,
// and nothing in the lower layer changes when the upper one is unpacked, although its hard links,
// owners and parents come from there.
func FuzzApplyEntries(f *testing.F) {
	for _, lower := range fuzzSeeds() {
		for _, upper := range fuzzSeeds()[:2] {
			f.Add(tartest.Data(lower...), tartest.Data(upper...), false)
		}
		f.Add(tartest.Data(fuzzSeeds()[0]...), tartest.Data(lower...), true)
	}
	f.Fuzz(func(t *testing.T, lower, upper []byte, user bool) {
		needRoot(t)
		outside := canaryDir(t)
		before := state(t, outside)
		layers := makeDir(t, outside, "layer")
		below, above := makeDir(t, layers, "below"), makeDir(t, layers, "above")
		o := Options{MaxBytes: 1 << 24, MaxEntries: 1000, UserXattrs: user}
		_, err := Apply(context.Background(), below, bytes.NewReader(tartest.Encode(tartest.Entries(lower))), o)
		if err == nil {
			checkLowest(t, below)
			o.Parents = []string{below}
			unpacked := treeState(t, below)
			_, _ = Apply(context.Background(), above, bytes.NewReader(tartest.Encode(tartest.Entries(upper))), o)
			if again := treeState(t, below); !slices.Equal(unpacked, again) {
				t.Errorf("the lower layer changed:\n%q\n%q", unpacked, again)
			}
		}
		if after := state(t, outside); !slices.Equal(before, after) {
			t.Errorf("outside changed:\n%q\n%q", before, after)
		}
	})
}

// FuzzExtractEntries unpacks an archive whose entries the fuzzer chooses into a directory that has
// links to the outside: nothing outside changes.
func FuzzExtractEntries(f *testing.F) {
	for _, entries := range fuzzSeeds() {
		f.Add(tartest.Data(entries...), false)
		f.Add(tartest.Data(entries...), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, plain bool) {
		needRoot(t)
		outside := canaryDir(t)
		before := state(t, outside)
		dir := makeDir(t, outside, "layer")
		for name, to := range map[string]string{"l": "..", "a": outside, "b": "/proc/self/cwd"} {
			if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		root, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		o := ExtractOptions{Plain: plain, MaxBytes: 1 << 24, MaxEntries: 1000,
			KeepXattr: func(string) bool { return true }}
		_ = Extract(context.Background(), root, tar.NewReader(bytes.NewReader(tartest.Encode(tartest.Entries(data)))),
			o)
		if after := state(t, outside); !slices.Equal(before, after) {
			t.Errorf("outside changed:\n%q\n%q", before, after)
		}
	})
}

// fuzzSeeds are archives from which the fuzzer reaches most of the unpacking code.
func fuzzSeeds() [][]tartest.Entry {
	dir := func(name string) tartest.Entry { return tartest.Entry{Type: tar.TypeDir, Name: name, Mode: 0o755} }
	file := func(name string) tartest.Entry {
		return tartest.Entry{Type: tar.TypeReg, Name: name, Mode: 0o644, Content: "x"}
	}
	link := func(kind byte, name, to string) tartest.Entry {
		return tartest.Entry{Type: kind, Name: name, Link: to, Mode: 0o755}
	}
	owned := tartest.Entry{Type: tar.TypeReg, Name: "a/c", Mode: 0o4755, UID: 1000, GID: 65534,
		Xattr: "security.capability", Content: "y"}
	return [][]tartest.Entry{
		{dir("./"), dir("a/"), file("a/b"), dir("a/c/"), file("a/c/l"), link(tar.TypeSymlink, "l", "a"),
			link(tar.TypeLink, "b", "a/b")},
		{file("a/.wh.b"), file(".wh.l"), file("a/c/.wh..wh..opq"), file("l/b"), link(tar.TypeLink, "c", "a/b")},
		{owned, {Type: tar.TypeChar, Name: "b", Major: 1, Minor: 3, Mode: 0o644},
			{Type: tar.TypeFifo, Name: "c", Mode: 0o644}},
		{link(tar.TypeSymlink, "l", ".."), file("l/canary"), link(tar.TypeLink, "a", "l/canary")},
		{link(tar.TypeSymlink, "a", "/etc"), file("a/passwd"), dir("a"), file("a/passwd"), file("../canary"),
			file("/canary")},
		{dir("a"), file(".wh.a"), file("a/b"), file(".wh..wh..opq"), file(".wh..wh.plnk"), file("a/.wh.."),
			dir("l/l/l")},
		{{Type: tar.TypeXGlobalHeader, Name: "a", Content: "14 comment=abc\n"},
			{Type: tar.TypeGNULongName, Name: "a", Content: "a/b\x00"}, file("c")},
		{{Type: tar.TypeChar, Name: "c"}, {Type: tar.TypeDir, Name: "a", Xattr: "trusted.overlay.redirect"}},
	}
}

// canaryDir creates a directory with a file that must not change.
func canaryDir(t *testing.T) string {
	t.Helper()
	dir := tartest.TempDir(t)
	if err := os.WriteFile(filepath.Join(dir, "canary"), []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func makeDir(t *testing.T, parent, name string) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkLowest fails if a layer without lower layers has marks that hide something.
func checkLowest(t *testing.T, root string) {
	t.Helper()
	for _, l := range list(t, root) {
		if !strings.HasPrefix(l, "-") { // also a file whose name begins with -; only a whiteout device is an error
			continue
		}
		if st := new(unix.Stat_t); unix.Lstat(filepath.Join(root, l[1:]), st) == nil && image.IsWhiteout(st) {
			t.Errorf("a whiteout in the lowest layer: %s", l)
		}
	}
}

// treeState describes every file below a directory.
func treeState(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%q %o %d:%d %d %d %d %d", path, st.Mode, st.Uid, st.Gid, st.Nlink, st.Ino, st.Size,
			st.Mtim.Nano())
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q", text)
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
