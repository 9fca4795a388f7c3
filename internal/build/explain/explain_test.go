package explain

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/layer"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A maker builds graphs by hand, as package dockerfile would from a Dockerfile.
type maker struct {
	g     *graph.Graph
	nodes int
	line  int
}

func (m *maker) node(s *graph.Stage, text string, op graph.Op, change func(c *docker.DockerOCIImage)) *graph.Node {
	m.line++
	word, _, _ := strings.Cut(text, " ")
	n := &graph.Node{ID: m.nodes, Stage: s, Instruction: word, Text: text, First: m.line, Last: m.line, Op: op}
	m.nodes++
	c := docker.DockerOCIImage{}
	if s != nil && len(s.Nodes) > 0 && s.Last().Config != nil {
		n.Parent = s.Last()
		c = *n.Parent.Config
		c.Config.Env = slices.Clone(c.Config.Env)
		c.Config.Labels = maps.Clone(c.Config.Labels)
	}
	if from, ok := op.(*graph.From); ok && from.Stage != nil {
		c = *from.Stage.Last().Config
	}
	if change != nil {
		change(&c)
	}
	n.Config = &c
	if s != nil {
		s.Nodes = append(s.Nodes, n)
	}
	return n
}

func (m *maker) stage(name, base string, op *graph.From) *graph.Stage {
	s := &graph.Stage{Index: len(m.g.Stages), Name: name, Base: base, Platform: m.g.Platform}
	m.g.Stages = append(m.g.Stages, s)
	text := "FROM " + base
	if name != "" {
		text += " AS " + name
	}
	m.node(s, text, op, func(c *docker.DockerOCIImage) {
		if op != nil && op.Image != nil {
			c.Config.Env = []string{"PATH=/bin"}
			c.Config.WorkingDir = "/"
			c.Config.Cmd = []string{"sh"}
		}
	})
	return s
}

func image(name string, layers ...int64) *graph.From {
	i := &graph.Image{Name: name}
	for _, n := range layers {
		i.Layers = append(i.Layers, oci.Descriptor{Size: n})
	}
	return &graph.From{Image: i}
}

// newReport creates a report from the graph alone: which steps are needed, the result's
// configuration, and the command.
func newReport(g *graph.Graph) *Report {
	r := &Report{Graph: g, Steps: map[int]Step{}}
	for _, n := range g.Needed() {
		r.Steps[n.ID] = Step{Needed: true}
	}
	if c := g.Target.Last().Config; c != nil {
		r.Config = *c
		r.Argv = slices.Concat(c.Config.Entrypoint, c.Config.Cmd)
	}
	return r
}

// sample has a builder, a stage that copies from it, and a stage that is not needed.
func sample() *Report {
	m := &maker{g: &graph.Graph{Platform: oci.Platform{OS: "linux", Architecture: "amd64"}}}
	b := m.stage("builder", "docker.io/library/node:22", image("docker.io/library/node:22", 40e6, 60e6))
	m.node(b, "ARG VERSION=2", nil, nil)
	m.node(b, "WORKDIR /src", &graph.Workdir{Path: "/src"},
		func(c *docker.DockerOCIImage) { c.Config.WorkingDir = "/src" })
	m.node(b, "COPY package.json ./",
		&graph.Copy{Sources: []graph.Source{{Context: graph.MainContext, Path: "package.json"}}}, nil)
	tools := &graph.Node{ID: 100, Instruction: "FROM", Text: "FROM tools", Op: image("example.org/tools:1", 1)}
	m.node(b, "RUN --mount=type=bind,from=example.org/tools:1,target=/t npm install && npm run build <script>",
		&graph.Run{Mounts: []graph.Mount{{Type: "bind", From: tools, Target: "/t"}}}, nil)
	b.Last().Last += 2
	m.line += 2
	m.node(b, "ENV NODE_ENV=production A=1", nil, func(c *docker.DockerOCIImage) {
		c.Config.Env = append(c.Config.Env, "NODE_ENV=production", "A=1")
	})

	docs := &graph.Stage{Index: 1, Name: "docs", Base: "alpine"} // as package dockerfile leaves it
	m.g.Stages = append(m.g.Stages, docs)
	for _, text := range []string{"FROM alpine AS docs", "RUN apk add \x1b[31mmdbook\u202e", "ENV X=1"} {
		m.node(docs, text, nil, nil)
		docs.Last().Config, docs.Last().Parent = nil, nil
	}

	f := m.stage("", "docker.io/library/alpine:3.20", image("docker.io/library/alpine:3.20", 3.6e6))
	from := b.Last()
	m.node(f, "COPY --from=builder /src/dist /src/node_modules /app/",
		&graph.Copy{Sources: []graph.Source{{From: from, Path: "src/dist"}, {From: from, Path: "src/node_modules"}}},
		nil)
	m.node(f, "COPY --from=assets . /app/assets",
		&graph.Copy{Sources: []graph.Source{{Context: "assets", Path: "."}}}, nil)
	m.node(f, "USER node", nil, func(c *docker.DockerOCIImage) { c.Config.User = "node" })
	m.node(f, `ENTRYPOINT ["/app/server"]`, nil, func(c *docker.DockerOCIImage) {
		c.Config.Entrypoint,
			c.Config.Cmd = []string{"/app/server"}, nil
	})
	m.node(f, `CMD ["--port", "80"]`, nil, func(c *docker.DockerOCIImage) { c.Config.Cmd = []string{"--port", "80"} })
	m.g.Target = f

	r := newReport(m.g)
	r.Total = 5230 * time.Millisecond
	set := func(n *graph.Node, s Step) {
		s.Needed = true
		r.Steps[n.ID] = s
	}
	set(b.Nodes[2], Step{Cached: true, Layer: &LayerInfo{Added: 1}})
	set(b.Nodes[3], Step{Time: 210 * time.Millisecond, Key: "sha256:aa", Reason: "an input changed",
		Changed: []string{"package.json: content"},
		Layer: &LayerInfo{Added: 1, Bytes: 1234,
			Largest: []layer.Change{{Path: "src/package.json", What: "added", Size: 1234}}}})
	set(b.Nodes[4], Step{Time: 4200 * time.Millisecond, Reason: "the previous step's result changed",
		Layer: &LayerInfo{Added: 812, Changed: 3, Removed: 1, Bytes: 48e6, Largest: []layer.Change{
			{Path: "src/node_modules/a.node", What: "added", Size: 9e6},
			{Path: "src/node_modules/\x1b[2Jb", What: "added", Size: 4e6},
			{Path: "src/dist/<main>.js", What: "added", Size: 1e6}, {Path: "src/4", What: "added", Size: 1}}}})
	set(f.Nodes[1], Step{Time: 500 * time.Millisecond, Reason: "an input changed",
		Changed: []string{"/src/dist/main.js: content"}, Layer: &LayerInfo{Added: 400, Bytes: 21e6}})
	set(f.Nodes[2], Step{Cached: true, Layer: &LayerInfo{Added: 4, Bytes: 310e3}})
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s (go test -update writes it anew):\n%s", file, got)
	}
}

func TestFormatsMatchGoldenFiles(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *Report) error{
		"sample.txt": func(w io.Writer, r *Report) error { return Text(w, r, false) }, "sample.json": JSON,
		"sample.svg": SVG, "sample.html": HTML,
	} {
		var out bytes.Buffer
		if err := write(&out, sample()); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
		if strings.ContainsAny(out.String(), "\x1b\u202e") && name != "sample.json" {
			t.Errorf("%s has control characters", name)
		}
	}
	var out bytes.Buffer
	if err := Text(&out, sample(), true); err != nil || !strings.Contains(out.String(),
		"\x1b[32m         cached\x1b[0m") {
		t.Errorf("%v, or no colours", err)
	}
}

// The drawing is well-formed XML, and names from the build are escaped as text.
func TestSVGIsXML(t *testing.T) {
	r := sample()
	r.Graph.Stages[0].Name = `"><script>&]]>` + "\x00"
	var out bytes.Buffer
	if err := SVG(&out, r); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(&out); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.StartElement); ok && s.Name.Local == "script" {
			t.Error("a name became an element")
		}
	}
}

func TestJSONHasOnlyDocumentedNames(t *testing.T) {
	var out bytes.Buffer
	if err := JSON(&out, sample()); err != nil {
		t.Fatal(err)
	}
	var d Document
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil || d.Layers != 5 || len(d.Stages) != 3 || d.Stages[1].Needed ||
		!d.Stages[2].Target {
		t.Errorf("%v %+v", err, d)
	}
}

func TestStartExplainsEntrypointAndCmd(t *testing.T) {
	sh := []string{"/bin/sh", "-c"}
	for _, c := range []struct {
		entry, cmd       []string
		form, rule, trap string
	}{
		{nil, nil, "", "no ENTRYPOINT and no CMD", ""},
		{nil, []string{"a"}, "exec", "there is no ENTRYPOINT", ""},
		{nil, append(sh, "a b"), "shell", "there is no ENTRYPOINT", ""},
		{[]string{"a"}, nil, "exec", "are appended", ""},
		{[]string{"a"}, []string{"b"}, "exec", "default arguments", ""},
		{[]string{"a"}, append(sh, "b"), "exec", "default arguments", "CMD is in shell form"},
		{append(sh, "a"), []string{"b"}, "shell", "default arguments", "ENTRYPOINT is in shell form"},
	} {
		r := &Report{Argv: slices.Concat(c.entry, c.cmd)}
		r.Config.Config.Entrypoint, r.Config.Config.Cmd = c.entry, c.cmd
		s := describeStart(r)
		if s.Form != c.form || !strings.Contains(s.Rule, c.rule) || (s.Trap == "") != (c.trap == "") ||
			!strings.Contains(s.Trap, c.trap) {
			t.Errorf("%q %q: %+v", c.entry, c.cmd, s)
		}
	}
	r := &Report{Argv: []string{"bash", "-ec", "x"}}
	r.Config.Config.Shell = []string{"bash", "-ec"}
	if s := describeStart(r); s.Form != "shell" {
		t.Errorf("SHELL is not known: %+v", s)
	}
}

func TestDiffConfigsDescribesEveryField(t *testing.T) {
	a, b := &docker.DockerOCIImage{}, &docker.DockerOCIImage{}
	a.Config.Env, b.Config.Env = []string{"A=1", "B=2", "C=x=y"}, []string{"A=2", "C=x=y", "D="}
	a.Config.Cmd, b.Config.Cmd = []string{"sh"}, []string{}
	b.Config.ExposedPorts = map[string]struct{}{"80/tcp": {}}
	b.Config.Labels = map[string]string{"l": "v"}
	b.Config.Healthcheck = &docker.HealthcheckConfig{Test: []string{"CMD", "a\",\"b"}, Interval: time.Minute}
	var got []string
	for _, c := range diffConfigs(a, b) {
		got = append(got, c.String())
	}
	want := []string{
		"changed Env A from 1 to 2", "removed Env B (was 2)", `set Env D to ""`, "set Labels l to v",
		"added ExposedPorts 80/tcp",
		`removed Cmd (was ["sh"])`, `set Healthcheck to ["CMD", "a\",\"b"] every 1m0s`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// In drawings of any graph no boxes overlap, arrows run from left to right and end at the
// instruction that takes from the source, lanes cross no box, and everything is within bounds.
func TestLayoutBoxesDoNotOverlap(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		m := &maker{g: &graph.Graph{}}
		for i := range 1 + random.IntN(9) {
			op := image("base" + fmt.Sprint(random.IntN(3)))
			if i > 0 && random.IntN(2) == 0 {
				op = &graph.From{Stage: m.g.Stages[random.IntN(i)]}
			}
			s := m.stage("", "base", op)
			for range random.IntN(5) {
				c := &graph.Copy{
					Sources: []graph.Source{{Context: []string{"context", "other"}[random.IntN(2)], Path: "a"}},
				}
				if i > 0 && random.IntN(2) == 0 {
					c.Sources[0] = graph.Source{From: m.g.Stages[random.IntN(i)].Last(), Path: "a"}
				}
				m.node(s, "COPY a b", c, nil)
			}
		}
		m.g.Target = m.g.Stages[len(m.g.Stages)-1]
		checkLayout(t, newReport(m.g).Document())
	}
}

func checkLayout(t *testing.T, d *Document) {
	t.Helper()
	g := computeLayout(d)
	for i, a := range g.boxes {
		if a.x < 0 || a.y < 0 || a.x+a.w > g.width || a.y+a.h > g.height {
			t.Fatalf("%s is outside", a.id)
		}
		for _, b := range g.boxes[i+1:] {
			if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
				t.Fatalf("%s overlaps %s", a.id, b.id)
			}
		}
	}
	if len(g.arrows) != len(d.Edges) {
		t.Fatalf("%d arrows for %d edges", len(g.arrows), len(d.Edges))
	}
	for _, a := range g.arrows {
		for i := 1; i < len(a.path); i++ {
			p, q := a.path[i-1], a.path[i]
			if q.x < p.x {
				t.Fatalf("an arrow runs to the left: %v", a.path)
			}
			for _, b := range g.boxes {
				if p.y == q.y && i%2 == 1 && p.x < b.x+b.w && b.x < q.x && p.y > b.y && p.y < b.y+b.h {
					t.Fatalf("the path %v of %v crosses %s", a.path, a.edge, b.id)
				}
			}
		}
	}
	if !bytes.Equal(renderSVG(d, svgOptions{}), renderSVG(d, svgOptions{})) {
		t.Fatal("the same document is drawn in two ways")
	}
}
