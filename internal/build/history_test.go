package build

import (
	"slices"
	"testing"
	"time"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/solver"
)

// TestHistoryTimes: an instruction without a layer has the time of the layer before it, or else that
// of the first layer; SOURCE_DATE_EPOCH replaces all of them, and not those of the base image.
func TestHistoryTimes(t *testing.T) {
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	begun, epoch := at(100), at(7)
	const base, one, two = 1, 10, 20
	for _, c := range []struct {
		name    string
		base    bool // FROM an image with one line of history
		layers  []int64
		epoch   *time.Time
		want    []int64
		created int64
	}{
		{"layers", false, []int64{one, two}, nil, []int64{one, two}, two},
		{"metadata between", false, []int64{one, 0, two, 0}, nil, []int64{one, one, two, two}, two},
		{"metadata first", false, []int64{0, 0, two}, nil, []int64{two, two, two}, two},
		{"metadata only", false, []int64{0}, nil, []int64{100}, 100},
		{"metadata on a base", true, []int64{0}, nil, []int64{base, base}, base},
		{"SOURCE_DATE_EPOCH", true, []int64{one, 0}, &epoch, []int64{base, 7, 7}, 7},
	} {
		g := &graph.Graph{Target: &graph.Stage{}}
		from := &graph.From{}
		if c.base {
			created := at(base)
			from.Image = &graph.Image{}
			from.Image.Config.History, from.Image.Config.Created = []oci.History{{Created: &created}}, &created
		}
		g.Target.Nodes = []*graph.Node{{Op: from}}
		steps := map[int]solver.Step{}
		for i, made := range c.layers {
			n := &graph.Node{ID: i + 1, History: oci.History{CreatedBy: "x"}}
			if made > 0 {
				n.Op = &graph.Run{}
				steps[n.ID] = solver.Step{Made: at(made)}
			}
			g.Target.Nodes = append(g.Target.Nodes, n)
		}
		b := &Built{Graph: g, Result: &solver.Result{Steps: steps}, origin: &origin{begun: begun}}
		lines, created := b.imageHistory(c.epoch)
		var got []int64
		for _, l := range lines {
			got = append(got, l.Created.Unix())
		}
		if !slices.Equal(got, c.want) || created.Unix() != c.created {
			t.Errorf("%s: %v, created %d; want %v, %d", c.name, got, created.Unix(), c.want, c.created)
		}
	}
}
