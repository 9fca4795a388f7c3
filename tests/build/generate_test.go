package build

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A generator writes plausible Dockerfiles: names are few, so that instructions meet
// the files of those before them.
type generator struct {
	*rand.Rand
	out    *generated
	stage  int
	stages int
	bases  []string   // of the stages so far
	files  []string   // of the context
	made   [][]string // paths that each stage has
}

// generate makes the case of a seed.
func generate(name string, seed uint64) *generated {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), out: &generated{name: name}}
	g.context()
	g.stages = 1 + g.IntN(3)
	if g.chance(30) {
		g.line("ARG VERSION=global")
	}
	for ; g.stage < g.stages; g.stage++ {
		g.from()
		for range 2 + g.IntN(5) {
			g.line(g.instruction())
		}
	}
	for _, a := range []string{"--build-arg=VERSION=given", "--build-arg=NAME=", "--label=l=cli"} {
		if g.chance(12) {
			g.out.args = append(g.out.args, a)
		}
	}
	return g.out
}

func (g *generator) line(text string)          { g.out.lines = append(g.out.lines, text) }
func (g *generator) chance(percent int) bool   { return g.IntN(100) < percent }
func (g *generator) one(list ...string) string { return list[g.IntN(len(list))] }

// context makes files, links and a .dockerignore.
func (g *generator) context() {
	for range 4 + g.IntN(8) {
		dir := g.one("", "", "d/", "d/", "e/", "d/s/", "lib/", "etc/")
		base := dir + g.one("a", "b", "c.txt", "x.md", ".hidden", "f g")
		make := "mkdir -p ./" + dir + "; "
		switch g.IntN(12) {
		case 0:
			target := g.one("a", "../a", "s", "d", "../d", "nowhere", "/etc/passwd", "/d/a", "../../outside")
			link := dir + g.one("l", "m")
			g.file(make+"ln -sfn "+target+" "+link, link)
		case 1:
			g.file(make + fmt.Sprintf("[ -f %s ] && ln -f %s %sh", g.one("a", "d/a", "b"), g.one("a", "d/a", "b"), dir))
		case 2:
			g.file(make + fmt.Sprintf("mkdir -p ./%s%s", dir, g.one("empty", "s")))
		case 3:
			g.file(make + fmt.Sprintf("chmod %s ./%s", g.one("700", "1777", "750", "2755"), dir))
		default:
			text := make + fmt.Sprintf("echo %s > '%s'", g.one("one", "two", "three"), base)
			if g.chance(20) {
				text += fmt.Sprintf("; chmod %s '%s'", g.one("600", "755", "4755"), base)
			}
			g.file(text, strings.TrimSuffix(dir+"*", "/*"), strings.ReplaceAll(base, " ", "?"))
		}
	}
	if g.chance(10) {
		g.file("mkdir t; mkdir t/in; echo 1 > t/in/f; ln -s f t/in/l; ln t/in/f t/in/h; tar -C t --sort=name --numeric-owner --mtime=@0 -cf - in | gzip -n > t.tgz; rm -r t")
	}
	for range g.IntN(4) * g.IntN(2) {
		g.out.ignore = append(g.out.ignore, g.one("a", "d", "d/*", "**/a", "!d/a", "*.md", "!x.md", "d/s", "l", "**/.hidden", "!**/c.txt", "e/*", "# x", "lib/"))
	}
}

// file adds a command that makes files.
func (g *generator) file(command string, names ...string) {
	g.out.context = append(g.out.context, command)
	g.files = append(g.files, names...)
}

func (g *generator) from() {
	base := g.one("base", "base", "base", "configured", "scratch", "onbuild")
	if base == "onbuild" && g.chance(70) { // its trigger copies a file f
		base = "base"
	}
	if g.stage > 0 && g.chance(30) {
		i := g.IntN(g.stage)
		g.line(fmt.Sprintf("FROM s%d AS s%d", i, g.stage))
		g.bases = append(g.bases, g.bases[i])
		g.made = append(g.made, slices.Clone(g.made[i]))
		return
	}
	g.line(fmt.Sprintf("FROM %s AS s%d", base, g.stage))
	g.bases = append(g.bases, base)
	g.made = append(g.made, nil)
}

func (g *generator) instruction() string {
	switch n := g.IntN(20); {
	case n < 9:
		return g.copyFiles()
	case n < 11 && g.bases[g.stage] == "base":
		return g.run()
	case n < 13:
		return g.one("WORKDIR /w", "WORKDIR sub", "WORKDIR /w/x/y", "WORKDIR ..", "WORKDIR $DIR", "WORKDIR /tmp", "WORKDIR ${NAME:-/def}", "WORKDIR /home/app/")
	case n < 15:
		return g.one("ENV NAME=env", "ENV DIR=/var/d VERSION=env", "ENV PATH=/opt/bin:$PATH", "ENV A=$VERSION B=${NAME:-none} C='$A'", "ENV OLD style value", `ENV Q="a b" R=c\ d`)
	case n < 17:
		return g.one("ARG VERSION", "ARG VERSION=stage", "ARG NAME=arg DIR=/argdir", "ARG X=${VERSION}-x", "ARG BASE_VAR=arg", "ARG TARGETARCH")
	case n < 18:
		return g.one("USER app", "USER 1000", "USER 5:6", "USER root", "USER unknown", "USER app:www-data")
	}
	return g.settings()
}

func (g *generator) settings() string {
	return g.one(
		`LABEL a=$VERSION b="two words"`, "LABEL a=b", `CMD ["a", "b"]`, "CMD echo $NAME", `ENTRYPOINT ["/e"]`, "ENTRYPOINT e x", "EXPOSE 80 443/udp", "EXPOSE $NAME",
		`VOLUME /v`, `VOLUME ["/v", "/data dir"]`, "STOPSIGNAL SIGINT", "STOPSIGNAL 9", "HEALTHCHECK --interval=5s CMD true", "HEALTHCHECK NONE",
		`SHELL ["/bin/sh", "-ec"]`, "ONBUILD RUN echo later", "MAINTAINER me",
	)
}

func (g *generator) run() string {
	return g.one(
		"RUN echo $VERSION $NAME > /tmp/vars", "RUN mkdir -p /x/d/s /w && echo run > /x/a", "RUN rm -rf /x /w/d", "RUN ln -sfn /x /l2 && mkdir -p /x", "RUN mkdir -p /x && ln -sfn real /x/l && mkdir -p /x/real",
		"RUN chmod -R 700 /x || true", "RUN echo >> /etc/passwd", "RUN mkdir -p /w && echo one > /w/one && ln -f /w/one /w/two", "RUN pwd > /tmp/pwd",
		"RUN <<EOF\nset -e\necho $VERSION > /tmp/here\nEOF", "RUN --mount=target=/m find /m ! -name Dockerfile | sort > /tmp/list", `RUN ["/bin/sh", "-c", "id -u > /tmp/id"]`,
		"RUN --mount=type=cache,target=/c echo x > /c/f", "RUN --mount=type=tmpfs,target=/t touch /t/x",
	)
}

// copyFiles is COPY or ADD, of the context, a stage, or a here-document.
func (g *generator) copyFiles() string {
	if g.chance(8) {
		return fmt.Sprintf("COPY %s<<EOF %s\n%d $VERSION\nEOF", g.flags(), g.one("/x/here", "here", "/w/here/", "/x/l"), g.IntN(3))
	}
	word, from := "COPY", ""
	if g.chance(15) {
		word = "ADD"
	}
	sources := []string{g.source()}
	if g.stage > 0 && g.chance(35) {
		i := g.IntN(g.stage)
		word, from = "COPY", fmt.Sprintf("--from=s%d ", i)
		sources = []string{g.one(append([]string{"/etc/passwd", "/x*", "/*/a", "/home"}, g.made[i]...)...)}
	} else {
		for g.chance(20) {
			sources = append(sources, g.source())
		}
	}
	dest := g.one("/x/", "/x/", "/w/", "./", "./", ".", "/", "/x/l/", "/new/dir/", "/w/d/", "/l2/", "/etc/", "/tmp/")
	if len(sources) == 1 && !strings.ContainsAny(sources[0], "*?[") && g.chance(30) {
		dest = strings.TrimSuffix(dest, "/") + g.one("/a", "/b", "/l", "/d", "/file")
	}
	if strings.HasPrefix(dest, "/") {
		g.made[g.stage] = append(g.made[g.stage], dest)
	}
	flags := g.flags()
	if word == "COPY" && g.chance(12) && !slices.ContainsFunc(sources, atRoot) {
		flags += "--parents "
	} else if from == "" && g.chance(5) { // of a directory: elsewhere BuildKit excludes nothing
		flags += g.one("--exclude=*.md ", "--exclude=d/a ", "--exclude=**/a ")
		sources = []string{"."}
	}
	return word + " " + from + flags + strings.Join(sources, " ") + " " + dest
}

// atRoot reports whether a source may be the context or a dangling link in its root,
// which BuildKit does not find with --parents.
func atRoot(source string) bool { return slices.Contains([]string{".", "*", "l", "m"}, source) }

func (g *generator) source() string {
	if len(g.files) > 0 && g.chance(70) {
		return g.one(g.files...)
	}
	return g.one("a", "b", "d", "d", "d/", "e", "d/s", ".", ".", "*", "d/*", "*.txt", "[ab]", "*/a", "d/a", "l", "d/l", "lib", "etc", "c.txt", "t.tgz", "$NAME", "${NAME:-a}", "missing*", "**/a", "d/./s", "./d/./a", "e/?")
}

func (g *generator) flags() (out string) {
	for _, f := range []string{"--link ", "--chmod=640 ", "--chmod=u=rwX,go=rX ", "--chown=app ", "--chown=7:8 ", "--chown=33 "} {
		if g.chance(5) && !(strings.HasPrefix(f, "--ch") && strings.Contains(out, f[:6]) || f == "--chown=app " && strings.Contains(out, "--link")) {
			out += f
		}
	}
	return out
}
