package build

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

const explained = `FROM base AS builder
ARG VERSION=1
WORKDIR /app
COPY package.json ./
RUN echo installed > modules
COPY src src
RUN cp src/main.js built.js

FROM base AS unused
RUN false

FROM base AS runner
COPY --from=builder /app/modules /modules
COPY --from=builder /app/built.js /main.js
ENV MODE=fast
ENTRYPOINT ["cat"]
CMD ["/main.js"]
`

// TestExplainAfterChangedFile: the explanation of a build after one of its files has changed.
func TestExplainAfterChangedFile(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": explained, "package.json": "{}", "src/main.js": "1\n", "src/other.js": "1\n"}, "")
	s.Do("build", "-t", "x", dir)
	change(t, dir, "src/main.js", "two\n")
	text := s.Do("build", "-t", "x", "--explain", "text", dir)
	for _, want := range []string{
		`(?m)^runner for linux/\w+: built in \d+\.\ds, 2 of 3 stages needed\nThe image has 1 layer from its base and 2 layers built here \(14B\); 5 other layers \(\d+B\) not in the image$`,
		`(?m)^  image docker.io/library/base|^  image base +──▶ builder  FROM \(line 1\)$`,
		`(?m)^  builder +──▶ runner +COPY --from /app/modules \(line 13\)$`,
		`(?m)^stage builder: needed by COPY --from in runner \(lines 13, 14\); its layers are not in the image$`,
		`(?m)^stage unused: not needed: the target does not use it with FROM, COPY --from or RUN --mount$`,
		`(?m)^stage runner: the target; its layers are in the image$`,
		`ARG VERSION=1\n +no layer, no metadata: the image does not change\n`,
		`WORKDIR /app\n +layer: 0B, 1 added\n +metadata: set WorkingDir to /app\n +cached: the instruction and its inputs are unchanged\n`,
		`COPY package.json ./\n +layer: 2B, 1 added\n +largest: /app/package.json 2B\n +cached: the files that it reads are unchanged\n`,
		`RUN echo installed > modules\n +layer: 10B, 1 added\n.*\n +cached: the instruction`,
		`COPY src src\n +layer: 6B, 3 added\n +largest: /app/src/main.js 4B, /app/src/other.js 2B\n +built in \d+\.\ds: an input changed\n +src/main.js: changed\n`,
		`RUN cp src/main.js built.js\n.*\n.*\n +built in \d+\.\ds: the previous step's result changed\n`,
		`COPY --from=builder /app/modules /modules\n.*\n.*\n +cached: the files that it reads are unchanged, although the steps that created them ran again\n`,
		`COPY --from=builder /app/built.js /main.js\n.*\n.*\n +built in \d+\.\ds: an input changed\n +app/built.js: changed\n`,
		`ENV MODE=fast\n +metadata only: set Env MODE to fast\n`,
		`CMD        \["/main.js"\]\n  argv       \["cat", "/main.js"\]\n  user root, working directory /, stop signal SIGTERM\n`,
		`Exec form: the program is process 1 and receives the signals\.`,
	} {
		if !regexp.MustCompile(want).MatchString(text + "\n") {
			t.Errorf("it does not say %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Errorf("colours in a pipe: %q", text)
	}
	if got := s.Do("run", "--rm", "--name", testbundle.Prefix+"x", "x"); got != "two" {
		t.Errorf("it runs something else: %q", got)
	}
}

// TestExplainFormatsHaveTheSameFacts: JSON, SVG and HTML contain the same facts; output on a terminal
// is coloured.
func TestExplainFormatsHaveTheSameFacts(t *testing.T) {
	p := testbundle.NewPty(t)
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": explained, "package.json": "{}", "src/main.js": "1\n"}, "")
	var d struct {
		Target string
		Image  struct {
			Base   int `json:"base_layers"`
			Layers int
		}
		Stages []struct {
			Name         string
			Needed       bool
			InImage      bool `json:"in_image"`
			Instructions []struct{ Kind, Instruction string }
		}
		Start struct{ Argv []string }
	}
	if err := json.Unmarshal([]byte(s.Do("build", "--explain", "json", dir)), &d); err != nil {
		t.Fatal(err)
	}
	if d.Target != "runner" || d.Image.Base != 1 || d.Image.Layers != 2 || len(d.Stages) != 3 || strings.Join(d.Start.Argv, " ") != "cat /main.js" {
		t.Errorf("%+v", d)
	}
	for i, want := range []string{"builder true false", "unused false false", "runner true true"} {
		words := strings.Fields(want)
		if s := d.Stages[i]; s.Name != words[0] || s.Needed != (words[1] == "true") || s.InImage != (words[2] == "true") {
			t.Errorf("stage %d is %+v, want %s", i, s, want)
		}
	}
	kinds := map[string]string{"FROM": "base", "COPY": "layer", "RUN": "layer", "WORKDIR": "layer", "ENV": "metadata", "ENTRYPOINT": "metadata", "CMD": "metadata", "ARG": "nothing"}
	for _, i := range append(d.Stages[0].Instructions, d.Stages[2].Instructions...) {
		if kinds[i.Instruction] != i.Kind {
			t.Errorf("%s is %s", i.Instruction, i.Kind)
		}
	}
	drawing := wellFormed(t, s, dir, "x.svg")
	page := wellFormed(t, s, dir, "x.html")
	for _, want := range []string{">builder<", ">runner<", ">unused<", "RUN cp src/main.js", "layer cached", "; not in the image"} {
		if !strings.Contains(drawing, want) {
			t.Errorf("the drawing has no %s", want)
		}
	}
	for _, want := range []string{"<svg", "not in the image", "metadata only: set Entrypoint", "cached: the instruction and its inputs are unchanged"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	for _, no := range []string{"<script", "src=\"http", "href=\"http"} {
		if strings.Contains(page, no) {
			t.Errorf("the page has %s", no)
		}
	}
	s.Minirun("build", "--explain", "x.pdf", dir).Fails(t, "--explain", "text, json, or the name of a file that ends with .svg or .html")
	cmd := s.onTerminal(p, "FROM base\nRUN true\n", "--explain", "text")
	p.Expect("\x1b[1mstage-0 for linux/")
	p.Expect("what the container runs")
	if got := status(t, cmd); got != 0 {
		t.Errorf("status %d", got)
	}
}

// wellFormed writes the explanation to a file, and parses it as XML if it is XML.
func wellFormed(t *testing.T, s *store, dir, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	s.Do("build", "--explain", file, dir)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(string(text))); strings.HasSuffix(name, ".svg"); {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return string(text)
}

// change rewrites a file of a context.
func change(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
