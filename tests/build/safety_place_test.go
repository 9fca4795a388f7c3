package build

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/tartest"
)

// TestLinksCannotLeadCopyOutOfImage: symbolic links in an image cannot lead COPY, ADD and WORKDIR out
// of the image.
func TestLinksCannotLeadCopyOutOfImage(t *testing.T) {
	o := newOutside(t, newStore(t))
	const up = "/../../../../../../../../../../.."
	// The check detects a file that is written.
	shell(t, o.dir, "echo > new")
	if slices.Equal(tree(t, o.dir), o.was) {
		t.Fatal("the check does not see a new file")
	}
	shell(t, o.dir, "rm new")
	for name, c := range map[string]struct{ link, instruction, at string }{
		"file":             {"ln -s OUT/new /l", "COPY f /l", "OUT/new"},         // link resolved in the image
		"directory":        {"ln -s OUT /l", "COPY f /l/new", "OUT/new"},         // created below the image's root
		"directory/":       {"ln -s OUT /l", "COPY f /l/", "OUT/f"},              //
		"deep":             {"ln -s OUT /l", "COPY f /l/a/b/new", "OUT/a/b/new"}, //
		"up":               {"ln -s " + up + "OUT /l", "COPY f /l/new", "OUT/new"},
		"up, relative":     {"ln -s .." + up[3:] + "OUT /l", "COPY f /l/d/", "OUT/d/f"},
		"chain":            {"ln -s /a /l; ln -s b/c /a; mkdir /b; ln -s OUT /b/c", "COPY f /l/new", "OUT/new"},
		"of a directory":   {"ln -s OUT /l", "COPY d /l", "OUT/g"},
		"over a directory": {"mkdir -p /x OUT; ln -s OUT /x/d", "COPY . /x", "OUT/g"},
		"--link":           {"ln -s OUT /l", "COPY --link f /l/new", "l/new"}, // lower layers are not consulted
		"--parents":        {"ln -s OUT /d; ln -s OUT /l", "COPY --parents d/g /l/", "OUT/d/g"},
		"WORKDIR":          {"ln -s OUT /l", "WORKDIR /l/w\nCOPY f f", "OUT/w/f"},
		"WORKDIR ..":       {"ln -s OUT/x/y /l", "WORKDIR /l/../../w\nCOPY f f", "w/f"}, // cleaned as in BuildKit
		"here-document":    {"ln -s OUT /l", "COPY <<E /l/new\nx\nE", "OUT/new"},
		"ADD":              {"ln -s OUT /l", "ADD a.tar /l/", "OUT/member"},
		"from a stage":     {"ln -s OUT /l", "COPY --from=base /etc/passwd /l/new", "OUT/new"},
		"cwd of RUN":       {"ln -s OUT /l; mkdir -p OUT", "WORKDIR /l\nRUN cp /etc/passwd new", "OUT/new"},
		"a link to /proc":  {"ln -s /proc/self/cwd /l", "COPY f /x/f", "x/f"},
		"magic":            {"ln -s /proc/1/root/OUT /l", "COPY f /l/new", "proc/1/root/OUT/new"},
		"a mount's place":  {"ln -s OUT /l", "RUN --mount=type=tmpfs,target=/l/empty touch /l/empty/x; mkdir -p OUT; cp /etc/passwd OUT/new", "OUT/new"},
		"a secret's place": {"ln -s OUT /run", "RUN --mount=type=secret,id=s ls OUT/secrets/s && cp /etc/passwd /made", "made"},
		"/proc is a link":  {"rmdir /proc 2>/dev/null; ln -s OUT /proc2", "COPY f /proc2/new", "OUT/new"},
	} {
		t.Run(name, func(t *testing.T) {
			script := "echo content > f; mkdir d; echo g > d/g; echo member > member; tar -cf a.tar member; rm member"
			b, out := o.build("FROM base\nRUN "+c.link+"\n"+c.instruction+"\n", script, "--secret", "id=s,src="+o.store.Host+"/outside/nothing")
			if b.Status != 0 {
				t.Fatal(b.said, b.Stderr)
			}
			at := filepath.Join(out, o.path(strings.ReplaceAll(c.at, "proc/1/root/OUT", "proc/1/root"+o.dir)))
			if info, err := os.Lstat(at); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s is not in the image: %v", c.at, err)
			}
		})
	}
	b, _ := o.build("FROM base\nRUN ln -s l /l\nCOPY f /l\n", "echo > f")
	if b.Status == 0 || !strings.Contains(b.Stderr, "too many levels of symbolic links") {
		t.Errorf("a loop: status %d: %s", b.Status, b.Stderr)
	}
}

// TestAddUnpacksBelowDestination: what ADD unpacks stays below its destination, wherever symbolic links
// in the archive and in the image lead.
func TestAddUnpacksBelowDestination(t *testing.T) {
	o := newOutside(t, newStore(t))
	file := func(name string) tar.Header { return tartest.File(name, "evil") }
	link, hard := tartest.Symlink, tartest.Hardlink
	up := strings.Repeat("../", 12)
	for name, c := range map[string]struct {
		entries []tar.Header
		fails   string
		at      string // where a file is, in the image; "": not checked
	}{
		"plain":                  {[]tar.Header{file("f")}, "", "x/f"},
		"..":                     {[]tar.Header{file(up + o.dir + "/new")}, "leads out", ""},
		".. in the middle":       {[]tar.Header{file("a/../../../../new")}, "leads out", ""},
		"absolute":               {[]tar.Header{file(o.dir + "/new")}, "", "x" + o.dir + "/new"},
		"through a link":         {[]tar.Header{link("l", o.dir), file("l/new")}, "", "x" + o.dir + "/new"},
		"through a link up":      {[]tar.Header{link("l", up+o.dir), file("l/new")}, "", "x" + o.dir + "/new"},
		"through two":            {[]tar.Header{link("a", "b"), link("b", up), file("a" + o.dir + "/new")}, "", "x" + o.dir + "/new"},
		"over a link":            {[]tar.Header{link("l", o.dir+"/secret"), file("l")}, "", "x/l"},
		"a directory over one":   {[]tar.Header{link("l", o.dir), {Name: "l/", Typeflag: tar.TypeDir}, file("l/new")}, "", "x/l/new"},
		"the root is a link":     {[]tar.Header{link(".", o.dir), file("new")}, "", "x/new"}, // the root is unchanged
		"a hard link out":        {[]tar.Header{hard("h", o.dir+"/secret")}, "no such file", ""},
		"a hard link up":         {[]tar.Header{hard("h", up+o.dir+"/secret")}, "leads out", ""},
		"a hard link by a link":  {[]tar.Header{link("l", o.dir), hard("h", "l/secret")}, "no such file", ""},
		"a hard link to a link":  {[]tar.Header{link("l", o.dir+"/secret"), hard("h", "l"), file("h")}, "", "x/h"},
		"overlay's mark":         {[]tar.Header{{Name: "etc", Typeflag: tar.TypeChar}}, "reserved for overlayfs whiteouts", ""},
		"overlay's attributes":   {[]tar.Header{{Name: "d/", Typeflag: tar.TypeDir, PAXRecords: map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.trusted.overlay.redirect": "/etc"}}, file("d/f")}, "", "x/d/f"},
		"a size that is a lie":   {[]tar.Header{{Name: "cut", Typeflag: tar.TypeReg, Size: 1 << 30}}, "unexpected EOF", ""},
		"a type that is none":    {[]tar.Header{{Name: "f", Typeflag: 'Z'}}, "unknown type", ""},
		"out of /x":              {[]tar.Header{link("s", ".."), file("s/etc/passwd")}, "", "x/etc/passwd"},
		"a hard link out of /x":  {[]tar.Header{link("s", ".."), hard("h", "s/etc/passwd")}, "no such file", ""},
		"a global header":        {[]tar.Header{{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}}, file("f")}, "", "x/f"},
		"the root's name":        {[]tar.Header{{Name: "/", Typeflag: tar.TypeDir, Mode: 0o700}, file("/f")}, "", "x/f"},
		"a long name":            {[]tar.Header{file(strings.Repeat("n", 300))}, "file name too long", ""},
		"a deep name":            {[]tar.Header{file(strings.Repeat("d/", 3000) + "f")}, "too long", ""},
		"the base's own program": {[]tar.Header{file("../bin/sh")}, "leads out", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nADD a.tar /x/\n"}, "true")
			var archive bytes.Buffer
			if strings.Contains(name, "lie") {
				if err := tar.NewWriter(&archive).WriteHeader(&c.entries[0]); err != nil {
					t.Fatal(err)
				}
			} else {
				archive.Write(tartest.Archive(t, old, c.entries...))
			}
			if err := os.WriteFile(filepath.Join(dir, "a.tar"), archive.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			b, out := o.builds(dir)
			if o.leaked(b, out) {
				t.Errorf("the outside was read: %s", b.Stderr)
			}
			if (b.Status == 0) != (c.fails == "") || !strings.Contains(b.Stderr, c.fails) {
				t.Fatalf("status %d: %s", b.Status, b.Stderr)
			}
			if c.at == "" {
				return
			}
			if info, err := os.Lstat(filepath.Join(out, c.at)); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s is not in the image: %v", c.at, err)
			}
		})
	}
}

// TestCopiedWhiteoutsAreRejected: a file that has the name of a whiteout would delete another file
// where the image is unpacked.
func TestCopiedWhiteoutsAreRejected(t *testing.T) {
	s := newStore(t)
	for _, d := range []string{"COPY .wh.passwd /etc/", "RUN touch /etc/.wh.passwd", "RUN touch /etc/.wh..wh..opq"} {
		dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\n" + d + "\n", ".wh.passwd": ""}, "")
		if b := s.try(dir); b.Status == 0 || !strings.Contains(b.Stderr, "reserved for whiteouts") {
			t.Errorf("%s: status %d: %s", d, b.Status, b.Stderr)
		}
	}
}
