// Package configure carries out the instructions of a Dockerfile that only change
// what an image says of itself: for builds, and for `import --change`.
package configure

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
)

// Apply changes a configuration as an instruction says whose variables are
// expanded. It is an error for those that need a build: RUN, COPY, ADD.
func Apply(c *docker.DockerOCIImageConfig, command instructions.Command) error {
	switch i := command.(type) {
	case *instructions.CmdCommand:
		c.Cmd = CommandLine(i.ShellDependantCmdLine, c.Shell)
	case *instructions.EntrypointCommand:
		c.Entrypoint = CommandLine(i.ShellDependantCmdLine, c.Shell)
	case *instructions.EnvCommand:
		c.Env = slices.Clone(c.Env)
		for _, kv := range i.Env {
			c.Env = SetVariable(c.Env, kv.Key, kv.Value)
		}
	case *instructions.LabelCommand:
		c.Labels = cloned(c.Labels)
		for _, kv := range i.Labels {
			c.Labels[kv.Key] = kv.Value
		}
	case *instructions.ExposeCommand:
		return expose(c, i.Ports)
	case *instructions.VolumeCommand:
		c.Volumes = cloned(c.Volumes)
		for _, v := range i.Volumes {
			if v == "" {
				return fmt.Errorf("VOLUME: a path must not be empty")
			}
			c.Volumes[v] = struct{}{}
		}
	case *instructions.UserCommand:
		c.User = i.User
	case *instructions.WorkdirCommand:
		c.WorkingDir = i.Path
	case *instructions.StopSignalCommand:
		c.StopSignal = i.Signal
	case *instructions.HealthCheckCommand:
		c.Healthcheck = i.Health
	case *instructions.ShellCommand:
		c.Shell = i.Shell
	case *instructions.OnbuildCommand:
		c.OnBuild = append(slices.Clone(c.OnBuild), i.Expression)
	default:
		return fmt.Errorf("%s needs a build: only what changes the configuration can be given", strings.ToUpper(command.Name()))
	}
	return nil
}

// cloned is a map that may be written to.
func cloned[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// CommandLine is a command in exec form, or in shell form behind the shell.
func CommandLine(c instructions.ShellDependantCmdLine, shell []string) []string {
	if !c.PrependShell {
		return c.CmdLine
	}
	return append(Shell(shell), strings.Join(c.CmdLine, " "))
}

// Shell is what a command in shell form is given to.
func Shell(shell []string) []string {
	if len(shell) == 0 {
		return []string{"/bin/sh", "-c"}
	}
	return slices.Clone(shell)
}

// SetVariable sets NAME in an environment, where it is or at the end.
func SetVariable(env []string, name, value string) []string {
	for n, e := range env {
		if strings.HasPrefix(e, name+"=") {
			env[n] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

// expose adds ports, PORT[-PORT][/PROTOCOL].
func expose(c *docker.DockerOCIImageConfig, ports []string) error {
	c.ExposedPorts = cloned(c.ExposedPorts)
	for _, text := range ports {
		list, err := Ports(text)
		if err != nil {
			return err
		}
		for _, p := range list {
			c.ExposedPorts[p] = struct{}{}
		}
	}
	return nil
}

// Ports are those of one of EXPOSE's words, each with its protocol. What docker run
// -p takes, [[IP:]HOST:]CONTAINER, is understood, and only CONTAINER counts.
func Ports(text string) ([]string, error) {
	ports, protocol, _ := strings.Cut(text, "/")
	protocol = strings.ToLower(cmp.Or(protocol, "tcp"))
	if protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return nil, fmt.Errorf("EXPOSE %s: protocol %q: must be tcp, udp or sctp", text, protocol)
	}
	ports = ports[strings.LastIndexByte(ports, ':')+1:]
	low, high, isRange := strings.Cut(ports, "-")
	first, err := port(low)
	last := first
	if err == nil && isRange {
		last, err = port(high)
	}
	if err == nil && last < first {
		err = fmt.Errorf("the range is empty")
	}
	if err != nil {
		if strings.Contains(text, ",") {
			err = fmt.Errorf("%w: several ports have spaces between them", err)
		}
		return nil, fmt.Errorf("EXPOSE %s: %w", text, err)
	}
	var out []string
	for p := first; p <= last; p++ {
		out = append(out, fmt.Sprintf("%d/%s", p, protocol))
	}
	return out, nil
}

func port(text string) (int, error) {
	n := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' || n > 65535 {
			return 0, fmt.Errorf("port %q: must be a number up to 65535", text)
		}
		n = n*10 + int(c-'0')
	}
	if text == "" || n > 65535 {
		return 0, fmt.Errorf("port %q: must be a number up to 65535", text)
	}
	return n, nil
}
