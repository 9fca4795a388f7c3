package commit

import (
	"slices"
	"strings"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Config is the configuration of an image.
type Config = docker.DockerOCIImage

// addedVariables are in the environment of every container, and not part of an image.
var addedVariables = []string{"HOSTNAME", "HOME", "TERM"}

// newConfig returns the configuration of an image created from a container: that of its image, with
// the command, the environment and the directory that the container was started with.
func newConfig(base *Config, p *specs.Process, o Options, now time.Time) *Config {
	c := *base
	c.Created, c.Config.Healthcheck = &now, base.Config.Healthcheck
	if o.Author != "" {
		c.Author = o.Author
	}
	if p != nil {
		c.Config.Env = environment(base.Config.Env, p.Env)
		c.Config.Entrypoint, c.Config.Cmd = command(base.Config.Entrypoint, p.Args)
		if p.Cwd != "/" || base.Config.WorkingDir != "" {
			c.Config.WorkingDir = p.Cwd
		}
	}
	c.History = append(slices.Clone(base.History), oci.History{Created: &now, Author: o.Author, Comment: o.Message,
		CreatedBy: strings.Join(append(slices.Clone(c.Config.Entrypoint), c.Config.Cmd...), " ")})
	return &c
}

// command splits a container's arguments into the image's ENTRYPOINT and a CMD. The command line may
// have replaced ENTRYPOINT.
func command(entrypoint, args []string) (newEntrypoint, cmd []string) {
	if n := len(entrypoint); n > 0 && n <= len(args) && slices.Equal(entrypoint, args[:n]) {
		return entrypoint, slices.Clone(args[n:])
	}
	return nil, slices.Clone(args)
}

// environment leaves out what was added to a container's environment, unless the image has it too.
func environment(image, container []string) (out []string) {
	for _, entry := range container {
		name, _, _ := strings.Cut(entry, "=")
		isImages := slices.ContainsFunc(image, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		if isImages || !slices.Contains(addedVariables, name) {
			out = append(out, entry)
		}
	}
	return out
}
