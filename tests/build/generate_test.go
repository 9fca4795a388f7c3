package build

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
)

// A generator writes plausible Dockerfiles: there are only a few names, so that instructions often
// touch files that other instructions created, and most sources exist.
type generator struct {
	*rand.Rand
	out    *generated
	files  *contextModel
	stages []*stageModel
	other  bool // there is another context, with this name
}

// A stageModel records what the generator knows about a stage.
type stageModel struct {
	shell   bool     // it has a shell
	root    bool     // RUN runs as root
	workdir string   // "": unknown
	paths   []string // files and directories that it has
	trigger bool     // the stage has an ONBUILD trigger
}

func (g *generator) stage() *stageModel { return g.stages[len(g.stages)-1] }

// generate generates the case for a seed.
func generate(name string, seed uint64) *generated {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 2)), out: &generated{name: name}}
	g.makeContext()
	if g.other = g.chance(6); g.other {
		g.command("OTHER/d", "echo other > OTHER/a; ln -s ../a OTHER/d/l; echo two > OTHER/d/b; ln OTHER/a OTHER/d/h")
	}
	if g.chance(3) {
		g.line(g.one("# check=skip=all", "# escape=`", "# a comment", "# unknown=directive\n"))
	}
	for g.chance(25) {
		g.line(g.one("ARG VERSION=global", "ARG BASE=base", "ARG NAME", `ARG NAME=global Q="a b"`, "ARG EMPTY="))
	}
	count := 1 + g.IntN(3)
	for n := range count {
		g.from(n)
		for range 2 + g.IntN(5) {
			if g.chance(1) {
				g.line(g.mistake())
			}
			g.line(g.instruction())
		}
	}
	for _, a := range []string{"--build-arg=VERSION=given", "--build-arg=NAME=", "--label=l=cli", "--build-arg=HTTP_PROXY=http://p", "--build-arg=A=x"} {
		if g.chance(8) {
			g.out.args = append(g.out.args, a)
		}
	}
	if g.other {
		g.out.args = append(g.out.args, "--build-context=other=OTHER")
	}
	if count > 1 && g.chance(8) {
		g.out.args = append(g.out.args, fmt.Sprintf("--target=s%d", g.IntN(count)))
	}
	return g.out
}

func (g *generator) line(text string)          { g.out.lines = append(g.out.lines, text) }
func (g *generator) chance(percent int) bool   { return g.IntN(100) < percent }
func (g *generator) one(list ...string) string { return list[g.IntN(len(list))] }

func (g *generator) from(n int) {
	s := &stageModel{root: true, workdir: "/"}
	word := g.one("FROM ", "FROM ", "FROM ", "from ", "FROM --platform=$BUILDPLATFORM ")
	if n > 0 && g.chance(35) {
		i := g.IntN(n)
		*s = *g.stages[i]
		s.paths = slices.Clone(s.paths)
		g.line(fmt.Sprintf("%ss%d AS s%d", word, i, n))
	} else {
		base := g.one("base", "base", "base", "base", "configured", "configured", "scratch", "scratch", "onbuild")
		if base == "onbuild" && !slices.Contains(g.files.visible, "f") { // its trigger copies it
			base = "base"
		}
		switch base {
		case "scratch":
			word = "FROM "
		case "configured":
			s.root, s.workdir = false, "/home/app"
			fallthrough
		default:
			s.shell = true
			s.paths = []string{"/etc/passwd", "/home", "/etc", "/tmp"}
		}
		if slices.Contains(g.out.lines, "ARG BASE=base") && g.chance(50) {
			base = g.one("$BASE", "${BASE}", "${BASE:-scratch}")
			s.shell, s.root, s.workdir = true, true, "/"
		}
		g.line(fmt.Sprintf("%s%s AS s%d", word, base, n))
	}
	g.stages = append(g.stages, s)
}

func (g *generator) instruction() string {
	switch n := g.IntN(40); {
	case n < 19:
		return g.copyFiles()
	case n < 20 && g.stage().shell:
		return g.run()
	case n < 25:
		return g.changeDirectory()
	case n < 29:
		return "ENV " + g.one("NAME=env", "DIR=/var/d VERSION=env", "PATH=/opt/bin:$PATH", "A=$VERSION B=${NAME:-none} C='$A'", "OLD style value", `Q="a b" R=c\ d`,
			"A=1 B=$A", "VERSION=${VERSION:+set}", `A="${VERSION}" B=\$A`, "V1=${VERSION#*l} V2=${VERSION%l*}", "V3=${VERSION/l/L} V4=${NAME-unset}", "EMPTY=", `J='a "b"'`,
			"PWDIR=$PWD", "A=a \\\n  B=b \\\n  # comment\n  C=c", "TARGET=$TARGETARCH")
	case n < 33:
		return "ARG " + g.one("VERSION", "VERSION=stage", "NAME=arg DIR=/argdir", "X=${VERSION}-x", "BASE_VAR=arg", "TARGETARCH", "A", "A=arg", "EMPTY", `Q="x y" R='$A'`, "A=${A:-again}", "BASE", "V=${VERSION:?none}", "SOURCE_DATE_EPOCH=5")
	case n < 34:
		user := g.one("app", "1000", "5:6", "root", "0", "unknown", "app:www-data", "${NOBODY:-app}", "1000:33")
		g.stage().root = user == "root" || user == "0"
		return "USER " + user
	}
	return g.settings()
}

func (g *generator) changeDirectory() string {
	dir := g.one("/w", "sub", "/w/x/y", "..", "$DIR", "/tmp", "${NOTHING:-/def}", "/home/app/", ".", "/x/", "$EMPTY", "rel/../other", `"/quoted"`, "/l2", "/w//d/./")
	s := g.stage()
	switch {
	case strings.ContainsAny(dir, `$"`):
		s.workdir = ""
	case dir[0] == '/':
		s.workdir = path.Clean(dir)
	case s.workdir != "":
		s.workdir = path.Join(s.workdir, dir)
	}
	return "WORKDIR " + dir
}

func (g *generator) settings() string {
	if g.chance(12) {
		g.stage().trigger = true
		return "ONBUILD " + g.one("RUN echo later", "COPY f /ob/", "ENV OB=$VERSION", "WORKDIR /ow", "LABEL ob=1", "ARG OB=arg", "USER app", `CMD ["ob"]`, "ADD . /ob2/", "RUN <<EOF\necho x > /y\nEOF")
	}
	return g.one(
		`LABEL a=$VERSION b="two words"`, "LABEL a=b", "LABEL old style", `LABEL "quoted key"='v' m="multi\`+"\n"+`line"`, `CMD ["a", "b"]`, "CMD echo $NAME", "CMD", `ENTRYPOINT ["/e"]`, "ENTRYPOINT e x",
		"ENTRYPOINT []", "CMD []", `CMD ["a", 'b']`, "EXPOSE 80 443/udp", "EXPOSE ${NAME:-81}", "EXPOSE 90-92", "EXPOSE 127.0.0.1:80:8080", `VOLUME /v`, `VOLUME ["/v", "/data dir"]`, "VOLUME /a /b ${DIR:-/c}",
		"STOPSIGNAL SIGINT", "STOPSIGNAL 9", "STOPSIGNAL ${SIG:-TERM}", "HEALTHCHECK --interval=5s CMD true", "HEALTHCHECK NONE", "HEALTHCHECK --timeout=1m --retries=3 --start-period=2s --start-interval=1s CMD [\"a\"]",
		"HEALTHCHECK CMD a $NAME", `SHELL ["/bin/sh", "-ec"]`, `SHELL ["/bin/sh", "-c"]`, "MAINTAINER me", "maintainer $VERSION",
	)
}

func (g *generator) run() string {
	if !g.stage().root {
		return g.one("RUN echo $VERSION > /tmp/vars", `RUN ["/bin/sh", "-c", "id > /tmp/id"]`, "RUN pwd > /tmp/pwd; stat -c %a:%u:%g . >> /tmp/pwd", "RUN env | grep -v -e HOSTNAME -e OTEL_ -e TRACEPARENT | sort > /tmp/env", "RUN mkdir -p /tmp/x && echo a > /tmp/x/a")
	}
	return g.one(
		"RUN echo $VERSION $NAME > /tmp/vars", "RUN mkdir -p /x/d/s /w && echo run > /x/a", "RUN rm -rf /x /w/d", "RUN ln -sfn /x /l2 && mkdir -p /x", "RUN mkdir -p /x && ln -sfn real /x/l && mkdir -p /x/real",
		"RUN chmod -R 700 /x || true", "RUN echo >> /etc/passwd", "RUN mkdir -p /w && echo one > /w/one && ln -f /w/one /w/two", "RUN pwd > /tmp/pwd", "RUN env | grep -v -e HOSTNAME -e OTEL_ -e TRACEPARENT | sort > /tmp/env",
		"RUN <<EOF\nset -e\necho $VERSION > /tmp/here\nEOF", "RUN --mount=target=/mounted find /mounted ! -name Dockerfile ! -name .dockerignore | sort > /tmp/list", `RUN ["/bin/sh", "-c", "id -u > /tmp/id"]`,
		"RUN --mount=type=cache,target=/mounted echo x > /mounted/f", "RUN --mount=type=tmpfs,target=/mounted touch /mounted/x", "RUN mkdir -p /x && mv /x /y; mkdir -p /x; echo new > /x/n", "RUN rm -f /etc/group; mkdir -p /w/d; touch /w/d/k",
		"RUN mkdir -p /new/dir && chown -R app /new && chmod 2775 /new", "RUN cat <<A > /tmp/1 && cat <<B > /tmp/2\n$VERSION\nA\nb\nB", "RUN <<EOF cat > /tmp/doc\n$NAME\nEOF", "RUN --mount=from=base,source=/etc,target=/mounted cat /mounted/group > /tmp/g",
		"RUN true", "RUN --mount=from=s0,target=/mounted ls /mounted/etc > /tmp/ls || true", "RUN --mount=type=secret,id=none,target=/mounted test ! -e /mounted", "RUN --mount=type=bind,target=/mounted,rw touch /mounted/f && cat /mounted/f > /tmp/f || true", "RUN --network=none echo n > /tmp/n", "RUN echo a \\\n  # comment\n  b > /tmp/ab", "RUN adduser -D new 2>/dev/null || echo new:x:77:88::/:/bin/sh >> /etc/passwd",
	)
}

// mistake returns an instruction that fails with both builders, or that both ignore.
func (g *generator) mistake() string {
	return g.one(
		"COPY missing /x/", "COPY --from=nostage a /x/", "COPY f", "COPY", "ADD", "COPY --chmod=999 f /x/", "COPY --nosuch f /x/", "COPY --from= f /x/", "COPY --chown=a:b:c f /x/", "COPY d* missing /x/",
		"ENV", "ENV A", "ENV =b", "LABEL", "ARG", "ARG =x", "WORKDIR", "USER", "EXPOSE", "EXPOSE abc", "EXPOSE 70000", "VOLUME", "VOLUME []", "STOPSIGNAL", "ONBUILD", "ONBUILD FROM base", "ONBUILD ONBUILD RUN x", "ONBUILD MAINTAINER x",
		"SHELL /bin/sh", "SHELL []", "HEALTHCHECK", "HEALTHCHECK --interval=x CMD y", "HEALTHCHECK --retries=-1 CMD y", "HEALTHCHECK NONE x", "HEALTHCHECK CMD", "NOTHING x", "RUN", "FROM", "FROM base AS", "FROM base AS 1x", "RUN --mount=type=odd x",
		"COPY <<EOF /x/\nno end", "ENV A=${B:?needed}", "ENV A=${", "LABEL a=${x:y}", "COPY f /x/ --link", "COPY f ${NOTHING}", "COPY [\"f\", \"/x/\"", "COPY [] /x/", "CMD [\"a\"", "ENTRYPOINT --x", "ADD --from=s0 f /x/", "COPY ../../f /x/",
		"COPY --link=maybe f /x/", "COPY --chmod=u=q f /x/", "COPY f d /file", "COPY f f /file", "COPY /f/ /x/", "COPY f/. /x/", "COPY f/x /x/", "USER $NOTHING", "WORKDIR $NOTHING", "ENV A= B", "COPY --exclude= d /x/", "ADD --keep-git-dir f /x/",
		"COPY --from=s2 f /x/", "COPY --from=$FOO f /x/", "ARG X=${Y:?err}", "ADD --checksum=sha256:0 f /x/", "ADD --unpack=false f /x/", "COPY --from=s0 --from=s0 f /x/", "STOPSIGNAL NOSUCH", "ARG A=1 B=2 C", "ARG a-b=1", "ENV a-b=1 c.d=2", "RUN --mount=target=relative true", "RUN exit 3",
		"RUN --network=odd true", "RUN --security=odd true", "COPY --from=9 f /x/", "COPY --from=s9 f /x/", "FROM base AS s0", "EXPOSE 80/odd", "EXPOSE 80-70", "HEALTHCHECK --nosuch CMD a", "VOLUME [\"\"]", "COPY --chown= f /x/", "COPY --chmod= f /x/",
	)
}
