package dockerfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
)

func options(args map[string]string) Options {
	return Options{
		Name: "Dockerfile", BuildArgs: args, Build: platforms.DefaultSpec(),
		Platform: oci.Platform{OS: "linux", Architecture: "arm64"},
		Allowed:  func(string) bool { return false },
		Resolve: func(name string, p oci.Platform) (*graph.Image, error) {
			if name == "missing" {
				return nil, fmt.Errorf("no such image")
			}
			i := &graph.Image{Name: name}
			i.Config.Platform = p
			i.Config.Config = docker.DockerOCIImageConfig{ImageConfig: oci.ImageConfig{Env: []string{"PATH=/bin",
				"FROM_BASE=yes"}, Cmd: []string{"base"}}}
			if name == "trigger" {
				i.Config.Config.OnBuild = []string{"COPY a /b", "ENV T=1"}
			}
			return i, nil
		},
	}
}

const twoStages = `ARG BASE=node
ARG VERSION=1
FROM --platform=$BUILDPLATFORM ${BASE}:16 AS builder
ARG VERSION
ARG TARGETARCH
WORKDIR app
COPY package*.json ./
RUN --mount=type=cache,target=.npm npm install $VERSION
RUN <<EOF
echo one
EOF
FROM nobody AS unneeded
RUN false
FROM trigger
ENV X=${FROM_BASE:-no} Y="a b"
ENV X=2 Z=$X
COPY --from=builder /app/dist ./dist/
ENTRYPOINT ["node"]
CMD main $X
`

// TestGraphOfTwoStages: variables, scopes, stages on demand, ONBUILD, the commands of RUN.
func TestGraphOfTwoStages(t *testing.T) {
	f, err := Parse("Dockerfile", []byte(twoStages))
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.Graph(options(map[string]string{"VERSION": "2"}))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, n := range g.Needed() {
		op := ""
		switch o := n.Op.(type) {
		case *graph.Copy:
			op = o.Dest
		case *graph.Run:
			op = fmt.Sprintf("%q %q %s", o.Argv, o.Env, o.Cwd)
		case *graph.Workdir:
			op = o.Path
		}
		fmt.Fprintf(&out, "%s %d %s [%s] %q\n", n.Stage.Label(), n.First, n.Text, op, n.History.CreatedBy)
	}
	config := g.Target.Last().Config.Config
	fmt.Fprintf(&out, "%q %q %q %t\n", config.Env, config.Entrypoint, config.Cmd,
		platforms.Format(g.Stages[0].Platform) == platforms.DefaultString())
	want := `stage-2 14 FROM trigger [] ""
stage-2 14 COPY a /b [/b] "COPY a /b # buildkit"
stage-2 14 ENV T=1 [] "ENV T=1"
stage-2 15 ENV X=yes Y=a b [] "ENV X=yes Y=a b"
stage-2 16 ENV X=2 Z=yes [] "ENV X=2 Z=yes"
builder 3 FROM --platform=$BUILDPLATFORM node:16 AS builder [] ""
builder 4 ARG VERSION=2 [] "ARG VERSION=2"
builder 5 ARG TARGETARCH=arm64 [] "ARG TARGETARCH=arm64"
builder 6 WORKDIR app [/app] "WORKDIR /app"
builder 7 COPY package*.json ./ [/app/] "COPY package*.json ./ # buildkit"
builder 8 RUN --mount=type=cache,target=/app/.npm npm install 2 [["/bin/sh" "-c" "npm install $VERSION"] ["PATH=/bin" "FROM_BASE=yes" "VERSION=2" "TARGETARCH=arm64"] /app] "RUN |2 VERSION=2 TARGETARCH=arm64 /bin/sh -c npm install $VERSION # buildkit"
builder 9 RUN <<EOF (echo one) [["/bin/sh" "-c" "echo one\n"] ["PATH=/bin" "FROM_BASE=yes" "VERSION=2" "TARGETARCH=arm64"] /app] "RUN |2 VERSION=2 TARGETARCH=arm64 /bin/sh -c echo one\n # buildkit"
stage-2 17 COPY --from=builder /app/dist ./dist/ [/dist/] "COPY /app/dist ./dist/ # buildkit"
stage-2 18 ENTRYPOINT ["node"] [] "ENTRYPOINT [\"node\"]"
stage-2 19 CMD ["/bin/sh" "-c" "main $X"] [] "CMD [\"/bin/sh\" \"-c\" \"main $X\"]"
["PATH=/bin" "FROM_BASE=yes" "T=1" "X=2" "Y=a b" "Z=yes"] ["node"] ["/bin/sh" "-c" "main $X"] true
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestErrorsOfGraph(t *testing.T) {
	for text, want := range map[string]string{
		"RUN true":                             "no build stage in current context",
		"FROM $X":                              "should not be blank",
		"FROM a\nFROO b":                       "unknown instruction: FROO",
		"FROM a AS b\nCOPY --from=b x y":       "circular dependency",
		"FROM missing":                         "no such image",
		"FROM a\nRUN --security=insecure true": "not allowed",
		"FROM a AS x\nCOPY --from=y a b\nFROM b AS y\nCOPY --from=x a b": `cannot copy from stage "y"`,
	} {
		f, err := Parse("Dockerfile", []byte(text))
		if err == nil {
			_, err = f.Graph(options(nil))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
