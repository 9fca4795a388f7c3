// Package solver executes a build graph. It builds every node that the target needs as soon as
// its inputs are ready, runs independent nodes concurrently, and skips nodes whose result is
// in the cache.
//
//	solve.go    Solve: one goroutine per node
//	key.go      what a step depends on → its key (pure)
//	cache.go    records: key → layer
//	imports.go  records of other stores: layers that are fetched when they are needed
//	inputs.go   trees that steps read, and their digests
//	step.go     RUN, COPY, WORKDIR → a layer
//	run.go      RUN: file system, environment, mounts
//	hint.go     suggestions for a source that does not exist
//	program.go  why a program could not be executed
//	history.go  recipes of the last build of this Dockerfile: why a step was not cached
//
// A step has two keys. The first describes its request: the instruction, and the results of
// the steps before it. It is computed without reading any files. If it has no record, the
// second key is computed from the instruction and the content of the files that it would read.
// So a COPY --from=builder is cached even if the builder ran again, as long as the files that
// it copies are the same.
package solver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/build/sshagent"
	"github.com/minirun/minirun/internal/image/store"
)

// A Solver holds what all builds of one command share.
type Solver struct {
	Store    *store.Store
	Runner   *executor.Executor
	Sink     progress.Sink
	Contexts map[string]*contenthash.Tree
	Memo     *contenthash.Memo
	Imports  Imports // nil: no imports
	Secrets  executor.Secrets
	SSH      map[string]*sshagent.Agent                       // by ID
	NoCache  func(stage string) bool                          // nil: the cache is used
	Epoch    *time.Time                                       // SOURCE_DATE_EPOCH
	Several  bool                                             // several platforms: step names include the platform
	Failed   func(n *graph.Node, s *executor.Step, err error) // called when a RUN failed, while its file system still exists

	jobs    chan struct{}
	fetches chan struct{}
	setup   sync.Once
	ids     sync.Mutex
	begun   int
	made    map[digest.Digest]*Record // built by this Solver without using the cache, for its other graphs
	first   sync.Once                 // runs for the first failure only
}

// A Step reports the outcome of a node.
type Step struct {
	Cached  bool
	Reason  string   // why it was cached, or was not
	Changed []string // the changes since the last build
	Key     digest.Digest
	Took    time.Duration
	Made    time.Time         // when its layer was built
	Layer   string            // the directory of its own layer; "": none
	Below   []string          // the directories below it, lowest first
	Shared  *remotecache.Step // for other stores; nil: the step has no layer of its own
	Fetched []Fetched
}

// A Result is the outcome of solving a graph.
type Result struct {
	Layers []export.Layer // lowest first
	Steps  map[int]Step   // by Node.ID
}

// state is the file system after a node.
type state struct {
	result digest.Digest
	layers []export.Layer
	absent []*absent // those of the layers that are in another store, or were; lowest first
}

func (s *state) dirs() []string {
	var out []string
	for _, l := range s.layers {
		out = append(out, l.Dir)
	}
	return out
}

// solving is one call of Solve.
type solving struct {
	*Solver
	cache
	g       *graph.Graph
	last    *history
	mutex   sync.Mutex
	steps   map[int]Step
	results map[*graph.Node]*state
	notes   map[string]note
	numbers map[*graph.Node]int // step numbers
}

// Solve builds what the graph's target needs. Slot identifies the Dockerfile across builds, to
// explain cache misses. The caller must hold the store's shared lock. Several graphs may be
// solved concurrently. After an error nothing remains of the steps that failed; the others are
// cached.
func (s *Solver) Solve(ctx context.Context, g *graph.Graph, slot string) (*Result, error) {
	s.setup.Do(func() {
		s.jobs, s.made = make(chan struct{}, max(4, 2*runtime.NumCPU())), map[digest.Digest]*Record{}
		s.fetches = make(chan struct{}, fetchesAtOnce)
	})
	for {
		r, err := s.solve(ctx, g, slot)
		var bad *unusable
		if !errors.As(err, &bad) {
			return r, err
		}
		s.Imports.Forget(bad.record, bad.err)
	}
}

// solve is one attempt, which Solve repeats if an import turns out to be unusable.
func (s *Solver) solve(ctx context.Context, g *graph.Graph, slot string) (*Result, error) {
	last, err := readHistory(s.Store, slot)
	if err != nil {
		return nil, err
	}
	v := &solving{Solver: s, cache: cache{s.Store, s.Store.Trust()}, g: g, last: last, steps: map[int]Step{}, results: map[*graph.Node]*state{}, notes: map[string]note{}}
	err = v.all(ctx, g.Needed())
	end := v.results[g.Target.Last()]
	if err == nil {
		err = v.need(ctx, end)
	}
	if err := errors.Join(err, v.remember()); err != nil {
		return nil, err
	}
	v.withoutAbsent()
	return &Result{Layers: end.layers, Steps: v.steps}, nil
}

// all waits for every node. The first error stops the others and is the one returned.
func (v *solving) all(ctx context.Context, nodes []*graph.Node) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := map[*graph.Node]chan struct{}{}
	for _, n := range nodes {
		done[n] = make(chan struct{})
	}
	var wait sync.WaitGroup
	for _, n := range nodes {
		wait.Go(func() {
			defer close(done[n])
			for _, i := range n.Inputs() {
				<-done[i]
			}
			if ctx.Err() != nil {
				return
			}
			result, err := v.node(ctx, n)
			if err != nil {
				stop(&Error{Node: n, Err: err})
				return
			}
			v.mutex.Lock()
			v.results[n] = result
			v.mutex.Unlock()
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// An Error is a failure to build a node.
type Error struct {
	Node *graph.Node
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Node.Text, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func (v *solving) of(n *graph.Node) *state {
	if n == nil {
		return &state{result: recipe{{"scratch", ""}}.key()}
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return v.results[n]
}

// node produces the file system after a node.
func (v *solving) node(ctx context.Context, n *graph.Node) (*state, error) {
	switch op := n.Op.(type) {
	case nil:
		return v.of(n.Parent), nil
	case *graph.From:
		return v.from(n, op), nil
	}
	return v.step(ctx, n)
}

func (v *solving) from(n *graph.Node, op *graph.From) *state {
	switch {
	case op.Stage != nil:
		return v.of(op.Stage.Last())
	case op.Image == nil:
		return v.of(nil)
	}
	id := v.begin(n)
	v.Sink.End(id, true, nil)
	i := op.Image
	s := &state{}
	chains := identity.ChainIDs(append([]digest.Digest(nil), i.Config.RootFS.DiffIDs...))
	var top string
	for k, d := range i.Layers {
		s.layers = append(s.layers, export.Layer{Dir: i.Dirs[k], Desc: d, DiffID: i.Config.RootFS.DiffIDs[k], Key: i.Keys[k]})
		top = chains[k].String()
	}
	s.result = recipe{{"image", top}}.key()
	v.note(n, Step{Cached: true, Key: s.result})
	return s
}

// begin shows a step in the progress.
func (v *solving) begin(n *graph.Node) int {
	id := v.number()
	if s, ok := v.Sink.(progress.InputSink); ok {
		s.SetInputs(id, v.shownInputs(n, id))
	}
	v.Sink.Begin(id, v.title(n))
	return id
}

// shownInputs returns the numbers of the steps that a node depends on, and records the node's
// own number for those that depend on it. A node that is not shown is represented by the nodes
// that it is based on.
func (v *solving) shownInputs(n *graph.Node, id int) (out []int) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.numbers == nil {
		v.numbers = map[*graph.Node]int{}
	}
	v.numbers[n] = id
	for _, in := range n.Inputs() {
		for in != nil {
			if number, ok := v.numbers[in]; ok {
				if !slices.Contains(out, number) {
					out = append(out, number)
				}
				break
			}
			if from, ok := in.Op.(*graph.From); ok && from.Stage != nil {
				in = from.Stage.Last()
				continue
			}
			in = in.Parent
		}
	}
	return out
}

// number allocates a number for a step that is shown.
func (v *solving) number() int {
	v.ids.Lock()
	defer v.ids.Unlock()
	v.begun++
	return v.begun
}

// title is the name of a step in buildx's format.
func (v *solving) title(n *graph.Node) string {
	if n.Stage == nil {
		return "[internal] " + n.Text
	}
	at, all := 0, 0
	for _, m := range n.Stage.Nodes {
		if from, ok := m.Op.(*graph.From); m.Op == nil || ok && from.Image == nil && from.Stage == nil {
			continue // it has no files
		}
		if all++; m == n {
			at = all
		}
	}
	where := fmt.Sprintf("%d/%d", at, all)
	if len(v.g.Stages) > 1 {
		where = n.Stage.Label() + " " + where
	}
	if v.Several {
		where = across(n.Stage.Platform, v.g.Platform) + " " + where
	}
	return fmt.Sprintf("[%s] %s", where, n.Text)
}

// across formats the platform of a stage and, if it differs, that of the result:
// linux/amd64->arm64, as buildx does.
func across(stage, result oci.Platform) string {
	from, to := platforms.Format(stage), platforms.Format(result)
	switch {
	case from == to:
		return from
	case stage.OS == result.OS:
		to = strings.TrimPrefix(to, result.OS+"/")
	}
	return from + "->" + to
}

func (v *solving) note(n *graph.Node, s Step) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.steps[n.ID] = s
}

// layerDir is the directory of a layer that a step produced.
func (v *solving) layerDir(hex string) string { return filepath.Join(v.Store.Dir, "layers", hex) }
