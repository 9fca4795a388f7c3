package build

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestWorkshopNginx: Debian with nginx and a HEALTHCHECK, built without a network from a base image
// that has nginx's packages. The container becomes healthy, and unhealthy when nginx is stopped.
func TestWorkshopNginx(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	s.Do("import", testbundle.DebianNginx(t), "made")
	s.image("debian:bookworm", "FROM made\nRUN dpkg --purge $(dpkg-query -W -f '${Package}\\n' '*nginx*') && rm -rf /etc/apt/sources.list* && echo 'deb [trusted=yes] file:/debs ./' > /etc/apt/sources.list\n")
	s.image("web", `FROM debian:bookworm
RUN apt-get update && apt-get install -y nginx
COPY index.html /var/www/html/
EXPOSE 80
HEALTHCHECK --interval=300ms --timeout=5s --retries=2 CMD curl -fsS http://127.0.0.1/ || exit 1
CMD ["sh", "-c", "nginx && exec sleep 1000"]
`, "index.html", "built by minirun\n")
	id := testbundle.Prefix + "web"
	s.Do("run", "-d", "--name", id, "web")
	defer s.Minirun("rm", "-f", id)
	health := func(want string) {
		t.Helper()
		testbundle.Await(t, want, func() bool { return strings.Contains(s.Minirun("ps").Stdout, "("+want) })
	}
	health("healthy")
	if got := s.Do("exec", id, "curl", "-fsS", "http://127.0.0.1/"); got != "built by minirun" {
		t.Errorf("the page is %q", got)
	}
	s.Do("exec", id, "nginx", "-s", "stop")
	health("unhealthy")
	s.Do("exec", id, "nginx")
	health("healthy")
}

// image builds an image without a network; files alternates names and contents.
func (s *store) image(name, dockerfile string, files ...string) {
	s.T.Helper()
	context := map[string]string{"Dockerfile": dockerfile}
	for i := 0; i < len(files); i += 2 {
		context[files[i]] = files[i+1]
	}
	s.Do("build", "--network", "none", "--tag", name, contextDir(s.T, context, ""))
}

// nodeDockerfile is the workshop's. The three paths of COPY --from should be in the builder's
// WORKDIR, but do not begin with it.
const nodeDockerfile = `FROM node:16 AS builder
WORKDIR /app
COPY package*.json ./
RUN npm install
COPY . .
RUN npm run build

FROM alpine:3.22.1 AS runner
COPY --from=builder dist ./
COPY --from=builder node_modules ./
COPY --from=builder package.json ./
ENTRYPOINT ["node"]
CMD ["dist/main/server"]
`

// TestWorkshopNode: the multi-stage build first fails, and the error suggests the correct lines; with
// these it builds, without another npm install, and the image runs. node and npm are scripts that do
// only what the build needs; TestWorkshopNodeBig uses the real programs.
func TestWorkshopNode(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	s.image("node:16", `FROM base
COPY --chmod=755 <<'NPM' /bin/npm
#!/bin/sh -e
case $1 in
install) mkdir -p node_modules/greet; echo 'echo hello from greet' > node_modules/greet/index.js ;;
run) mkdir -p dist/main; cp src/server.js dist/main/ ;;
esac
NPM
`)
	s.image("alpine:3.22.1", "FROM base\nCOPY --chmod=755 <<'NODE' /bin/node\n#!/bin/sh\n. ./$1.js\nNODE\n")
	s.correctsNode(map[string]string{
		"package.json": `{"name": "app", "version": "1.0.0"}`, "src/server.js": ". ./node_modules/greet/index.js\ncat package.json\n",
	})
	if got := s.Do("run", "--rm", "--name", testbundle.Prefix+"app", "app"); !strings.HasPrefix(got, "hello from greet\n{") {
		t.Errorf("it prints %q", got)
	}
}

// TestWorkshopNodeBig does the same with Debian's Node. The application serves a request.
func TestWorkshopNodeBig(t *testing.T) {
	if os.Getenv("MINIRUN_BIG") == "" {
		t.Skip("needs MINIRUN_BIG=1: Debian with npm takes a minute to make, and 430 MB")
	}
	testbundle.Need(t)
	s := newStore(t)
	s.Do("import", testbundle.Debian(t, "npm", "nodejs,npm"), "made")
	// A package that npm can install without a registry.
	s.image("node:16", "FROM made\nWORKDIR /opt/greet\nCOPY package.json index.js ./\nRUN npm pack --pack-destination /opt\nWORKDIR /\n",
		"package.json", `{"name": "greet", "version": "1.0.0", "main": "index.js"}`, "index.js", "module.exports = () => 'hello from greet'\n")
	s.image("alpine:3.22.1", `FROM made AS node
RUN mkdir -p /out/usr/bin /out/usr/share && cp --parents -L $(ldd /usr/bin/node | grep -o '/[^ ]*') /out && cp -L /usr/bin/node /out/usr/bin/ && cp -a /usr/share/nodejs /out/usr/share/
FROM scratch
COPY --from=node /out /
`)
	s.correctsNode(map[string]string{
		"package.json": `{"name": "app", "version": "1.0.0", "scripts": {"build": "node build.js"}, "dependencies": {"greet": "file:/opt/greet-1.0.0.tgz"}}`,
		"build.js":     "const fs = require('fs'); fs.mkdirSync('dist/main', {recursive: true}); fs.copyFileSync('src/server.js', 'dist/main/server.js')\n",
		"src/server.js": `const greet = require('greet')
require('http').createServer((request, response) => response.end(greet() + ' at ' + request.url + '\n')).listen(3000, '127.0.0.1')
`,
	})
	in := testbundle.Network(t, s.Bundle)
	id := testbundle.Prefix + "app"
	in("minirun", "run", "-d", "--name", id, "--network", "host", "app").Exit(t, 0)
	defer in("minirun", "rm", "-f", id)
	page := ""
	testbundle.Await(t, "the server", func() bool {
		r := in("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:3000/x")
		page = r.Stdout
		return r.Status == 0
	})
	if page != "hello from greet at /x\n" {
		t.Errorf("it serves %q", page)
	}
}

// correctsNode builds the workshop's Dockerfile, which fails, and then a version in which the wrong
// lines are replaced with the suggested ones, as the image app.
func (s *store) correctsNode(files map[string]string) {
	s.T.Helper()
	dir := contextDir(s.T, files, "")
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			s.T.Fatal(err)
		}
	}
	write(nodeDockerfile)
	r := s.Minirun("build", "--network", "none", "--tag", "app", dir)
	r.Fails(s.T, `"/dist" not found in stage builder`, "paths in --from begin at the root of stage builder, not at its WORKDIR /app", "   9 | >>> COPY --from=builder dist ./")
	_, offered, _ := strings.Cut(r.Stderr, "Write instead:\n")
	right := regexp.MustCompile(`(?m)^    (COPY .*)$`).FindAllStringSubmatch(offered, -1)
	wrong := regexp.MustCompile(`(?m)^COPY --from=.*$`)
	if len(right) != len(wrong.FindAllString(nodeDockerfile, -1)) {
		s.T.Fatalf("offered are %q", right)
	}
	write(wrong.ReplaceAllStringFunc(nodeDockerfile, func(string) string {
		line := right[0][1]
		right = right[1:]
		return line
	}))
	r = s.Minirun("build", "--network", "none", "--tag", "app", dir)
	r.Exit(s.T, 0)
	if !regexp.MustCompile(`(?m)RUN npm install\n#\d+ CACHED$`).MatchString(r.Stderr) {
		s.T.Errorf("npm install has run again:\n%s", r.Stderr)
	}
}
