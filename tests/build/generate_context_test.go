package build

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
)

// A contextModel knows which paths a generated context has, so that most instructions
// name files that exist.
type contextModel struct {
	kinds   map[string]byte // by path: f, d, l (a symbolic link), p (a pipe), or t (an archive)
	visible []string        // the paths that .dockerignore does not exclude, sorted
}

func (m *contextModel) isDir(name string) bool { return m.kinds[name] == 'd' }

// add records a path and its parents. It returns false if the path exists.
func (m *contextModel) add(name string, kind byte) bool {
	if m.kinds[name] != 0 {
		return false
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if m.kinds[dir] != 0 && m.kinds[dir] != 'd' {
			return false
		}
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		m.kinds[dir] = 'd'
	}
	m.kinds[name] = kind
	return true
}

// all returns the paths of a kind, sorted.
func (m *contextModel) all(kind byte) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(m.kinds)) {
		if m.kinds[name] == kind {
			out = append(out, name)
		}
	}
	return out
}

// below returns the paths in a directory, relative to it.
func (m *contextModel) below(dir string) (out []string) {
	for _, name := range m.visible {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			out = append(out, rest)
		}
	}
	return out
}

// makeContext writes commands for files, links, archives and a .dockerignore.
func (g *generator) makeContext() {
	g.files = &contextModel{kinds: map[string]byte{}}
	g.makeFile("f", "one") // the trigger of the image onbuild copies this file
	for range 5 + g.IntN(9) {
		g.makeEntry()
	}
	if g.chance(30) {
		g.makeArchive()
	}
	for g.chance(15) {
		if names := g.files.all('f'); len(names) > 0 {
			g.command("", fmt.Sprintf("touch -d 2019-01-0%d '%s'", 1+g.IntN(3), g.one(names...)))
		}
	}
	g.makeIgnore()
}

// command adds a command that needs a directory; "./" is the context.
func (g *generator) command(dir, text string) {
	dir = path.Clean(dir)
	if dir == "." {
		dir = ""
	}
	g.out.context = append(g.out.context, entry{dir, text})
}

func (g *generator) makeFile(name, text string) {
	if g.files.add(name, 'f') {
		g.command(path.Dir(name), fmt.Sprintf("echo %s > '%s'", text, name))
	}
}

func (g *generator) makeEntry() {
	dir := g.one("", "", "d/", "d/", "e/", "d/s/", "lib/", "etc/", "d/s/t/", "e/d/")
	switch g.IntN(15) {
	case 14:
		if name := dir + "p"; g.chance(15) && g.files.add(name, 'p') {
			g.command(dir, "mkfifo ./"+name)
		}
	case 0, 1:
		name := dir + g.one("l", "m")
		target := g.one("a", "b", "../a", "s", "d", "../d", "nowhere", "/etc/passwd", "/d/a", "../../outside", ".", "..", "./../a", "l") // Not s/../a: BuildKit finds it without s.
		if g.files.add(name, 'l') {
			g.command(dir, fmt.Sprintf("ln -s %s %s", target, name))
		}
	case 2, 3:
		if files := g.files.all('f'); len(files) > 0 && g.files.add(dir+"h", 'f') {
			g.command(dir, fmt.Sprintf("ln '%s' %sh", g.one(files...), dir))
		}
	case 4:
		if name := dir + g.one("empty", "s"); g.files.add(name, 'd') {
			g.command(name, "")
		}
	case 5:
		if dirs := g.files.all('d'); len(dirs) > 0 {
			g.command("", fmt.Sprintf("chmod %s %s", g.one("700", "1777", "750", "750"), g.one(dirs...))) // not 2755: what BuildKit makes in it later inherits the bit
		}
	case 6:
		if files := g.files.all('f'); len(files) > 0 {
			g.command("", fmt.Sprintf("chmod %s '%s'", g.one("600", "755", "4755", "444"), g.one(files...)))
		}
	default:
		g.makeFile(dir+g.one("a", "b", "c.txt", "x.md", ".hidden", "f g", "[z]", "a.txt"), g.one("one", "two", "three"))
	}
}

// makeArchive packs a small separate tree, in one of the formats that ADD unpacks.
func (g *generator) makeArchive() {
	name, filter := "t.tar", "cat"
	switch g.IntN(5) {
	case 0:
		name, filter = "t.tgz", "gzip -n"
	case 1:
		name, filter = "d/t.tar.xz", "xz"
	case 2:
		name, filter = "t.tar.bz2", "bzip2"
	}
	if !g.files.add(name, 't') {
		return
	}
	make := []string{"mkdir -p t/in t/x"}
	for _, command := range []string{
		"echo 1 > t/in/f", "ln -s f t/in/l", "echo 2 > t/in/g; ln t/in/g t/in/h", "mkdir -p t/d/s; echo 3 > t/d/s/a; chmod 700 t/d", "ln -s in t/lib",
		"chown 7:8 t/in", "echo 4 > t/a; chmod 4755 t/a", "ln -s /etc t/x/e", "mkdir t/empty; chmod 1777 t/empty", "ln -s nowhere t/m", "echo 5 > t/x/a",
	} {
		if g.chance(40) {
			make = append(make, command)
		}
	}
	members := g.one(".", ".", "*", "in x", "in x in", "x ./in")
	make = append(make, fmt.Sprintf("(cd t && tar %s--sort=name --numeric-owner --mtime=@%d -cf - %s) | %s > %s; rm -r t",
		g.one("", "", "--format=pax ", "--format=ustar ", "--hard-dereference "), g.IntN(2)*1e9, members, filter, name))
	g.command(path.Dir(name), strings.Join(make, "; "))
}

func (g *generator) makeIgnore() {
	for range g.IntN(5) * g.IntN(2) {
		g.out.ignore = append(g.out.ignore, g.one("a", "d", "d/*", "**/a", "!d/a", "*.md", "!x.md", "d/s", "l", "m", "**/.hidden", "!**/c.txt", "e/*",
			"# x", "lib/", "/b", "./e/a", "**", "!d/s/**", "d/s/../a", "*/s", "**/*.txt", "!e", "[ab]", "?", "d/l", "**/l", "!f", ""))
	}
	patterns := slices.DeleteFunc(slices.Clone(g.out.ignore), func(p string) bool { return p == "" || p[0] == '#' })
	matcher, err := patternmatcher.New(patterns)
	for _, name := range slices.Sorted(maps.Keys(g.files.kinds)) {
		if err == nil {
			if ignored, err := matcher.MatchesOrParentMatches(name); err == nil && ignored {
				continue
			}
		}
		g.files.visible = append(g.files.visible, name)
	}
}
