package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestApply checks the directory that a layer becomes: overlay's marks are correct regardless of
// the order of the entries.
func TestApply(t *testing.T) {
	needRoot(t)
	base := func() io.Reader {
		return archive(t, dir("a/"), file("a/f", "f"), dir("a/b/"), file("a/b/g", "g"), file("h", "h"), link("l", "h"),
			link("d", "a/b"))
	}
	for _, c := range []struct {
		name  string
		upper []tar.Header
		want  []string
	}{
		{"a new file", []tar.Header{file("a/n", "n")}, []string{"a/", "a/n=n"}},
		{"a whiteout", []tar.Header{file("a/.wh.f", "")}, []string{"a/", "-a/f"}},
		{"a whiteout of nothing", []tar.Header{file("a/.wh.none", ""), file("none/.wh.x", "")}, []string{}},
		{"a whiteout of a directory", []tar.Header{file(".wh.a", "")}, []string{"-a"}},
		{"a whiteout, then the file", []tar.Header{file("a/.wh.f", ""), file("a/f", "new")}, []string{"a/", "a/f=new"}},
		{"the file, then a whiteout", []tar.Header{file("a/f", "new"), file("a/.wh.f", "")}, []string{"a/", "a/f=new"}},
		{"a whiteout, then a directory", []tar.Header{file("a/.wh.b", ""), dir("a/b"), file("a/b/n", "n")},
			[]string{"a/", "a/b/!", "a/b/n=n"}},
		{"a whiteout, then a directory that is not listed", []tar.Header{file("a/.wh.b", ""), file("a/b/n", "n")},
			[]string{"a/", "a/b/!", "a/b/n=n"}},
		{"a directory, then a whiteout", []tar.Header{dir("a/b"), file("a/b/n", "n"), file("a/.wh.b", "")},
			[]string{"a/", "a/b/!", "a/b/n=n"}},
		{"opaque, before", []tar.Header{dir("a"), file("a/.wh..wh..opq", ""), file("a/n", "n")},
			[]string{"a/!", "a/n=n"}},
		{"opaque, behind", []tar.Header{file("a/n", "n"), file("a/.wh..wh..opq", "")}, []string{"a/!", "a/n=n"}},
		{"an opaque root", []tar.Header{file(".wh..wh..opq", ""), file("h", "2")}, []string{"-a", "-d", "h=2", "-l"}},
		{"aufs's own", []tar.Header{dir(".wh..wh.plnk"), file(".wh..wh.aufs", ""), file("n", "n")}, []string{"n=n"}},
		{"a file for a directory", []tar.Header{file("a", "file")}, []string{"a=file"}},
		{"a directory for a file", []tar.Header{dir("h"), file("h/n", "n")}, []string{"h/", "h/n=n"}},
		{"a directory for this layer's file", []tar.Header{file("a", "x"), dir("a"), file("a/n", "n")},
			[]string{"a/!", "a/n=n"}},
		{"a file for this layer's directory", []tar.Header{dir("n"), file("n/x", "x"), file("n", "file")},
			[]string{"n=file"}},
		{"the last of two files", []tar.Header{file("n", "1"), file("n", "2")}, []string{"n=2"}},
		{"a hard link", []tar.Header{file("n", "1"), hard("m", "n")}, []string{"m=1", "n=1"}},
		{"a hard link to the layer below", []tar.Header{hard("m", "a/f")}, []string{"a/", "a/f=f", "m=f"}},
		{"a hard link to a link", []tar.Header{link("s", "/nowhere"), hard("m", "s")},
			[]string{"m->/nowhere", "s->/nowhere"}},
		{"a link that leads out", []tar.Header{link("s", "../../../etc/passwd")}, []string{"s->../../../etc/passwd"}},
		{"names with ./", []tar.Header{dir("./"), file("./n", "n")}, []string{"n=n"}},
		{"a file of the layer below in the way", []tar.Header{file("h/n", "n")}, []string{"h/", "h/n=n"}},
		{"absolute names", []tar.Header{dir("/"), dir("/n"), file("//n/f", "f"), hard("/m", "/n/f")},
			[]string{"m=f", "n/", "n/f=f"}},
		{"an absolute whiteout", []tar.Header{file("/a/.wh.f", "")}, []string{"a/", "-a/f"}},
		{".. that stays inside", []tar.Header{file("a/../n", "n"), dir("a/b/.."), dir("a/..")}, []string{"a/", "n=n"}},
		{"a global header", []tar.Header{{Typeflag: tar.TypeXGlobalHeader,
			PAXRecords: map[string]string{"comment": "c"}}, file("n", "n")}, []string{"n=n"}},
		{"through a link", []tar.Header{dir("usr"), link("s", "usr"), file("s/f", "f")},
			[]string{"s->usr", "usr/", "usr/f=f"}},
		{"through an absolute link", []tar.Header{link("s", "/usr/bin"), file("s/f", "f"), dir("s/d")},
			[]string{"s->/usr/bin", "usr/", "usr/bin/", "usr/bin/d/", "usr/bin/f=f"}},
		{"through a link above the root", []tar.Header{link("s", "../../.."), file("s/n", "n"), link("s/a/m", "x")},
			[]string{"a/", "a/m->x", "n=n", "s->../../.."}},
		{"through two links", []tar.Header{link("s", "t/b"), link("t", "/usr"), file("s/c/f", "f")},
			[]string{"s->t/b", "t->/usr", "usr/", "usr/b/", "usr/b/c/", "usr/b/c/f=f"}},
		{".. of what is missing", []tar.Header{link("s", "none/../usr"), file("s/f", "f")},
			[]string{"s->none/../usr", "usr/", "usr/f=f"}},
		{".. of a directory of the layer below", []tar.Header{link("s", "a/b/../n"), file("s/f", "f")},
			[]string{"a/", "a/n/", "a/n/f=f", "s->a/b/../n"}},
		{"through a link of the layer below", []tar.Header{file("d/n", "n")}, []string{"a/", "a/b/", "a/b/n=n"}},
		{"a whiteout through a link of the layer below", []tar.Header{file("d/.wh.g", "")},
			[]string{"a/", "a/b/", "-a/b/g"}},
		{"opaque through a link of the layer below", []tar.Header{file("d/.wh..wh..opq", "")}, []string{"a/", "a/b/!"}},
		{"a hard link through a link of the layer below", []tar.Header{hard("m", "d/g")},
			[]string{"a/", "a/b/", "a/b/g=g", "m=g"}},
		{"a whiteout of a link, then below it", []tar.Header{file(".wh.d", ""), file("d/n", "n")},
			[]string{"d/!", "d/n=n"}},
		{"below a link, then a whiteout of it", []tar.Header{file("d/n", "n"), file(".wh.d", "")},
			[]string{"a/", "a/b/", "a/b/n=n", "-d"}},
		{"a directory for a link of the layer below", []tar.Header{dir("d"), file("d/n", "n")},
			[]string{"d/", "d/n=n"}},
		{"a link that is replaced", []tar.Header{link("s", "a"), file("s/1", "1"), link("s", "a/b"), file("s/2", "2"),
			dir("s"), file("s/3", "3")}, []string{"a/", "a/1=1", "a/b/", "a/b/2=2", "s/", "s/3=3"}},
		{"a directory that is replaced by a link", []tar.Header{dir("n"), file("n/x", "x"), link("n", "a"),
			file("n/y", "y")}, []string{"a/", "a/y=y", "n->a"}},
		{"a whiteout, then one of its directory", []tar.Header{file("a/b/.wh.g", ""), file("a/.wh.b", ""),
			file(".wh.a", "")}, []string{"-a"}},
		{"a whiteout, then the opaque directory", []tar.Header{file("a/b/.wh.g", ""), file("a/.wh..wh..opq", "")},
			[]string{"a/!"}},
		{"opaque, then a whiteout of the directory", []tar.Header{file("a/.wh..wh..opq", ""), file(".wh.a", "")},
			[]string{"-a"}},
		{"a hard link, then a whiteout of its target", []tar.Header{hard("m", "a/f"), file("a/.wh.f", "")},
			[]string{"a/", "-a/f", "m=f"}},
		{"a hard link, then the opaque directory of its target",
			[]tar.Header{hard("m", "a/f"), file("a/.wh..wh..opq", "")}, []string{"a/!", "m=f"}},
		{"a whiteout, then the opaque directory of its name",
			[]tar.Header{file(".wh.a", ""), file("a/.wh..wh..opq", "")}, []string{"-a"}},
		{"marks below a file", []tar.Header{file("h/.wh.n", ""), file("n", "n"), file("n/.wh.x", ""),
			file("n/d/.wh..wh..opq", "")}, []string{"n=n"}},
		{"a whiteout, then the opaque root", []tar.Header{file("a/.wh.f", ""), file(".wh..wh..opq", ""),
			file("a/n", "n")}, []string{"a/!", "a/n=n", "-d", "-h", "-l"}},
		{"an opaque file", []tar.Header{file("h/.wh..wh..opq", ""), file("l/.wh..wh..opq", "")}, []string{}},
		{"opaque, then below a hidden directory", []tar.Header{file("a/.wh..wh..opq", ""), file("a/b/n", "n")},
			[]string{"a/!", "a/b/", "a/b/n=n"}},
		{"opaque, then a whiteout below it", []tar.Header{file("a/.wh..wh..opq", ""), file("a/b/.wh.g", ""),
			file("a/.wh.f", "")}, []string{"a/!"}},
		{"a whiteout, then one below it", []tar.Header{file(".wh.a", ""), file("a/b/.wh.g", ""),
			file("a/b/.wh..wh..opq", "")}, []string{"-a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dirs, err := layers(t, base(), archive(t, c.upper...))
			if err != nil {
				t.Fatal(err)
			}
			if got := list(t, dirs[1]); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestApplyRestoresMetadata checks owners, modes, times and attributes. Files in the archive keep their own;
// directories that it does not list take those of the lower layer.
func TestApplyRestoresMetadata(t *testing.T) {
	needRoot(t)
	d := dir("d")
	d.Uid, d.Gid, d.Mode, d.PAXRecords = 7, 8, 0o2750, map[string]string{"SCHILY.xattr.user.a": "d"}
	f := file("d/f", "f")
	f.Uid, f.Mode, f.PAXRecords = 9, 0o4711, map[string]string{"SCHILY.xattr.security.capability": string([]byte{1, 0,
		0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})}
	s := link("d/s", "x")
	s.Uid = 5
	c := tar.Header{Name: "d/c", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 300, Mode: 0o666}
	p := tar.Header{Name: "d/p", Typeflag: tar.TypeFifo, Mode: 0o622}
	root := dir("./")
	root.Mode, root.Uid = 0o711, 3
	dirs, err := layers(t, archive(t, root, d, f, s, c, p), archive(t, file("d/n", "n")))
	if err != nil {
		t.Fatal(err)
	}
	stat := func(path string) (st unix.Stat_t) {
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	for name, want := range map[string]string{"": "3:0 40711", "/d": "7:8 42750", "/d/f": "9:0 104711",
		"/d/s": "5:0 120777", "/d/c": "0:0 20666", "/d/p": "0:0 10622"} {
		st := stat(dirs[0] + name)
		if got := fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if st.Mtim.Nano() != when.UnixNano() {
			t.Errorf("%s: modified %d, want %d", name, st.Mtim.Nano(), when.UnixNano())
		}
	}
	if st := stat(dirs[0] + "/d/c"); st.Rdev != unix.Mkdev(1, 300) {
		t.Errorf("device %#x", st.Rdev)
	}
	for name, want := range map[string]string{"": "3:0 40711", "/d": "7:8 42750"} {
		st := stat(dirs[1] + name)
		if got := fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode); got != want || st.Mtim.Nano() != when.UnixNano() {
			t.Errorf("not listed: %s: %s %d, want %s", name, got, st.Mtim.Nano(), want)
		}
	}
	var value [100]byte
	for _, x := range [][2]string{{dirs[0] + "/d", "user.a"}, {dirs[1] + "/d", "user.a"},
		{dirs[0] + "/d/f", "security.capability"}} {
		if _, err := unix.Lgetxattr(x[0], x[1], value[:]); err != nil {
			t.Errorf("%s: %s: %v", x[0], x[1], err)
		}
	}
}

// A file of mostly zeros uses little disk space.
func TestSparse(t *testing.T) {
	needRoot(t)
	content := strings.Repeat("\x00", 3<<20) + "x" + strings.Repeat("\x00", 2<<20+17)
	dirs, err := layers(t, archive(t, file("f", content), file("z", strings.Repeat("\x00", 1<<20))))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(dirs[0] + "/f")
	if err != nil || string(got) != content {
		t.Fatalf("%d bytes of %d, %v", len(got), len(content), err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dirs[0]+"/f", &st); err != nil || st.Blocks*512 > 256<<10 {
		t.Errorf("takes %d bytes, %v", st.Blocks*512, err)
	}
	if info, err := os.Stat(dirs[0] + "/z"); err != nil || info.Size() != 1<<20 {
		t.Errorf("z: %v, %v", info, err)
	}
}

// TestBounds checks that archives that would fill the disk are refused.
func TestBounds(t *testing.T) {
	needRoot(t)
	many := make([]tar.Header, 20)
	for i := range many {
		many[i] = file(fmt.Sprint(i), "0123456789")
	}
	for name, o := range map[string]Options{"entries": {MaxEntries: 19}, "bytes": {MaxBytes: 199}} {
		if _, err := Apply(context.Background(), t.TempDir(), archive(t, many...), o); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := Apply(context.Background(), t.TempDir(), archive(t, many...),
		Options{MaxEntries: 20, MaxBytes: 200}); err != nil || r.Bytes != 200 || r.Entries != 20 {
		t.Error(r, err)
	}
	// Two blocks of zeros are a valid, empty archive.
	text := strings.Repeat("\x00", 512)
	if _, err := Apply(context.Background(), t.TempDir(), strings.NewReader(text+text), Options{}); err != nil {
		t.Error("an empty archive:", err)
	}
	torn := archive(t, file("f", strings.Repeat("x", 10000))).Bytes()
	// archive/tar takes truncation in the padding of extended header records for the end of the
	// archive; only the digest of the whole archive detects it.
	for _, n := range []int{100, 512, 1100, 5000} {
		if _, err := Apply(context.Background(), t.TempDir(), bytes.NewReader(torn[:n]), Options{}); err == nil {
			t.Errorf("an archive that ends after %d bytes is taken", n)
		}
	}
}
