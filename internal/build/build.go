// Package build makes images of Dockerfiles.
//
//	build.go     Build: a table of contents
//	context.go   the Dockerfile and what it may read
//	images.go    images that FROM and --from name
//
// Below it, each package owns one part:
//
//	dockerfile ─▶ graph ─▶ solve ─▶ export
//	  the text      data     │        │
//	                         │        ├─ the store, archives, directories, registries
//	                         │        └─ layers packed (image/layer)
//	                         ├─ run      RUN: a container
//	                         ├─ place    COPY, ADD: files into a layer
//	                         └─ tree     what is read, and its digests; source makes it
//
// progress, explain and lint are what people see.
package build

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/build/run"
	"github.com/minirun/minirun/internal/build/solve"
	"github.com/minirun/minirun/internal/build/tree"
	"github.com/minirun/minirun/internal/image/ingest"
)

// Options are what the command line says.
type Options struct {
	Context   string // a directory, a URL, a git repository, or - for standard input
	File      string // the Dockerfile; "": Dockerfile in the context
	Target    string
	BuildArgs map[string]string
	Labels    map[string]string
	Contexts  map[string]string // --build-context NAME=WHERE
	Secrets   run.Secrets
	SSH       map[string]string // sockets of agents, by ID
	Platforms []oci.Platform    // none: this machine's
	NoCache   bool
	Without   []string // --no-cache-filter: stages
	Network   string
	Allow     []string
	Hosts     []string
	Epoch     *time.Time

	// Pull fetches an image that the store has not, or, with --pull, might have newer.
	Pull   func(ctx context.Context, name string, p oci.Platform) error
	Always bool

	Failed func(n *graph.Node, s *run.Step, err error)
}

// A Builder builds into a store.
type Builder struct {
	Store  *ingest.Store
	Runner *run.Executor
	Sink   progress.Sink
}

// A Built is the result for one platform.
type Built struct {
	Platform oci.Platform
	Graph    *graph.Graph
	*solve.Result
}

// Build builds for every platform. The store must be held shared.
func (b *Builder) Build(ctx context.Context, o Options) (built []Built, file *dockerfile.File, err error) {
	in, err := b.open(ctx, &o)
	if err != nil {
		return nil, nil, err
	}
	defer in.close()
	if file, err = dockerfile.Parse(in.name, in.text); err != nil {
		return nil, nil, err
	}
	memo, err := tree.OpenMemo(filepath.Join(b.Store.Dir, "build", "memo"))
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, memo.Close()) }()
	for _, t := range in.trees {
		t.Memo = memo
	}
	s := &solve.Solver{
		Store: b.Store, Runner: b.Runner, Sink: b.Sink, Contexts: in.trees, Memo: memo, Secrets: o.Secrets, SSH: o.SSH,
		NoCache: o.withoutCache(), Epoch: o.Epoch, Failed: o.Failed,
	}
	all := o.Platforms
	if len(all) == 0 {
		all = []oci.Platform{platforms.DefaultSpec()}
	}
	for _, p := range all {
		one, err := b.platform(ctx, s, file, in, &o, p)
		if err != nil {
			return nil, file, err
		}
		built = append(built, *one)
	}
	return built, file, nil
}

// platform builds for one.
func (b *Builder) platform(ctx context.Context, s *solve.Solver, file *dockerfile.File, in *inputs, o *Options, p oci.Platform) (*Built, error) {
	g, err := file.Graph(dockerfile.Options{
		Name: in.name, BuildArgs: o.BuildArgs, Target: o.Target, Build: platforms.DefaultSpec(), Platform: platforms.Normalize(p),
		Labels: o.Labels, Hosts: o.Hosts, Network: o.Network, Contexts: in.names(), Images: in.images,
		Allowed: func(what string) bool { return contains(o.Allow, what) },
		Resolve: func(name string, p oci.Platform) (*graph.Image, error) { return b.image(ctx, o, name, p) },
	})
	if err != nil {
		return nil, err
	}
	s.Slot = strings.Join([]string{in.slot, o.Target, platforms.Format(p)}, "\x00")
	result, err := s.Solve(ctx, g)
	if err != nil {
		var failed *solve.Error
		if errors.As(err, &failed) {
			return nil, file.At(in.name, failed.Node, failed.Err)
		}
		return nil, err
	}
	return &Built{Platform: g.Target.Platform, Graph: g, Result: result}, nil
}

// withoutCache says of which stages nothing is taken from the cache.
func (o *Options) withoutCache() func(string) bool {
	switch {
	case o.NoCache:
		return func(string) bool { return true }
	case len(o.Without) > 0:
		return func(stage string) bool { return contains(o.Without, stage) }
	}
	return nil
}

func contains(list []string, what string) bool {
	for _, l := range list {
		if strings.EqualFold(l, what) {
			return true
		}
	}
	return false
}

// Image is what export makes an image of.
func (b *Built) Image(epoch *time.Time) export.Result {
	last := b.Graph.Target.Last()
	r := export.Result{Layers: b.Layers, Config: *last.Config, Platform: b.Platform, Epoch: epoch}
	r.Config.History = b.history(epoch)
	return r
}

// history is the base image's, and a line for each instruction down to the target.
func (b *Built) history(epoch *time.Time) []oci.History {
	now := time.Now().UTC()
	if epoch != nil {
		now = *epoch
	}
	var out []oci.History
	var stage func(s *graph.Stage)
	stage = func(s *graph.Stage) {
		for _, n := range s.Nodes {
			if from, ok := n.Op.(*graph.From); ok {
				switch {
				case from.Stage != nil:
					stage(from.Stage)
				case from.Image != nil:
					out = append(out, from.Image.Config.History...)
				}
				continue
			}
			h := n.History
			if h.CreatedBy == "" {
				continue
			}
			h.Created, h.Comment = &now, "minirun build"
			h.EmptyLayer = n.Op == nil
			out = append(out, h)
		}
	}
	stage(b.Graph.Target)
	return out
}

// Quoted is an error with the lines of the Dockerfile that it is about.
func Quoted(err error) string {
	var at *dockerfile.Error
	if !errors.As(err, &at) {
		return printable(err.Error())
	}
	return printable(fmt.Sprintf("%s\n%s", at.Quote(), at.Err))
}

// printable shows what a terminal would take for a command as an escape.
func printable(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) {
			out.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		out.WriteString(quoted[1 : len(quoted)-1])
	}
	return out.String()
}
