// Package build builds images from Dockerfiles.
//
//	build.go         Build: the main sequence
//	context.go       the Dockerfile and its contexts
//	epoch.go         SOURCE_DATE_EPOCH
//	check.go         mistakes, and checking a Dockerfile without building it
//	call.go          --call: other queries about a Dockerfile
//	internalstep.go  progress of steps that are not instructions
//	images.go        images named by FROM and --from
//	bases.go         base images of a result
//	platforms.go     one graph per platform
//	cache.go         --cache-from and --cache-to
//	output.go        results → outputs
//	provenance.go    attestations about a result; definition.go: about its steps
//	secrets.go       --secret
//	ssh.go           --ssh
//
// Below it, each package has one part:
//
//	dockerfile ─▶ graph ─▶ solver ─▶ export
//	  the text      data     │         │
//	                         │         ├─ the store, archives, directories, registries
//	                         │         └─ layers packed (image/layer)
//	                         ├─ executor     RUN: a container; devices: RUN --device
//	                         ├─ filecopy     COPY, ADD: files into a layer
//	                         └─ contenthash  input files, and their digests; source fetches them
//
// remotecache exports and imports the cache; attest records where an image comes from; progress,
// explain and lint produce the output for the user.
package build

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/devices"
	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/lint"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/build/solver"
	"github.com/minirun/minirun/internal/build/sshagent"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/termtext"
)

// Options come from the command line.
type Options struct {
	Context   string // a directory, a URL, a git repository, or - for standard input
	File      string // the Dockerfile; "": Dockerfile in the context
	Target    string
	BuildArgs map[string]string
	Labels    map[string]string
	Contexts  map[string]string // --build-context NAME=WHERE
	Secrets   executor.Secrets
	SSH       map[string]*sshagent.Agent // by ID
	Platforms []oci.Platform             // none: this machine's
	NoCache   bool
	Without   []string // --no-cache-filter: stages
	Network   string
	Allow     []string
	Devices   devices.Allow // that RUN --device may name
	Hosts     []string
	Limits    graph.Limits
	unset     []string   // global ARGs without a value, whatever their defaults
	Epoch     *time.Time // set by Build from the build argument or ARG SOURCE_DATE_EPOCH
	CacheFrom []remotecache.From
	CacheTo   []remotecache.To

	// Pull fetches an image that is not in the store, or, with --pull, one that may have a
	// newer version. If index is set, the name must refer to the images of all platforms in the
	// store, not only to this one.
	Pull   func(ctx context.Context, name string, p oci.Platform, index bool, shown transfer.Progress) error
	Always bool

	// Checked gets the linter's findings, before anything is built.
	Checked func(*lint.Result)
	// Failed is called when a RUN failed, while its file system still exists.
	Failed func(n *graph.Node, s *executor.Step, err error)
}

// A Builder builds into a store.
type Builder struct {
	Store  *store.Store
	Runner *executor.Executor
	Sink   progress.Sink

	Warnings []error // from builds, to print when the progress is no longer shown

	internals atomic.Int32
}

// A Built is the result for one platform.
type Built struct {
	Platform oci.Platform // as requested: the base of the last stage may have another one
	Graph    *graph.Graph
	Imports  *remotecache.Set
	Inline   bool // the image contains an inline cache
	*solver.Result

	origin *origin
}

// Build builds for every platform. The caller must hold the store's shared lock.
func (b *Builder) Build(ctx context.Context, o Options) (built []Built, file *dockerfile.File, err error) {
	begun := time.Now().UTC()
	in, err := b.loadInputs(ctx, &o)
	if err != nil {
		return nil, nil, err
	}
	defer in.close()
	images := &imageResolver{builder: b, options: &o, found: map[string]*graph.Image{}}
	file, err = ctxio.Do(ctx, func() (*dockerfile.File, error) { return dockerfile.Parse(in.name, in.text) })
	if err != nil {
		// Also report the findings of the lines before the mistake.
		return nil, nil, checkDockerfile(ctx, in, &o, images, err)
	}
	if foreign := dockerfile.ForeignSyntax(in.name, in.text, o.BuildArgs); foreign != nil {
		b.Warnings = append(b.Warnings, foreign)
	}
	if err := b.resolveEpoch(ctx, in, &o, file); err != nil {
		return nil, nil, err
	}
	memo, err := contenthash.OpenMemo(filepath.Join(b.Store.Dir, "build", "memo"))
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, memo.Close()) }()
	for _, t := range in.trees {
		t.Memo = memo
	}
	s := &solver.Solver{
		Store: b.Store, Runner: b.Runner, Sink: b.Sink, Contexts: in.trees, Memo: memo, Secrets: o.Secrets, SSH: o.SSH,
		NoCache: o.noCachePredicate(), Epoch: o.Epoch, Failed: o.Failed,
	}
	imports := b.importCaches(ctx, &o, s)
	defer func() { b.Warnings = append(b.Warnings, imports.Warnings()...) }()
	graphs, err := b.createGraphs(ctx, file, in, &o, images)
	if err := checkDockerfile(ctx, in, &o, images, err); err != nil {
		return nil, file, err
	}
	s.Several = len(graphs) > 1
	slot := in.slot + "\x00" + o.Target
	locate := func(err error) error { return locateError(file, in.name, err) }
	if built, err = solveGraphs(ctx, s, graphs, slot, locate); err != nil {
		return nil, file, err
	}
	from := &origin{inputs: in, options: &o, invocation: rand.Text(), begun: begun, ended: time.Now().UTC()}
	for i := range built {
		built[i].origin, built[i].Imports, built[i].Inline = from, imports, HasInline(o.CacheTo)
	}
	return built, file, nil
}

// solveGraphs solves all graphs concurrently. What they share, such as a stage FROM
// --platform=$BUILDPLATFORM, is built by the first graph that needs it and reused by the
// others. The first error stops all of them and is the one returned, with the place that locate
// adds. slot identifies the Dockerfile and its target across builds.
func solveGraphs(
	ctx context.Context, s *solver.Solver, graphs []*graph.Graph, slot string, locate func(error) error,
) ([]Built, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	built := make([]Built, len(graphs))
	var wait sync.WaitGroup
	for i, g := range graphs {
		wait.Go(func() {
			result, err := s.Solve(ctx, g, slot+"\x00"+platforms.FormatAll(g.Platform))
			if err != nil {
				stop(locate(err))
			}
			built[i] = Built{Platform: g.Platform, Graph: g, Result: result}
		})
	}
	wait.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return built, nil
}

// locateError adds the place in the Dockerfile to an error.
func locateError(file *dockerfile.File, name string, err error) error {
	var failed *solver.Error
	if errors.As(err, &failed) {
		return file.Locate(name, failed.Node, failed.Err)
	}
	return err
}

// noCachePredicate returns a predicate for the stages that must not use the cache.
func (o *Options) noCachePredicate() func(string) bool {
	switch {
	case o.NoCache:
		return func(string) bool { return true }
	case len(o.Without) > 0:
		return func(stage string) bool { return containsFold(o.Without, stage) }
	}
	return nil
}

func containsFold(list []string, what string) bool {
	for _, l := range list {
		if strings.EqualFold(l, what) {
			return true
		}
	}
	return false
}

// Image returns the input from which export creates an image.
func (b *Built) Image(epoch *time.Time) export.Result {
	last := b.Graph.Target.Last()
	r := export.Result{Layers: slices.Clone(b.Layers), Config: *last.Config, Platform: b.Platform, Epoch: epoch}
	if r.Platform.OSVersion == "" && r.Config.OS == r.Platform.OS {
		r.Platform.OSVersion = r.Config.OSVersion // that of the base image
	}
	if r.Platform.OS == "windows" {
		r.Config.Config.WorkingDir = strings.ReplaceAll(r.Config.Config.WorkingDir, "/", `\`)
	}
	r.Config.History, r.Created = b.imageHistory(epoch)
	if b.Inline {
		r.ExtraField, r.ExtraFieldName = b.inlineCache, remotecache.Field
	}
	return r
}

// imageHistory is the base image's history plus one line for each instruction up to the target. The
// times of the lines and of the image are those at which the layers were built, so an image
// that is rebuilt from the cache is identical.
func (b *Built) imageHistory(epoch *time.Time) ([]oci.History, time.Time) {
	var out []oci.History
	var now *time.Time // time of the layer below
	begin := 0         // the first line that is not from a base image
	var stage func(s *graph.Stage)
	stage = func(s *graph.Stage) {
		for _, n := range s.Nodes {
			if from, ok := n.Op.(*graph.From); ok {
				switch {
				case from.Stage != nil:
					stage(from.Stage)
				case from.Image != nil:
					out, now = append(out, from.Image.Config.History...), from.Image.Config.Created
					begin = len(out)
				}
				continue
			}
			h := n.History
			if h.CreatedBy == "" {
				continue
			}
			if made := b.Steps[n.ID].Made; !made.IsZero() {
				now = &made
			}
			h.Created, h.Comment = now, "minirun build"
			h.EmptyLayer = n.Op == nil
			out = append(out, h)
		}
	}
	stage(b.Graph.Target)
	return out, setHistoryTimes(out[begin:], now, epoch, b.origin.begun)
}

// setHistoryTimes sets the time of the instructions before the first layer to that layer's time, or the
// time of all instructions to SOURCE_DATE_EPOCH. It returns the time of the last one.
func setHistoryTimes(lines []oci.History, last, epoch *time.Time, begun time.Time) time.Time {
	if last == nil {
		last = &begun
	}
	next := last
	for i := len(lines) - 1; i >= 0; i-- {
		if epoch != nil {
			lines[i].Created = epoch
		} else if lines[i].Created == nil {
			lines[i].Created = next
		}
		next = lines[i].Created
	}
	if epoch != nil {
		return *epoch
	}
	return *last
}

// QuoteError returns the lines of the Dockerfile that an error refers to, if there are any, and
// the error itself.
func QuoteError(err error) (lines string, cause error) {
	var at *dockerfile.Error
	if !errors.As(err, &at) {
		return "", printable{err}
	}
	return termtext.Text(at.Quote()) + "\n", printable{at.Err}
}

// printable is an error with printable text.
type printable struct{ error }

func (p printable) Error() string { return termtext.Text(p.error.Error()) }

func (p printable) Unwrap() error { return p.error }
