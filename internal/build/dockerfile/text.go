package dockerfile

import (
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	docker "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image/imageconfig"
)

// describeInstruction formats an instruction that changes the configuration for the history, with its
// expanded values.
func describeInstruction(c instructions.Command, config *docker.DockerOCIImageConfig) string {
	name := strings.ToUpper(c.Name())
	switch c := c.(type) {
	case *instructions.EnvCommand:
		return name + " " + joinPairs(c.Env)
	case *instructions.LabelCommand:
		return name + " " + joinPairs(c.Labels)
	case *instructions.CmdCommand:
		return fmt.Sprintf("%s %q", name, config.Cmd)
	case *instructions.EntrypointCommand:
		return fmt.Sprintf("%s %q", name, config.Entrypoint)
	case *instructions.ExposeCommand:
		var ports []string
		for _, p := range c.Ports {
			list, err := imageconfig.Ports(p)
			if err != nil {
				list = []string{p}
			}
			ports = append(ports, list...)
		}
		return fmt.Sprintf("%s %v", name, ports)
	case *instructions.VolumeCommand:
		return fmt.Sprintf("%s %v", name, c.Volumes)
	case *instructions.UserCommand:
		return name + " " + c.User
	case *instructions.StopSignalCommand:
		return name + " " + c.Signal
	case *instructions.HealthCheckCommand:
		return fmt.Sprintf("%s %+v", name, *c.Health)
	case *instructions.ShellCommand:
		return fmt.Sprintf("%s %v", name, c.Shell)
	case *instructions.OnbuildCommand:
		return name + " " + c.Expression
	case *instructions.MaintainerCommand:
		return name + " " + c.Maintainer
	}
	return fmt.Sprint(c)
}

func joinPairs(list instructions.KeyValuePairs) string {
	var out []string
	for _, kv := range list {
		out = append(out, kv.Key+"="+kv.Value)
	}
	return strings.Join(out, " ")
}
