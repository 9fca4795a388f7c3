package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/platforms"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/lint"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
)

// A Check examines a Dockerfile without building it.
type Check struct {
	Name    string // of the Dockerfile, for messages
	Text    []byte
	Context *contenthash.Tree // nil: no context
	Options *Options

	// Store has the known base images. None is pulled.
	Store *store.Store
}

// Run returns the findings in the format of BuildKit's lint request: those of all stages, or
// of the stages that the target needs.
func (c *Check) Run(ctx context.Context) (*lint.Result, error) {
	options := lintOptions(c.Name, c.Context, c.Options)
	options.All = c.Options.Target == ""
	o, found := c.dockerfileOptions()
	options.Base = found.configFunc(o.Images)
	return ctxio.Do(ctx, func() (*lint.Result, error) {
		if file, err := dockerfile.Parse(c.Name, c.Text); err == nil {
			options.Failed = file.Check(o)
		}
		return lint.Check(c.Text, options)
	})
}

// dockerfileOptions returns options for a conversion that runs nothing and pulls nothing.
func (c *Check) dockerfileOptions() (dockerfile.Options, *imageResolver) {
	images := map[string]string{}
	names := []string{}
	for name, where := range c.Options.Contexts {
		switch ref, isImage := strings.CutPrefix(where, "docker-image://"); {
		case isImage:
			images[strings.ToLower(name)] = ref
		case strings.HasPrefix(where, "oci-layout://"):
			images[strings.ToLower(name)] = where // its content is not read
		default:
			names = append(names, name)
		}
	}
	found := &imageResolver{builder: &Builder{Store: c.Store}, options: c.Options, found: map[string]*graph.Image{}}
	return dockerfile.Options{
		Name: c.Name, BuildArgs: c.Options.BuildArgs, Target: c.Options.Target,
		Build: platforms.DefaultSpec(), Platform: c.Options.targetPlatforms()[0], Contexts: names, Images: images,
		Allowed: func(string) bool { return true },
		Resolve: found.resolveLocal,
	}, found
}

// ForeignSyntax returns a warning if the Dockerfile requests another frontend.
func (c *Check) ForeignSyntax() error {
	return dockerfile.ForeignSyntax(c.Name, c.Text, c.Options.BuildArgs)
}

// lintOptions returns the options that a build and a check have in common.
func lintOptions(name string, t *contenthash.Tree, o *Options) lint.Options {
	options := lint.Options{
		Name:      name,
		BuildArgs: o.BuildArgs,
		Target:    o.Target,
		Platform:  platforms.Format(o.targetPlatforms()[0]),
	}
	if t != nil {
		options.Ignored, options.IgnorePatterns, options.Exists = t.Ignored, t.IgnorePatterns, t.Exists
	}
	return options
}

// checkDockerfile looks for mistakes once the base images are known. failed is the error that prevented
// the graphs from being built, if any. It returns the error with which the build fails:
// failed, or an error for findings if the Dockerfile requires it (# check=error=true).
func checkDockerfile(ctx context.Context, in *inputs, o *Options, found *imageResolver, failed error) error {
	options := lintOptions(in.name, in.trees[graph.MainContext], o)
	options.Base, options.Failed = found.configFunc(in.images), failed
	result, err := ctxio.Do(ctx, func() (*lint.Result, error) { return lint.Check(in.text, options) })
	if err != nil {
		return errors.Join(failed, err)
	}
	if o.Checked != nil {
		o.Checked(result)
	}
	return result.Err
}

// configFunc returns the configuration of a resolved base image. An image replaced by
// --build-context is assumed to have the requested platform.
func (r *imageResolver) configFunc(replaced map[string]string) func(string, oci.Platform) *docker.DockerOCIImage {
	return func(name string, p oci.Platform) *docker.DockerOCIImage {
		other, isReplaced := replaced[strings.ToLower(name)]
		if isReplaced {
			name = other
		}
		i, ok := r.found[baseKey(name, p)]
		if !ok {
			return nil
		}
		config := i.Config
		if isReplaced {
			config.Platform = p
		}
		return &config
	}
}

// resolveLocal returns an image from the store, as far as its metadata can be read. If the store has
// it for one other platform only, that image is returned: the wrong platform is a finding.
func (r *imageResolver) resolveLocal(name string, p oci.Platform) (*graph.Image, error) {
	i, err := r.builder.findImage(name, p)
	if err != nil {
		i, err = r.builder.findOnlyPlatform(name, err)
	}
	if err != nil {
		if _, invalid := image.ParseName(name); invalid != nil {
			return nil, invalid
		}
		return nil, fmt.Errorf("%w %s", dockerfile.ErrUnknownImage, name)
	}
	out := &graph.Image{Name: name, Config: i.Config}
	r.found[baseKey(name, p)] = out
	return out, nil
}
