package source

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/tartest"
)

var when = time.Unix(1600000000, 0)

// pack writes a tar archive of executable files.
func pack(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	headers = slices.Clone(headers)
	for i := range headers {
		if headers[i].Mode == 0 {
			headers[i].Mode = 0o755
		}
	}
	return tartest.Archive(t, when, headers...)
}

// Short names for the headers of an archive.
var file, dir, symlink, hardlink = tartest.File, tartest.Dir, tartest.Symlink, tartest.Hardlink

// list describes the files below a directory.
func list(t testing.TB, root string) []string {
	t.Helper()
	out := []string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		line := strings.TrimPrefix(name, root+"/")
		switch {
		case d.IsDir():
			line += "/"
		case d.Type()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(name)
			line += "->" + to
		default:
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += "=" + string(text)
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestExtractArchive(t *testing.T) {
	for name, c := range map[string]struct {
		headers []tar.Header
		want    []string
	}{
		"files": {[]tar.Header{dir("d/"), file("d/f", "f"),
			file("Dockerfile", "FROM scratch")}, []string{"Dockerfile=FROM scratch", "d/", "d/f=f"}},
		"names with ./":          {[]tar.Header{dir("./"), file("./f", "f")}, []string{"f=f"}},
		"absolute names":         {[]tar.Header{file("/d/f", "f")}, []string{"d/", "d/f=f"}},
		"directories not listed": {[]tar.Header{file("a/b/c", "f")}, []string{"a/", "a/b/", "a/b/c=f"}},
		"the last of two":        {[]tar.Header{file("f", "1"), file("f", "2")}, []string{"f=2"}},
		"a directory for a file": {[]tar.Header{file("f", "1"), dir("f"), file("f/g", "g")},
			[]string{"f/", "f/g=g"}},
		"a file for a directory": {[]tar.Header{dir("f"), dir("f/x"), file("f", "1")}, []string{"f=1"}},
		"a directory twice": {[]tar.Header{dir("f"), file("f/g", "g"), dir("f")},
			[]string{"f/", "f/g=g"}},
		"links": {[]tar.Header{file("f", "f"), hardlink("h", "f"), symlink("s", "f")},
			[]string{"f=f", "h=f", "s->f"}},
		"a link that leads out": {[]tar.Header{symlink("s", "/etc/passwd"), symlink("u", "../../x")},
			[]string{"s->/etc/passwd", "u->../../x"}},
		"a file for a link": {[]tar.Header{symlink("s", "/etc/passwd"), file("s", "mine")},
			[]string{"s=mine"}},
		"through a link inside": {[]tar.Header{dir("d"), symlink("s", "d"), file("s/f", "f")},
			[]string{"d/", "d/f=f", "s->d"}},
		".. that stays inside": {[]tar.Header{file("a/../b", "b")}, []string{"b=b"}},
		"git archive's own header": {[]tar.Header{{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header",
			PAXRecords: map[string]string{"comment": "c"}}, file("f", "f")}, []string{"f=f"}},
		"files that are whiteouts elsewhere": {[]tar.Header{file(".wh.f", ""), file("f", "f")},
			[]string{".wh.f=", "f=f"}},
		"the root": {[]tar.Header{dir("/"), dir("./"), file("./f", "f")}, []string{"f=f"}},
		"through an absolute link": {[]tar.Header{symlink("s", "/d"), file("s/f", "f")},
			[]string{"d/", "d/f=f", "s->/d"}},
		"through a link above the root": {[]tar.Header{symlink("s", "../.."), file("s/f", "f")},
			[]string{"f=f", "s->../.."}},
		"a hard link through a link": {[]tar.Header{file("d/f", "f"), symlink("s", "/d"), hardlink("h", "s/f")},
			[]string{"d/", "d/f=f", "h=f", "s->/d"}},
		"no entry": {nil, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range c.headers {
				if c.headers[i].Typeflag == tar.TypeXGlobalHeader {
					c.headers[i].Name = ""
				}
			}
			tr, err := ExtractArchive(context.Background(), bytes.NewReader(packed(t, c.headers)), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Root.Close()
			if got := list(t, tr.Root.Name()); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// packed is like pack, but writes global headers unchanged.
func packed(t testing.TB, headers []tar.Header) []byte {
	var out []byte
	for n, h := range headers {
		if h.Typeflag != tar.TypeXGlobalHeader {
			return append(out, pack(t, headers[n:]...)...)
		}
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		_ = w.Flush()
		out = append(out, b.Bytes()...)
	}
	return append(out, pack(t)...)
}

// TestExtractArchiveStaysBelowContext: nothing outside is read, written or linked to. Names that lead out of the
// context are rejected; links are resolved inside the context.
func TestExtractArchiveStaysBelowContext(t *testing.T) {
	special := func(flag byte) tar.Header { return tar.Header{Name: "x", Typeflag: flag, Devmajor: 1, Devminor: 3} }
	for name, c := range map[string]struct {
		headers []tar.Header
		want    []string // nil: it is rejected
	}{
		"..":               {[]tar.Header{file("../canary", "!")}, nil},
		".. in the middle": {[]tar.Header{file("a/../../canary", "!")}, nil},
		"an absolute ..":   {[]tar.Header{file("/../canary", "!")}, nil},
		"through a link to the parent": {[]tar.Header{symlink("l", ".."), file("l/canary", "!")},
			[]string{"canary=!", "l->.."}},
		"through an absolute link": {[]tar.Header{symlink("l", "/"), file("l/canary", "!")},
			[]string{"canary=!", "l->/"}},
		"through /proc": {[]tar.Header{symlink("l", "/proc/self/cwd"), file("l/canary", "!")},
			[]string{"l->/proc/self/cwd", "proc/", "proc/self/", "proc/self/cwd/", "proc/self/cwd/canary=!"}},
		"through two links": {[]tar.Header{symlink("m", ".."), symlink("l", "m"),
			file("l/canary", "!")}, []string{"canary=!", "l->m", "m->.."}},
		"a directory through a link": {[]tar.Header{symlink("l", ".."), dir("l/d")}, []string{"d/", "l->.."}},
		"a link through a link": {[]tar.Header{symlink("l", ".."), symlink("l/s", "x")},
			[]string{"l->..", "s->x"}},
		"a hard link out":            {[]tar.Header{hardlink("h", "../canary")}, nil},
		"a hard link through a link": {[]tar.Header{symlink("l", ".."), hardlink("h", "l/canary")}, nil},
		"a hard link by a link": {[]tar.Header{symlink("l", ".."), file("f", ""), hardlink("l/canary", "f")},
			[]string{"canary=", "f=", "l->.."}},
		"a hard link to nothing":     {[]tar.Header{hardlink("h", "none")}, nil},
		"a hard link to a directory": {[]tar.Header{dir("d"), hardlink("h", "d")}, nil},
		"a file for the context":     {[]tar.Header{file(".", "!")}, []string{}},
		"a link for the context":     {[]tar.Header{symlink("./", "..")}, []string{}},
		"a file below a file":        {[]tar.Header{file("f", ""), file("f/g", "!")}, nil},
		"a loop":                     {[]tar.Header{symlink("l", "l"), file("l/g", "!")}, nil},
		"a character device":         {[]tar.Header{special(tar.TypeChar)}, nil},
		"a block device":             {[]tar.Header{special(tar.TypeBlock)}, nil},
		"a FIFO":                     {[]tar.Header{special(tar.TypeFifo)}, nil},
		"a directory, then a link, then in": {[]tar.Header{dir("d"), symlink("d", ".."), file("d/canary", "!")},
			[]string{"canary=!", "d->.."}},
		"replace what is outside": {[]tar.Header{symlink("l", ".."), dir("l/canary")},
			[]string{"canary/", "l->.."}},
		"a component too long": {[]tar.Header{file(strings.Repeat("x", 300), "!")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			if err := os.WriteFile(filepath.Join(outside, "canary"), []byte("canary"), 0o600); err != nil {
				t.Fatal(err)
			}
			tr, err := ExtractArchive(context.Background(), bytes.NewReader(pack(t, c.headers...)), outside)
			if (err != nil) != (c.want == nil) {
				t.Error(err)
			}
			if err == nil {
				if got := list(t, tr.Root.Name()); !slices.Equal(got, c.want) {
					t.Errorf("got  %q\nwant %q", got, c.want)
				}
				if err := os.RemoveAll(tr.Root.Name()); err != nil {
					t.Error(err)
				}
				tr.Root.Close()
			}
			if got := list(t, outside); !slices.Equal(got, []string{"canary=canary"}) {
				t.Errorf("outside is now %q", got)
			}
			var st unix.Stat_t
			if err := unix.Lstat(filepath.Join(outside, "canary"), &st); err != nil || st.Nlink != 1 {
				t.Errorf("%d links, %v", st.Nlink, err)
			}
		})
	}
}

// TestExtractArchiveKeepsModesAndTimes: modes and times of files, links and directories, including read-only ones.
func TestExtractArchiveKeepsModesAndTimes(t *testing.T) {
	ro, f := dir("ro"), file("ro/f", "f")
	ro.Mode, f.Mode = 0o555, 0o4711
	f.PAXRecords = map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"}
	tr, err := ExtractArchive(context.Background(), bytes.NewReader(pack(t, ro, f, symlink("s", "ro"))), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Root.Close()
	for name, want := range map[string]uint32{"ro": unix.S_IFDIR | 0o555, "ro/f": unix.S_IFREG | 0o4711,
		"s": unix.S_IFLNK | 0o777} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(tr.Root.Name(), name), &st); err != nil || st.Mode != want ||
			st.Mtim.Sec != when.Unix() {
			t.Errorf("%s: mode %o, want %o, modified %d, %v", name, st.Mode, want, st.Mtim.Sec, err)
		}
	}
	var value [10]byte
	if n, err := unix.Getxattr(filepath.Join(tr.Root.Name(), "ro/f"), "trusted.overlay.opaque",
		value[:]); err == nil {
		t.Errorf("overlay's attribute is %q", value[:n])
	}
	_ = os.Chmod(filepath.Join(tr.Root.Name(), "ro"), 0o755)
}

func TestExtractArchiveIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		archive []byte
		bounds  layer.ExtractOptions
	}{
		"entries": {pack(t, dir("a"), dir("b"), dir("c")), layer.ExtractOptions{MaxEntries: 2, MaxBytes: 100}},
		"bytes": {pack(t, file("a", "12345"), file("b", "123456")),
			layer.ExtractOptions{MaxEntries: 10, MaxBytes: 10}},
	} {
		if _, err := extractArchive(context.Background(), bytes.NewReader(c.archive), t.TempDir(),
			c.bounds); !errors.Is(err, layer.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ExtractArchive(ctx, bytes.NewReader(pack(t, dir("a"))), t.TempDir()); !errors.Is(err,
		context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// squeezed returns the archive in each compression format.
func squeezed(t testing.TB, plain []byte) map[string][]byte {
	t.Helper()
	var g, z bytes.Buffer
	gw := gzip.NewWriter(&g)
	zw, err := zstd.NewWriter(&z)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{gw, zw} {
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string][]byte{"plain": plain, "gzip": g.Bytes(), "zstd": z.Bytes()}
	for _, tool := range []string{"bzip2", "xz"} {
		cmd := exec.Command(tool, "-c")
		cmd.Stdin = bytes.NewReader(plain)
		text, err := cmd.Output()
		if errors.Is(err, exec.ErrNotFound) {
			t.Logf("no %s here: not tested", tool)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out[tool] = text
	}
	return out
}

func TestExtractArchiveDecompresses(t *testing.T) {
	plain := pack(t, file("f", strings.Repeat("text ", 100000)))
	for name, text := range squeezed(t, plain) {
		r, archive, err := Sniff(bytes.NewReader(text))
		if err != nil || !archive {
			t.Errorf("%s: an archive: %t, %v", name, archive, err)
		}
		tr, err := ExtractArchive(context.Background(), r, t.TempDir())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if st, err := os.Stat(filepath.Join(tr.Root.Name(), "f")); err != nil || st.Size() != 500000 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
		tr.Root.Close()
		short := []int{len(text) / 2, len(text) - 2}
		if name == "plain" {
			short = short[:1] // losing the zeros at its end does no harm
		}
		for _, n := range short {
			tmp := t.TempDir()
			if _, err := ExtractArchive(context.Background(), bytes.NewReader(text[:n]), tmp); err == nil {
				t.Errorf("%s: %d of %d bytes are enough", name, n, len(text))
			}
			if got := list(t, tmp); len(got) > 0 {
				t.Errorf("%s: leftover files: %q", name, got)
			}
		}
	}
}

func TestSniff(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "FROM scratch\n": false, "# " + strings.Repeat("x", 2000): false, "BZ": false,
		string(make([]byte, 1024)): true, strings.Repeat("\x00", 100): false,
	} {
		r, archive, err := Sniff(strings.NewReader(text))
		if err != nil || archive != want {
			t.Errorf("%.20q: %t, %v", text, archive, err)
		}
		if whole, err := io.ReadAll(r); err != nil || string(whole) != text {
			t.Errorf("%.20q: %d bytes, %v", text, len(whole), err)
		}
	}
	if _, err := ExtractArchive(context.Background(), strings.NewReader("FROM scratch"), t.TempDir()); err == nil ||
		!strings.Contains(err.Error(), "not a tar archive") {
		t.Error(err)
	}
}
