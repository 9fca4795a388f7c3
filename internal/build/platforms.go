package build

import (
	"context"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/build/graph"
)

// targetPlatforms returns the platforms of a build without duplicates; the default is this machine's.
func (o *Options) targetPlatforms() []oci.Platform {
	all := o.Platforms
	if len(all) == 0 {
		all = []oci.Platform{platforms.DefaultSpec()}
	}
	var out []oci.Platform
	seen := map[string]bool{}
	for _, p := range all {
		p = platforms.Normalize(p)
		if name := platforms.FormatAll(p); !seen[name] {
			seen[name] = true
			out = append(out, p)
		}
	}
	return out
}

// createGraphs creates a graph for each platform before anything is built, so that a base image
// missing for one platform is reported before another one has been built.
func (b *Builder) createGraphs(
	ctx context.Context, file *dockerfile.File, in *inputs, o *Options, found *imageResolver,
) ([]*graph.Graph, error) {
	var out []*graph.Graph
	for _, p := range o.targetPlatforms() {
		g, err := file.Graph(dockerfile.Options{
			Name: in.name, BuildArgs: o.BuildArgs, Target: o.Target, Build: platforms.DefaultSpec(), Platform: p,
			Labels: o.Labels, Hosts: o.Hosts, Limits: o.Limits, Network: o.Network,
			Contexts: in.contextNames(), Images: in.images, Unset: o.unset,
			Allowed: func(what string) bool { return containsFold(o.Allow, what) },
			Device:  func(name string, required bool) ([]string, error) { return b.Runner.Device(&o.Devices, name, required) },
			Resolve: func(name string, p oci.Platform) (*graph.Image, error) { return found.resolve(ctx, name, p) },
		})
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}
