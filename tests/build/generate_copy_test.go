package build

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// copyFiles generates COPY or ADD, from the context, a stage, or a here-document.
func (g *generator) copyFiles() string {
	switch n := g.IntN(100); {
	case n < 7:
		return g.copyDocument()
	case n < 16 && len(g.files.all('t')) > 0:
		return fmt.Sprintf("ADD %s%s %s", g.flags("ADD"), g.files.all('t')[0], g.destination(true))
	case n < 32 && len(g.stages) > 1:
		return g.copyFromStage()
	case n < 36 && g.other:
		return fmt.Sprintf("COPY --from=other %s%s %s", g.flags("COPY"), g.one("a", "d", ".", "*", "d/*", "d/l", "a d", "/"), g.destination(true))
	case n < 40:
		return g.copyParents()
	case n < 44:
		return g.copyExcluding()
	}
	word := g.one("COPY", "COPY", "COPY", "COPY", "COPY", "ADD", "copy")
	sources := []string{g.source()}
	for g.chance(20) {
		sources = append(sources, g.source())
	}
	several := len(sources) > 1 || strings.ContainsAny(sources[0], "*?[")
	dest := g.destination(several)
	for _, s := range sources {
		g.record(s, dest)
	}
	if g.chance(7) {
		return fmt.Sprintf("%s %s[\"%s\", \"%s\"]", word, g.flags(word), strings.Join(sources, `", "`), dest)
	}
	for i := range sources {
		sources[i] = strings.ReplaceAll(sources[i], " ", "?")
	}
	return fmt.Sprintf("%s %s%s %s", word, g.flags(word), strings.Join(sources, " "), dest)
}

func (g *generator) copyDocument() string {
	flags := g.flags("COPY")
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf("COPY %s<<'EOF' %s\nliteral $VERSION\nEOF", flags, g.one("/x/here", "here"))
	case 1:
		return fmt.Sprintf("COPY %s<<-EOF %s\n\t\ttabs $NAME\n\tEOF", flags, g.one("/x/here", "here"))
	case 2:
		return fmt.Sprintf("COPY %s<<one <<two %s\n1 ${VERSION:-none}\none\n2\ntwo", flags, g.one("/x/", "/w/here/"))
	case 3:
		return fmt.Sprintf("COPY %s<<EOF f /x/\n$A\nEOF", flags)
	}
	return fmt.Sprintf("%s %s<<EOF %s\n%d $VERSION\nEOF", g.one("COPY", "ADD"), flags, g.one("/x/here", "here", "/w/here/", "/x/l", "/tmp/"), g.IntN(3))
}

func (g *generator) copyFromStage() string {
	i := g.IntN(len(g.stages) - 1)
	from := g.stages[i]
	source := g.one("/", "/*/a", "/x*", "/nothing")
	if len(from.paths) > 0 && !g.chance(6) {
		source = g.one(from.paths...)
		if g.chance(10) {
			source = strings.TrimPrefix(source, "/")
		}
		if dir := path.Dir(source); g.chance(10) && dir != "/" {
			source = dir + "/*"
		}
	}
	if source == "/" && from.shell { // with all of busybox
		source = "/etc"
	}
	name := g.one(fmt.Sprint("s", i), fmt.Sprint("s", i), fmt.Sprint(i))
	if g.chance(8) {
		name, source = "base", g.one("/etc/passwd", "/etc", "/home/app")
	}
	flags := g.flags("COPY")
	if g.chance(8) && source != "/" { // which BuildKit does not copy with --parents
		flags += "--parents "
	}
	dest := g.destination(strings.ContainsAny(source, "*?["))
	g.stage().paths = append(g.stage().paths, strings.TrimSuffix(dest, "/"))
	return fmt.Sprintf("COPY --from=%s %s%s %s", name, flags, source, dest)
}

func (g *generator) copyParents() string {
	sources := []string{g.parentsSource()}
	for g.chance(25) {
		sources = append(sources, g.parentsSource())
	}
	dest := g.one("/x/", "/w/", "./", "/", "/new/dir/", "/etc/")
	return fmt.Sprintf("COPY %s--parents %s %s", g.flags("COPY"), strings.Join(sources, " "), dest)
}

// parentsSource generates a source for --parents, often with a pivot point (/./).
func (g *generator) parentsSource() string {
	name := strings.NewReplacer(" ", "?", "[", "[[]").Replace(g.visible())
	if isRootLink(name) { // BuildKit does not find one that is dangling
		return "f"
	}
	dir, base := path.Split(name)
	switch {
	case dir != "" && g.chance(25):
		return "./" + dir + "./" + base
	case dir != "" && g.chance(15):
		return dir + "*"
	case dir != "" && g.chance(10):
		return "*/" + path.Join(strings.Split(name, "/")[1:]...)
	case g.chance(10):
		return "**/" + base
	}
	return name
}

// isRootLink reports whether a path of the context is a symbolic link in its root directory.
func isRootLink(name string) bool { return name == "l" || name == "m" }

// copyExcluding generates COPY --exclude of directories: for other sources BuildKit excludes nothing.
func (g *generator) copyExcluding() string {
	source := "."
	if slices.ContainsFunc(g.files.visible, isRootLink) {
		source = "[de]"
	}
	if g.files.isDir("d") && slices.Contains(g.files.visible, "d") && g.chance(50) {
		source = "d"
	}
	out := "COPY " + g.flags("COPY")
	for n := g.IntN(3); n >= 0; n-- {
		out += "--exclude=" + g.one("*.md", "d/a", "**/a", "a", "d", "**/s", "s/*", "!s/a", "l", "**/*.txt", "e/") + " "
	}
	if g.chance(15) && source == "d" {
		out += "--parents "
	}
	return out + source + " " + g.one("/x/", "/w", "./")
}

// visible returns a path of the context that .dockerignore does not exclude.
func (g *generator) visible() string {
	if len(g.files.visible) == 0 {
		return "f"
	}
	name := g.one(g.files.visible...)
	if g.files.kinds[name] == 'l' && g.chance(60) { // most links are dangling
		name = g.one(g.files.visible...)
	}
	return name
}

// source returns a path of the context, or a pattern that matches one.
func (g *generator) source() string {
	if g.chance(1) {
		return g.one("missing", "missing*", "d/nothing", "l/a", "$NAME", "**/a", "d/l/a", "a/")
	}
	name := strings.ReplaceAll(g.visible(), "[", "[[]")
	dir, base := path.Split(name)
	switch n := g.IntN(100); {
	case n < 8:
		return "."
	case n < 12 && len(g.files.visible) > 0:
		return "*"
	case n < 18 && g.files.isDir(name):
		return name + "/"
	case n < 26 && len(g.files.below(name)) > 0:
		return name + "/*"
	case n < 32 && len(base) > 1 && base[0] != '.' && base[0] != '[' && g.files.kinds[name] != 'l':
		return dir + base[:1] + "*"
	case n < 36 && len(base) == 1 && base != ".":
		return dir + g.one("?", "[a-"+base+"]", "[^z]", `\`+base)
	case n < 40 && strings.Count(name, "/") == 1 && g.files.kinds[name] != 'l': // BuildKit does not send its target
		return "*/" + base
	case n < 43:
		return "./" + name
	case n < 46:
		return "/" + name
	case n < 48:
		return "../" + name
	case n < 50:
		return "nothing/../" + name
	case n < 53:
		return "${NOTHING:-" + name + "}"
	case n < 55 && !strings.ContainsAny(name, " ["):
		g.line("ARG SRC=" + name)
		return g.one("$SRC", "${SRC}")
	case n < 56 && strings.HasSuffix(name, ".txt"):
		return strings.TrimSuffix(name, "txt") + "t?t"
	}
	return name
}

// destination returns a directory, or the name of a file.
func (g *generator) destination(several bool) string {
	dest := g.one("/x/", "/x/", "/w/", "./", "./", ".", "/", "/x/l/", "/new/dir/", "/w/d/", "/l2/", "/etc/", "/tmp/", "sub/", "../up/", "${NOTHING:-/x/}", "/lib/", "/x//y/./")
	if several && !strings.HasSuffix(dest, "/") {
		dest += "/"
	}
	if !several && g.chance(25) && dest != "." {
		dest = strings.TrimSuffix(dest, "/") + g.one("/a", "/b", "/l", "/d", "/file", "/new/file")
	}
	return dest
}

// record records which paths a source may have created in the stage.
func (g *generator) record(source, dest string) {
	s := g.stage()
	if strings.Contains(dest, "$") {
		return
	}
	if dest[0] != '/' {
		if s.workdir == "" {
			return
		}
		dest = path.Join(s.workdir, dest) + "/"
	}
	if name := path.Clean(dest); name != "/" {
		s.paths = append(s.paths, name)
	}
	if strings.HasSuffix(dest, "/") && !strings.ContainsAny(source, "*?[$\\") {
		if name := path.Clean(strings.TrimLeft(source, "./")); g.files.isDir(name) {
			for _, below := range g.files.below(name) {
				s.paths = append(s.paths, path.Join(dest, strings.ReplaceAll(below, "[", "?")))
			}
		} else {
			s.paths = append(s.paths, path.Join(dest, path.Base(name)))
		}
	}
	for i := range s.paths {
		s.paths[i] = strings.ReplaceAll(s.paths[i], " ", "?")
	}
}

func (g *generator) flags(word string) (out string) {
	for _, f := range []string{"--link ", "--chmod=640 ", "--chmod=u=rwX,g=rX ", "--chmod=a+X,o-w ", "--chmod=4755 ", "--chown=app ", "--chown=7:8 ", "--chown=33 ", "--chown=1000: "} {
		// Not o=: it clears the sticky bit, as in chmod(1), but not in BuildKit (chmod-special in
		// differences.txt).
		byName := f == "--chown=app " && (strings.Contains(out, "--link") || !g.stage().shell)
		if g.chance(4) && !byName && !(strings.HasPrefix(f, "--ch") && strings.Contains(out, f[:6])) {
			out += f
		}
	}
	if word == "ADD" && g.chance(4) {
		out += g.one("--unpack ", "--unpack=false ")
	}
	return out
}
