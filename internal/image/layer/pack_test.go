package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// listed describes an archive, one entry a line.
func listed(t *testing.T, archive []byte) (out []string) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%c %s %o %d:%d %d %s%s", h.Typeflag, h.Name, h.Mode, h.Uid, h.Gid,
			h.ModTime.Unix(), h.Linkname, content))
	}
}

// TestPackAll packs several directories into one archive, with the owners and times that the
// options set. A file with two names is a hard link only within its own directory.
func TestPackAll(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "a"), []byte("text"), 0o600), os.Chmod(dir, 0o750),
			os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(one, "a"), filepath.Join(two, "c")); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1e9, 0)
	var out bytes.Buffer
	err := PackAll(&out, []Tree{{Dir: one, At: "x/y"}, {Dir: two, More: []Member{{"more", []byte("words")}}},
		{At: "empty"}}, PackOptions{Time: &when, Owner: &Owner{7, 8}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"5 x/y/ 750 7:8 1000000000 ", "0 x/y/a 600 7:8 1000000000 text", "1 x/y/b 600 7:8 1000000000 x/y/a",
		"0 a 600 7:8 1000000000 text", "1 b 600 7:8 1000000000 a", "0 c 600 7:8 1000000000 text",
		"0 more 644 7:8 1000000000 words", "5 empty/ 755 7:8 1000000000 ",
	}
	if got := listed(t, out.Bytes()); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// TestPackLatest: newer files get the given time, older files keep theirs.
func TestPackLatest(t *testing.T) {
	dir := t.TempDir()
	for name, when := range map[string]int64{"older": 5e8, "younger": 2e9} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600),
			os.Chtimes(path, time.Unix(when, 0), time.Unix(when, 0))); err != nil {
			t.Fatal(err)
		}
	}
	latest := time.Unix(1e9, 0)
	var out bytes.Buffer
	if err := Pack(&out, dir, PackOptions{Latest: &latest, Owner: &Owner{}}); err != nil {
		t.Fatal(err)
	}
	if got, want := listed(t, out.Bytes()), []string{"0 older 600 0:0 500000000 ",
		"0 younger 600 0:0 1000000000 "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
