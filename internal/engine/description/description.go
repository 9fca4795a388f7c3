// Package description describes a container created from an image in the form of docker inspect:
// scripts use the names of its fields.
package description

import (
	"cmp"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/spec"
)

// A Container has docker's fields.
type Container struct {
	Id           string
	Created      time.Time
	Path         string
	Args         []string
	State        State
	Image        string
	LogPath      string
	Name         string
	RestartCount int
	Driver       string
	Platform     string
	HostConfig   HostConfig
	Mounts       []Mount
	Config       Config

	NetworkSettings NetworkSettings
}

// A State has the status of a container, and how it ended.
type State struct {
	Status                                       string
	Running, Paused, Restarting, OOMKilled, Dead bool
	Pid, ExitCode                                int
	StartedAt, FinishedAt                        time.Time
	Health                                       *Health `json:",omitempty"`
}

// Health has the results of the health checks.
type Health struct {
	Status        string
	FailingStreak int
	Log           []Probe
}

// A Probe is one health check.
type Probe struct {
	Start    time.Time
	ExitCode int
	Output   string
}

// HostConfig has the settings that depend on the host.
type HostConfig struct {
	NetworkMode    string
	RestartPolicy  RestartPolicy
	AutoRemove     bool
	Privileged     bool
	ReadonlyRootfs bool
	Memory         int64
	NanoCpus       int64
	PidsLimit      int64
	PortBindings   map[string][]Binding
}

// RestartPolicy is --restart.
type RestartPolicy struct {
	Name              string
	MaximumRetryCount int
}

// A Binding is a published port of the host.
type Binding struct{ HostIp, HostPort string }

// A Mount is a bind mount or a volume.
type Mount struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	RW          bool
}

// Config has the settings that images have too.
type Config struct {
	Hostname   string
	User       string
	Tty        bool
	OpenStdin  bool
	Env        []string
	Cmd        []string
	Image      string
	WorkingDir string
	Labels     map[string]string
	StopSignal string `json:",omitempty"`
}

// NetworkSettings has the addresses of a running container.
type NetworkSettings struct {
	Ports      map[string][]Binding
	IPAddress  string
	MacAddress string
	Networks   map[string]Network
}

// A Network is one that the container is connected to.
type Network struct {
	Aliases     []string
	IPAddress   string
	IPPrefixLen int
	MacAddress  string
}

// Describe returns the description of a container.
func Describe(e *engine.Engine, id string) (*Container, error) {
	l, err := e.Status(id)
	if err != nil {
		return nil, err
	}
	c, _, err := spec.Load(e.Store.Container(l.Container))
	if err != nil {
		return nil, err
	}
	out := &Container{
		Id: l.ContainerID(), Created: l.Created, Path: l.Command[0], Args: l.Command[1:], State: describeState(l),
		Image: l.ID, LogPath: filepath.Join(e.Store.Container(l.Container), "log"), Name: "/" + l.Container,
		RestartCount: l.Restarts, Driver: "overlay", Platform: "linux",
		HostConfig: describeHost(l, c), Mounts: describeMounts(l, c),
		Config: Config{Hostname: c.Hostname, User: userText(c), Tty: l.Terminal, OpenStdin: l.Interactive, Env: c.Process.Env,
			Cmd: l.Command, Image: l.Name, WorkingDir: c.Process.Cwd, Labels: c.Annotations, StopSignal: l.StopSignal},
	}
	out.NetworkSettings, err = describeNetworks(network.Store{Dir: e.Store.Dir}, l)
	return out, err
}

func describeState(l *engine.Listed) State {
	s := State{Status: l.State, Running: l.Pid != 0, Paused: l.State == "paused", Restarting: l.State == engine.Restarting,
		Pid: l.Pid, StartedAt: l.Started}
	if l.End != nil {
		s.ExitCode, s.FinishedAt, s.OOMKilled = l.End.Status, l.End.Finished, l.End.OutOfMemory
	}
	if h := l.Health; h != nil {
		s.Health = &Health{Status: h.Status, FailingStreak: h.Streak}
		for _, p := range h.Log {
			s.Health.Log = append(s.Health.Log, Probe{p.Start, p.Status, p.Output})
		}
	}
	return s
}

func describeHost(l *engine.Listed, c *specs.Spec) HostConfig {
	h := HostConfig{NetworkMode: l.Network, RestartPolicy: RestartPolicy{cmp.Or(l.Restart.When, "no"),
		l.Restart.Most}, AutoRemove: l.Remove, ReadonlyRootfs: c.Root.Readonly, PortBindings: bindings(l)}
	r := c.Linux.Resources
	if r == nil {
		return h
	}
	if r.Memory != nil && r.Memory.Limit != nil {
		h.Memory = *r.Memory.Limit
	}
	if r.CPU != nil && r.CPU.Quota != nil && r.CPU.Period != nil && *r.CPU.Period > 0 {
		h.NanoCpus = *r.CPU.Quota * int64(time.Second) / int64(*r.CPU.Period)
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		h.PidsLimit = *r.Pids.Limit
	}
	return h
}

// bindings returns the published ports by the port of the container.
func bindings(l *engine.Listed) map[string][]Binding {
	out := map[string][]Binding{}
	for _, m := range l.Ports {
		out[m.ContainerText()] = append(out[m.ContainerText()], Binding{m.IP.String(), strconv.Itoa(int(m.Host))})
	}
	return out
}

func describeMounts(l *engine.Listed, c *specs.Spec) []Mount {
	out := []Mount{}
	named := map[string]string{}
	for _, v := range l.Volumes {
		named[v.Target] = v.Name
	}
	for _, m := range c.Mounts {
		name := named[m.Destination]
		if m.Type != "bind" || strings.HasPrefix(m.Destination, "/etc/") && name == "" {
			continue
		}
		kind, writable := "bind", true
		if name != "" {
			kind = "volume"
		}
		for _, o := range m.Options {
			writable = writable && o != "ro"
		}
		out = append(out, Mount{kind, name, m.Source, m.Destination, writable})
	}
	return out
}

// userText returns the user as UID:GID.
func userText(c *specs.Spec) string {
	u := c.Process.User
	return strconv.Itoa(int(u.UID)) + ":" + strconv.Itoa(int(u.GID))
}

// describeNetworks returns the addresses of a container.
func describeNetworks(s network.Store, l *engine.Listed) (NetworkSettings, error) {
	out := NetworkSettings{Ports: bindings(l), Networks: map[string]Network{}}
	endpoints, err := s.Endpoints(l.Container)
	for _, p := range endpoints {
		n := Network{Aliases: p.Aliases, MacAddress: p.MAC}
		if p.Connection != nil {
			n.MacAddress = p.Connection.MAC
			if a := firstIPv4(p.Connection.Addresses); a.IsValid() {
				n.IPAddress, n.IPPrefixLen = a.Addr().String(), a.Bits()
			}
		}
		out.Networks[p.Network] = n
		if out.IPAddress == "" {
			out.IPAddress, out.MacAddress = n.IPAddress, n.MacAddress
		}
	}
	return out, err
}

func firstIPv4(addresses []netip.Prefix) netip.Prefix {
	for _, a := range addresses {
		if a.Addr().Is4() {
			return a
		}
	}
	return netip.Prefix{}
}
