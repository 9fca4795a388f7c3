package dockerfile

import (
	"reflect"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
)

// everyInstruction uses a variable in each place where an instruction expands one.
const everyInstruction = `FROM base
ARG TARGETARCH
ARG PROTO=udp SIGNAL=9 MODE=644
ENV A=$TARGETARCH
LABEL l=$TARGETARCH
USER $TARGETARCH
WORKDIR /$TARGETARCH
EXPOSE 80/$PROTO
VOLUME /$TARGETARCH
STOPSIGNAL $SIGNAL
COPY --chown=$TARGETARCH --chmod=$MODE --exclude=$TARGETARCH --from=other /$TARGETARCH /to/$TARGETARCH
COPY <<TEXT /$TARGETARCH
$TARGETARCH
TEXT
ADD --chown=$TARGETARCH --exclude=$TARGETARCH /$TARGETARCH /to/$TARGETARCH
RUN --mount=type=cache,id=$TARGETARCH,target=/c/$TARGETARCH true
CMD echo $TARGETARCH
`

// TestGraphsOfOneFile: the graph of one platform does not change the parsed Dockerfile, so the graph
// of the next platform equals that of a Dockerfile that was parsed for it.
func TestGraphsOfOneFile(t *testing.T) {
	parse := func() *File {
		f, err := Parse("Dockerfile", []byte(everyInstruction))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	convert := func(f *File, arch string) *graph.Graph {
		o := options(nil)
		o.Platform = oci.Platform{OS: "linux", Architecture: arch}
		g, err := f.Graph(o)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	f := parse()
	for _, arch := range []string{"arm64", "amd64", "arm64"} {
		got, want := convert(f, arch), convert(parse(), arch)
		for i, n := range want.Target.Nodes {
			m := got.Target.Nodes[i]
			if m.Text != n.Text || !reflect.DeepEqual(m.Op, n.Op) || !reflect.DeepEqual(m.Config, n.Config) {
				t.Errorf("%s: %s\n%+v\nwant %s\n%+v", arch, m.Text, m.Op, n.Text, n.Op)
			}
		}
	}
	for i, c := range parse().stages[0].Commands {
		if got := f.stages[0].Commands[i]; got.Name() != "RUN" && !reflect.DeepEqual(got, c) {
			t.Errorf("the parsed %s changed: %+v, want %+v", c.Name(), got, c)
		}
	}
}
