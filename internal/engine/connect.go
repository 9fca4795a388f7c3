package engine

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/engine/ports"
	"github.com/minirun/minirun/internal/image"
)

// completeConnection decides what depends on the image and the host.
func (e *Engine) completeConnection(p *connection.Plan, name string, i *image.Image) error {
	return p.Complete(&connection.Host{Networks: e.networks(), Name: name, Exposed: i.Config.Config.ExposedPorts,
		Running: e.publishedPorts, CheckRun: e.checkRunning, Warn: e.Warn})
}

func (e *Engine) networks() network.Store { return network.Store{Dir: e.Store.Dir} }

// publishedPorts returns the ports of the running containers.
func (e *Engine) publishedPorts() (out []connection.Published, err error) {
	running, err := e.List(false)
	for _, l := range running {
		out = append(out, connection.Published{Container: l.Container, Ports: l.Ports})
	}
	return out, err
}

// checkRunning refuses a container that is not running.
func (e *Engine) checkRunning(id string) error {
	l, err := e.Status(id)
	if err != nil {
		return err
	}
	if l.State != string(specs.StateRunning) {
		return fmt.Errorf("container %s is not running\nhint: start it with: minirun start %[1]s", id)
	}
	return nil
}

// connect changes config.json for the network.
func (e *Engine) connect(c *specs.Spec, p *connection.Plan, name string) error {
	return p.Apply(c, &connection.Directory{Networks: e.networks(), Name: name, File: e.file, Warn: e.Warn})
}

// holdNetwork prepares a container's network for a start.
func (e *Engine) holdNetwork(r *Record) (*ports.Held, error) {
	s := connection.Start{Name: r.Container, Network: r.Network, Ports: r.Ports,
		Link: e.file(r.Container, connection.LinkName), PID: func(id string) (int, error) {
			state, err := control.State(e.Root, id)
			if err != nil {
				return 0, err
			}
			return state.Pid, nil
		}}
	return s.Hold()
}

// address returns a function that returns the container's address, for connections that the
// firewall's rules do not forward.
func (e *Engine) address(id string) func() netip.Addr {
	return func() netip.Addr { return e.networks().Address(id) }
}

// warnAboutNetwork gives a hint if a program failed, perhaps because it has no network by default.
func (e *Engine) warnAboutNetwork(r *Record, status int) {
	if hint := connection.HintAfterFailure(r.Network, r.StandardNetwork, status); hint != "" {
		e.Warn(hint)
	}
}

// PortList returns the ports as shown by ps: 0.0.0.0:8080->80/tcp, and those that are only exposed.
func (r *Record) PortList() []string {
	out := []string{}
	var published []string
	for _, m := range r.Ports {
		out = append(out, m.String())
		published = append(published, m.ContainerText())
	}
	for _, text := range r.Exposed {
		if !slices.Contains(published, text) {
			out = append(out, text)
		}
	}
	return out
}

// IsUnconnectable reports whether the container's network cannot be changed, because it is not a
// bridge.
func (r *Record) IsUnconnectable() bool {
	_, isShared := network.Target(r.Network)
	return isShared || r.Network == network.Host || r.Network == network.None
}
