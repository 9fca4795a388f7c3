// Package solver executes a build graph. It builds every node that the target needs as soon as
// its inputs are ready, runs independent nodes concurrently, and skips nodes whose result is
// in the cache.
//
//	solver.go   Solve: one goroutine per node
//	step.go     one step: the two cache lookups, then RUN, COPY or WORKDIR → a layer
//	key.go      what a step depends on → its key (pure)
//	cache.go    records: key → layer
//	imports.go  records of other stores: layers that are fetched when they are needed
//	inputs.go   trees that steps read, and their digests
//	build.go    RUN, COPY, WORKDIR → a layer
//	run.go      RUN: file system, environment, mounts
//	progress.go the numbers and titles of steps
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
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

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
	Failed   func(n *graph.Node, s *executor.Step, err error) // called while the file system exists

	setup        sync.Once
	jobs         chan struct{} // limits the steps that run at once
	fetches      chan struct{} // limits the layers that are fetched at once
	firstFailure sync.Once

	mutex   sync.Mutex
	numbers int                       // of steps that are shown
	built   map[digest.Digest]*Record // by this Solver, for its other graphs, even without the cache
}

// A Step reports the outcome of a node.
type Step struct {
	Cached  bool
	Reason  string   // why it was cached, or was not
	Changed []string // the changes since the last build
	Key     digest.Digest
	Took    time.Duration
	Made    time.Time         // when its layer was built
	Layer   string            // the directory of its layer; "": none
	Below   []string          // the directories below it, lowest first
	Shared  *remotecache.Step // for other stores; nil: the step has no layer
	Fetched []Fetched
}

// A Result is the outcome of solving a graph.
type Result struct {
	Layers []export.Layer // lowest first
	Steps  map[int]Step   // by Node.ID
}

// A snapshot is the file system after a node.
type snapshot struct {
	result digest.Digest
	layers []export.Layer
	lazy   []*lazyLayer // those of the layers that are in another store, or were; lowest first
}

func (s *snapshot) dirs() []string {
	var out []string
	for _, l := range s.layers {
		out = append(out, l.Dir)
	}
	return out
}

// A graphSolver solves one graph.
type graphSolver struct {
	shared  *Solver
	cache   recordCache
	graph   *graph.Graph
	history *history // of the last build

	mutex   sync.Mutex
	steps   map[int]Step
	results map[*graph.Node]*snapshot
	recipes map[place]historyEntry // of this build
	numbers map[*graph.Node]int    // step numbers
}

// Solve builds what the graph's target needs. Slot identifies the Dockerfile across builds, to
// explain cache misses. The caller must hold the store's shared lock. Several graphs may be
// solved concurrently. After an error nothing remains of the steps that failed; the others are
// cached.
func (s *Solver) Solve(ctx context.Context, g *graph.Graph, slot string) (*Result, error) {
	s.setup.Do(func() {
		s.jobs, s.built = make(chan struct{}, max(4, 2*runtime.NumCPU())), map[digest.Digest]*Record{}
		s.fetches = make(chan struct{}, fetchesAtOnce)
	})
	for {
		r, err := s.solve(ctx, g, slot)
		var bad *importError
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
	one := &graphSolver{
		shared: s, cache: recordCache{s.Store, s.Store.Trust()}, graph: g, history: last,
		steps: map[int]Step{}, results: map[*graph.Node]*snapshot{}, recipes: map[place]historyEntry{},
		numbers: map[*graph.Node]int{},
	}
	err = one.solveNodes(ctx, g.Needed())
	end := one.results[g.Target.Last()]
	if err == nil {
		err = one.fetchLayers(ctx, end)
	}
	if err := errors.Join(err, one.writeHistory()); err != nil {
		return nil, err
	}
	one.omitUnfetched()
	return &Result{Layers: end.layers, Steps: one.steps}, nil
}

// solveNodes waits for every node. The first error stops the others and is the one returned.
func (g *graphSolver) solveNodes(ctx context.Context, nodes []*graph.Node) error {
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
			result, err := g.solveNode(ctx, n)
			if err != nil {
				stop(&Error{Node: n, Err: err})
				return
			}
			g.mutex.Lock()
			g.results[n] = result
			g.mutex.Unlock()
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

func (g *graphSolver) snapshotOf(n *graph.Node) *snapshot {
	if n == nil {
		return &snapshot{result: recipe{{Kind: scratchKind}}.key()}
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.results[n]
}

// solveNode produces the file system after a node.
func (g *graphSolver) solveNode(ctx context.Context, n *graph.Node) (*snapshot, error) {
	switch op := n.Op.(type) {
	case nil:
		return g.snapshotOf(n.Parent), nil
	case *graph.From:
		return g.solveFrom(n, op), nil
	}
	return g.solveStep(ctx, n)
}

func (g *graphSolver) solveFrom(n *graph.Node, op *graph.From) *snapshot {
	switch {
	case op.Stage != nil:
		return g.snapshotOf(op.Stage.Last())
	case op.Image == nil:
		return g.snapshotOf(nil)
	}
	id := g.beginStep(n)
	g.shared.Sink.End(id, true, nil)
	i := op.Image
	s := &snapshot{}
	chains := identity.ChainIDs(append([]digest.Digest(nil), i.Config.RootFS.DiffIDs...))
	var top string
	for k, d := range i.Layers {
		s.layers = append(s.layers, export.Layer{Dir: i.Dirs[k], Desc: d, DiffID: i.Config.RootFS.DiffIDs[k], Key: i.Keys[k]})
		top = chains[k].String()
	}
	s.result = recipe{{Kind: imageKind, Value: top}}.key()
	g.recordStep(n, Step{Cached: true, Key: s.result})
	return s
}

func (g *graphSolver) recordStep(n *graph.Node, s Step) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.steps[n.ID] = s
}

// layerDir is the directory of a layer that a step produced.
func (g *graphSolver) layerDir(hex string) string {
	return filepath.Join(g.shared.Store.Dir, "layers", hex)
}
