// Package imageconfig applies the Dockerfile instructions that only change an image's configuration,
// for builds and for `import --change`.
package imageconfig

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
)

// Apply changes a configuration according to an instruction whose variables are already expanded.
// Instructions that need a build (RUN, COPY, ADD) are an error.
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
		return fmt.Errorf("%s needs a build (only instructions that change the configuration are allowed)",
			strings.ToUpper(command.Name()))
	}
	return nil
}

// cloned returns a copy of a map that the caller can modify.
func cloned[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// CommandLine returns the arguments of a command in exec form, or the shell followed by a command
// in shell form.
func CommandLine(c instructions.ShellDependantCmdLine, shell []string) []string {
	if !c.PrependShell {
		return c.CmdLine
	}
	return append(Shell(shell), strings.Join(c.CmdLine, " "))
}

// Shell returns the shell that runs commands in shell form.
func Shell(shell []string) []string {
	if len(shell) == 0 {
		return []string{"/bin/sh", "-c"}
	}
	return slices.Clone(shell)
}

// SetVariable sets NAME in an environment, in place or at the end.
func SetVariable(env []string, name, value string) []string {
	for n, e := range env {
		if strings.HasPrefix(e, name+"=") {
			env[n] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

// expose adds ports of the form PORT[-PORT][/PROTOCOL].
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

// Ports returns the ports of one argument of EXPOSE, each with its protocol. The syntax of docker
// run -p, [[IP:]HOST:]CONTAINER, is accepted, but only CONTAINER is used. The other parts must
// still be valid.
func Ports(text string) ([]string, error) {
	ports, protocol, _ := strings.Cut(text, "/")
	protocol = strings.ToLower(cmp.Or(protocol, "tcp"))
	if protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return nil, fmt.Errorf("EXPOSE %s: unknown protocol %q: must be tcp, udp or sctp", text, protocol)
	}
	where, ports := cutLast(ports)
	first, last, err := portRange(ports)
	if err == nil && where != "" {
		err = checkHost(where, last-first)
	}
	if err != nil {
		if strings.Contains(text, ",") {
			err = fmt.Errorf("%w (separate ports with spaces)", err)
		}
		return nil, fmt.Errorf("EXPOSE %s: %w", text, err)
	}
	var out []string
	for p := first; p <= last; p++ {
		out = append(out, fmt.Sprintf("%d/%s", p, protocol))
	}
	return out, nil
}

// cutLast splits text at the last colon.
func cutLast(text string) (before, after string) {
	at := strings.LastIndexByte(text, ':')
	return text[:max(0, at)], text[at+1:]
}

// checkHost checks [IP:]HOST before a container port range of more+1 ports. A range of host ports
// must have the same length.
func checkHost(text string, more int) error {
	address, ports := cutLast(text)
	if address != "" {
		if _, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")); err != nil {
			return fmt.Errorf("%q is not an IP address", address)
		}
	}
	if ports == "" {
		return nil
	}
	first, last, err := portRange(ports)
	if err == nil && more > 0 && last-first != more {
		err = fmt.Errorf("the port ranges of the host (%s) and of the container have different lengths", ports)
	}
	return err
}

// portRange parses FIRST[-LAST].
func portRange(text string) (first, last int, err error) {
	low, high, isRange := strings.Cut(text, "-")
	if first, err = port(low); err != nil || !isRange {
		return first, first, err
	}
	if last, err = port(high); err == nil && last < first {
		err = fmt.Errorf("the range is empty")
	}
	return first, last, err
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
