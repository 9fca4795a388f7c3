package images

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nasty returns images that use everything that tar archives and layers permit.
func nasty() map[string][]layer {
	capability := string([]byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	owned := func(h tar.Header, uid, gid int, mode int64) tar.Header {
		return with(h, func(h *tar.Header) { h.Uid, h.Gid, h.Mode = uid, gid, mode })
	}
	xattrs := func(h tar.Header, pairs ...string) tar.Header {
		return with(h, func(h *tar.Header) {
			h.PAXRecords = map[string]string{}
			for i := 0; i < len(pairs); i += 2 {
				h.PAXRecords["SCHILY.xattr."+pairs[i]] = pairs[i+1]
			}
		})
	}
	device := func(name string, kind byte, major, minor int64) tar.Header {
		return tar.Header{Name: name, Typeflag: kind, Devmajor: major, Devminor: minor, Mode: 0o660}
	}
	base := layer{entries: []tar.Header{
		dir("etc"), file("etc/passwd", "root"), file("etc/old", "old"), dir("usr"), dir("usr/lib"), dir("usr/lib/a"), file("usr/lib/a/1", "1"), file("usr/lib/a/2", "2"),
		link("lib", "usr/lib"), dir("var"), dir("var/empty"), file("hosts", "h"), dir("opt"), dir("opt/x"), dir("opt/x/y"), file("opt/x/y/z", "z"),
	}}
	on := func(entries ...tar.Header) []layer { return []layer{base, {entries: entries}} }
	var many []tar.Header
	for i := range 300 {
		many = append(many, file(fmt.Sprintf("d%d/f%d", i%7, i), strings.Repeat("x", i)))
	}
	var deep []layer
	for i := range 40 {
		deep = append(deep, layer{entries: []tar.Header{file(fmt.Sprintf("layer%d", i), "x"), file("last", fmt.Sprint(i))}})
	}
	images := map[string][]layer{
		"one file":             {{entries: []tar.Header{file("f", "f")}}},
		"plain":                {{entries: base.entries, compression: "plain"}},
		"zstd":                 {{entries: base.entries, compression: "zstd"}},
		"three compressions":   {{entries: base.entries, compression: "plain"}, {entries: []tar.Header{file("a", "a")}, compression: "zstd"}, {entries: []tar.Header{file("b", "b")}}},
		"owners and modes":     {{entries: []tar.Header{owned(dir("d"), 1, 2, 0o3711), owned(file("d/f", "f"), 1000, 1001, 0o4755), owned(file("d/g", "g"), 65534, 65534, 0o2000), owned(dir("tmp"), 0, 0, 0o1777)}}},
		"hard links":           {{entries: []tar.Header{dir("d"), file("d/a", "a"), hard("d/b", "d/a"), hard("c", "d/a")}}},
		"a hard link down":     on(hard("etc/new", "etc/old")),
		"symbolic links":       {{entries: []tar.Header{link("a", "b"), link("b", "/etc/passwd"), link("c", "../../.."), link("d", strings.Repeat("x/", 100))}}},
		"devices":              {{entries: []tar.Header{dir("dev"), device("dev/null", tar.TypeChar, 1, 3), device("dev/sda", tar.TypeBlock, 8, 300), {Name: "dev/fifo", Typeflag: tar.TypeFifo, Mode: 0o600}}}},
		"xattrs":               {{entries: []tar.Header{xattrs(file("f", "f"), "user.a", "1", "user.b", "\x00\xff"), xattrs(dir("d"), "user.c", "c"), xattrs(file("ping", "p"), "security.capability", capability)}}},
		"a whiteout":           on(file("etc/.wh.old", "")),
		"a whited directory":   on(file("opt/.wh.x", "")),
		"whiteout and again":   {base, {entries: []tar.Header{file(".wh.opt", "")}}, {entries: []tar.Header{dir("opt"), file("opt/new", "n")}}},
		"opaque":               on(dir("opt"), file("opt/.wh..wh..opq", ""), file("opt/n", "n")),
		"opaque, not listed":   on(file("opt/x/.wh..wh..opq", ""), file("opt/x/n", "n")),
		"opaque root":          on(file(".wh..wh..opq", ""), file("n", "n")),
		"file for directory":   on(file("opt", "file")),
		"directory for file":   on(dir("hosts"), file("hosts/f", "f")),
		"directory for link":   on(dir("lib"), file("lib/f", "f")),
		"link for directory":   on(file(".wh.opt", ""), link("opt", "usr")),
		"changed mode":         on(owned(dir("opt"), 7, 7, 0o700), owned(file("hosts", "h"), 8, 8, 0o600)),
		"long names":           {{entries: []tar.Header{file(strings.Repeat("n", 255), "x"), file(strings.Repeat("abcdefgh/", 60)+"f", "deep"), file("ünïcödé ☃\n", "u")}}},
		"times":                {{entries: []tar.Header{with(file("old", ""), func(h *tar.Header) { h.ModTime = time.Unix(1, 0) }), with(file("future", ""), func(h *tar.Header) { h.ModTime = time.Unix(4000000000, 0) }), with(file("ns", ""), func(h *tar.Header) { h.ModTime = time.Unix(1700000000, 987654321) })}}},
		"sparse and large":     {{entries: []tar.Header{file("zero", strings.Repeat("\x00", 3<<20)), file("mixed", strings.Repeat("\x00", 1<<20)+"x"+strings.Repeat("\x00", 1<<20))}}},
		"many":                 {{entries: many}},
		"forty layers":         deep,
		"the root's mode":      {{entries: []tar.Header{owned(dir("./"), 3, 4, 0o711), file("./f", "f")}}, {entries: []tar.Header{file("g", "g")}}},
		"the last wins":        {{entries: []tar.Header{file("f", "1"), file("f", "2"), dir("d"), file("d/x", "x")}}},
		"old formats":          {{entries: []tar.Header{with(file("ustar", "u"), func(h *tar.Header) { h.Format = tar.FormatUSTAR }), with(file("gnu", "g"), func(h *tar.Header) { h.Format = tar.FormatGNU }), with(file(strings.Repeat("g", 200), "g"), func(h *tar.Header) { h.Format = tar.FormatGNU })}}},
		"an empty layer":       {base, {}, {entries: []tar.Header{file("n", "n")}}},
		"the same layer twice": {base, {entries: []tar.Header{file("n", "n")}}, {entries: []tar.Header{file("n", "n")}}},
	}
	return images
}

// TestUnpackMatchesUmoci: the root file system is identical to that of umoci unpack.
func TestUnpackMatchesUmoci(t *testing.T) {
	need(t, "umoci", "umoci")
	need(t, "skopeo", "skopeo")
	s := newStore(t)
	l := newLayout(t)
	images := nasty()
	images["busybox"] = []layer{busybox(t)}
	if len(images) < 20 {
		t.Fatalf("%d images", len(images))
	}
	tags := map[string]string{}
	for name, layers := range images {
		tags[name] = fmt.Sprintf("x%d", len(tags))
		l.add(tags[name], runs("sh"), layers...)
	}
	s.Do("load", "-q", l.dir)
	for name, tag := range tags {
		t.Run(name, func(t *testing.T) {
			compareWithUmoci(t, s, l.dir, tag, images[name])
		})
	}
	s.Check()
}

func compareWithUmoci(t *testing.T, s *store, layout, tag string, layers []layer) {
	t.Helper()
	// In a directory that other users may enter, the root's mode is 0700.
	if err := os.Chmod(s.Host, 0o700); err != nil {
		t.Fatal(err)
	}
	theirs, ours := filepath.Join(s.Host, "umoci-"+tag), filepath.Join(s.Host, "minirun-"+tag)
	defer os.RemoveAll(theirs)
	defer os.RemoveAll(ours)
	// umoci 0.4.7 does not support zstd: skopeo recompresses the same archives.
	gz := filepath.Join(s.Host, "gzip-"+tag)
	defer os.RemoveAll(gz)
	tool(t, "skopeo", "copy", "-q", "--dest-compress", "--dest-compress-format", "gzip", "oci:"+layout+":"+tag, "oci:"+gz+":"+tag)
	tool(t, "umoci", "unpack", "--image", gz+":"+tag, theirs)
	s.Do("unpack", tag, ours)
	a, b := tree(t, ours), tree(t, filepath.Join(theirs, "rootfs"))
	implied := impliedDirs(layers)
	same(t, "minirun, umoci", stripTimes(a, implied), stripTimes(b, implied), func(string) bool { return false })
}

// impliedDirs returns the directories whose times are not defined by the image: those that no layer
// lists, and those that a layer changes without listing them, to which umoci gives the time of the
// change.
func impliedDirs(layers []layer) map[string]bool {
	out := map[string]bool{"/": true}
	for _, y := range layers {
		listed := map[string]bool{}
		for _, h := range y.entries {
			if h.Typeflag == tar.TypeDir {
				listed[filepath.Clean("/"+h.Name)] = true
			}
		}
		for _, h := range y.entries {
			for d := filepath.Dir(filepath.Clean("/" + h.Name)); ; d = filepath.Dir(d) {
				if !listed[d] {
					out[d] = true
				}
				if d == "/" {
					break
				}
			}
		}
	}
	return out
}

func stripTimes(tree map[string]string, dirs map[string]bool) map[string]string {
	for d := range dirs {
		if text, ok := tree[d]; ok {
			before, rest, _ := strings.Cut(text, " @")
			_, after, _ := strings.Cut(rest, " ")
			tree[d] = before + " " + after
		}
	}
	return tree
}

// TestMoreLayersThanOverlayfsSupports: overlayfs supports 500 layers, so with more layers the lowest
// ones form a separate overlay below the other. `layers` used to take time for each pair of layers.
func TestMoreLayersThanOverlayfsSupports(t *testing.T) {
	const count = 600
	more := []layer{{compression: "plain", entries: []tar.Header{file("first", ""), file("d1", ""), file("d2", "")}}}
	for n := 2; n < count; n++ {
		more = append(more, layer{compression: "plain", entries: []tar.Header{file("last", strconv.Itoa(n))}})
	}
	last := &more[len(more)-1]
	last.entries = append(last.entries, file(".wh.first", ""), file(".wh.d2", ""))
	s := loaded(t, runs("sh", "-c", "cat /last; echo; ls /first /d1 /d2 2>/dev/null || true"), more...)
	s.Minirun("run", "busybox").Prints(t, "599\n/d1\n")
	s.Minirun("run", "busybox", "sh", "-c", "rm /d1; echo new > /last; ls /; cat /last").Exit(t, 0)
	if lines := strings.Count(s.Do("layers", "busybox"), "\n"); lines < count {
		t.Errorf("layers printed %d lines", lines)
	}
	s.Do("bundle", "busybox", filepath.Join(s.Host, "copy"))
	if text, err := os.ReadFile(filepath.Join(s.Host, "copy/rootfs/last")); string(text) != "599" {
		t.Errorf("the bundle has %q, %v", text, err)
	}
}
