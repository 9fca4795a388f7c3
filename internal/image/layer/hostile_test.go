package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// hostile returns archives that must be refused or must be harmless.
func hostile() map[string][]tar.Header {
	long := strings.Repeat("x", 300)
	xattr := func(name string) tar.Header {
		h := dir("d")
		h.PAXRecords = map[string]string{"SCHILY.xattr." + name: "y"}
		return h
	}
	char := func(name string, major, minor int64) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeChar, Devmajor: major, Devminor: minor}
	}
	owner := file("f", "")
	owner.Uid = 1 << 32
	negative := file("f", "")
	negative.Uid = -1
	return map[string][]tar.Header{
		"..":                                {file("../canary", "!")},
		".. in the middle":                  {file("a/../../canary", "!")},
		".. after a slash":                  {file("/../canary", "!")},
		".. of the root":                    {dir("..")},
		"a loop of links":                   {link("l", "m"), link("m", "l"), file("l/canary", "!")},
		"a link to a file":                  {file("f", ""), link("l", "f"), file("l/canary", "!")},
		"a hard link by a loop of links":    {link("l", "l"), hard("h", "l/f")},
		"a hard link to ..":                 {hard("h", "../canary")},
		"a hard link out, deeper":           {dir("a"), hard("a/h", "a/../../canary")},
		"a hard link to nothing":            {hard("h", "none")},
		"a hard link to an absolute path":   {hard("h", "/etc/passwd")},
		"a hard link to itself":             {hard("h", "h")},
		"a hard link to a directory":        {dir("d"), hard("h", "d")},
		"a hard link to the layer":          {hard("h", ".")},
		"a hard link to a whiteout":         {hard("h", ".wh.x")},
		"a file for the root":               {file(".", "!")},
		"a link for the root":               {link(".", "/")},
		"a link for the root, with a slash": {link("./", "..")},
		"a device for the root":             {char(".", 1, 3)},
		"a hard link for the root":          {file("f", ""), hard(".", "f")},
		"a file below a file":               {file("f", ""), file("f/g", "!")},
		"a file below a device":             {char("c", 1, 3), file("c/g", "!")},
		"overlay's whiteout":                {char("c", 0, 0)},
		"overlay's mark opaque":             {xattr("trusted.overlay.opaque")},
		"overlay's redirect":                {xattr("trusted.overlay.redirect")},
		"overlay's metacopy":                {xattr("trusted.overlay.metacopy")},
		"overlay's mark of users":           {xattr("user.overlay.opaque")},
		"an attribute without a name space": {xattr("nonsense")},
		"a whiteout of .":                   {file("a/.wh..", "")},
		"a whiteout of ..":                  {file("a/.wh...", "")},
		"a whiteout of nothing at all":      {file("a/.wh.", "")},
		"a whiteout that is a directory":    {dir(".wh.a")},
		"a component too long":              {file(long, "!")},
		"a path too long":                   {file(strings.Repeat("abc/", 1100)+"f", "!")},
		"a path too deep":                   {file(strings.Repeat("a/", 600)+"f", "!")},
		"an owner out of range":             {owner},
		"a negative owner":                  {negative},
		"a device out of range":             {char("c", 1<<13, 0)},
		"a symbolic link to nothing":        {link("l", "")},
	}
}

// TestHostile: names that lead out of the layer, or that would deceive overlay, are refused, and
// nothing outside changes.
func TestHostile(t *testing.T) {
	needRoot(t)
	cases := hostile()
	if len(cases) < 30 {
		t.Fatalf("%d cases", len(cases))
	}
	for name, headers := range cases {
		t.Run(name, func(t *testing.T) {
			root, err := applyBesideCanary(t, headers)
			if err == nil {
				t.Errorf("not refused: it became %q", list(t, root))
			}
			if name != "a hard link to nothing" && name != "a hard link to an absolute path" &&
				name != "an attribute without a name space" && err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("failed, and was not refused: %v", err)
			}
		})
	}
}

// TestHostileLinksAreContained: a symbolic link in the middle of a path is resolved below the root,
// whatever it points to.
func TestHostileLinksAreContained(t *testing.T) {
	needRoot(t)
	device := func(name string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}
	}
	for name, c := range map[string]struct {
		headers []tar.Header
		want    []string // nil: an error, since the target does not exist below the root
	}{
		"the parent": {[]tar.Header{link("l", ".."), file("l/canary", "!")},
			[]string{"canary=!", "l->.."}},
		"many parents": {[]tar.Header{link("l", strings.Repeat("../", 99)), file("l/canary", "!")},
			[]string{"canary=!", "l->" + strings.Repeat("../", 99)}},
		"the root": {[]tar.Header{link("l", "/"), file("l/canary", "!")},
			[]string{"canary=!", "l->/"}},
		"/proc": {[]tar.Header{link("l", "/proc/self/cwd"), file("l/canary", "!")},
			[]string{"l->/proc/self/cwd", "proc/", "proc/self/", "proc/self/cwd/", "proc/self/cwd/canary=!"}},
		"a link to a link": {[]tar.Header{link("m", ".."), link("l", "m"), file("l/canary", "!")},
			[]string{"canary=!", "l->m", "m->.."}},
		"a directory": {[]tar.Header{link("l", ".."), dir("l/d/e")}, []string{"d/", "d/e/", "l->.."}},
		"a link through a link": {[]tar.Header{link("l", ".."), link("l/canary", "x")},
			[]string{"canary->x", "l->.."}},
		"a device": {[]tar.Header{link("l", ".."), device("l/canary")},
			[]string{"canary", "l->.."}},
		"a whiteout":               {[]tar.Header{link("l", ".."), file("l/.wh.canary", "")}, []string{"l->.."}},
		"a hard link from outside": {[]tar.Header{link("l", ".."), hard("h", "l/canary")}, nil},
		"a hard link from /etc":    {[]tar.Header{link("l", "/"), hard("h", "l/etc/passwd")}, nil},
		"a hard link to outside": {[]tar.Header{link("l", ".."), file("f", "!"), hard("l/canary", "f")},
			[]string{"canary=!", "f=!", "l->.."}},
		"a link instead of a file": {[]tar.Header{link("f", "../canary"), file("f", "!")}, []string{"f=!"}},
		"a link instead of a link": {[]tar.Header{link("f", "../canary"), link("f", "x")}, []string{"f->x"}},
		"a link instead of a dir": {[]tar.Header{dir("d"), link("d", ".."), file("d/canary", "!")},
			[]string{"canary=!", "d->.."}},
		"a hard link to a link": {[]tar.Header{link("l", "../canary"), hard("h", "l"), file("h", "!")},
			[]string{"h=!", "l->../canary"}},
		"a link to itself, replaced": {[]tar.Header{link("l", "l"), dir("l"), file("l/canary", "!")},
			[]string{"l/", "l/canary=!"}},
		"a link into a later directory": {[]tar.Header{link("l", "d/../.."), dir("d"), file("l/canary", "!")},
			[]string{"canary=!", "d/", "l->d/../.."}},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := applyBesideCanary(t, c.headers)
			if (err != nil) != (c.want == nil) {
				t.Fatal(err)
			}
			if got := list(t, root); err == nil && !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// applyBesideCanary unpacks an archive next to files that must not change, and returns the layer.
func applyBesideCanary(t *testing.T, headers []tar.Header) (string, error) {
	t.Helper()
	outside := t.TempDir()
	root := filepath.Join(outside, "layer")
	for path, text := range map[string]string{"canary": "canary", "f": "f"} {
		if err := os.WriteFile(filepath.Join(outside, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	before := state(t, outside)
	_, err := Apply(context.Background(), root, archive(t, headers...), Options{})
	if after := state(t, outside); !slices.Equal(before, after) {
		t.Errorf("outside changed:\n%q\n%q", before, after)
	}
	return root, err
}

// state describes everything in a directory except "layer".
func state(t testing.TB, dir string) (out []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "layer" {
			continue
		}
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, f.Name()), &st); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(filepath.Join(dir, f.Name()))
		out = append(out, fmt.Sprint(f.Name(), st.Mode, st.Uid, st.Nlink, st.Ino, st.Mtim, string(text)))
	}
	return out
}
