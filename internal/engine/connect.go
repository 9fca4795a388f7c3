package engine

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/image"
)

// completeConnection decides what depends on the image and the host.
func (e *Engine) completeConnection(p *connection.Plan, name string, i *image.Image) error {
	return p.Complete(&connection.Host{Networks: e.networks(), Name: name, Exposed: i.Config.Config.ExposedPorts,
		Running: e.publishedPorts, FindRunning: e.findRunning, Warn: e.Warn})
}

func (e *Engine) networks() network.Store { return network.Store{Dir: e.Store.Dir} }

// publishedPorts returns the ports of the containers that run, or that a process attends.
func (e *Engine) publishedPorts() (out []connection.Published, err error) {
	all, err := e.List(true)
	for _, l := range all {
		if l.Attended || l.Pid != 0 {
			out = append(out, connection.Published{Container: l.Container, Ports: l.Ports})
		}
	}
	return out, err
}

// findRunning returns the name of a running container.
func (e *Engine) findRunning(text string) (string, error) {
	name, err := e.Resolve(text)
	if err != nil {
		return "", err
	}
	l, err := e.Status(name)
	if err != nil {
		return "", err
	}
	if l.State != string(specs.StateRunning) {
		return "", fmt.Errorf("container %s is not running\nhint: start it with: minirun start %[1]s", name)
	}
	return name, nil
}

// connect changes config.json for the network.
func (e *Engine) connect(c *specs.Spec, p *connection.Plan, name string) error {
	return p.Apply(c, &connection.Directory{Networks: e.networks(), Name: name, File: e.file, Warn: e.Warn})
}

// networkStart returns how a container's network is prepared for a start.
func (e *Engine) networkStart(r *Record) *connection.Start {
	return &connection.Start{Name: r.Container, Network: r.Network, Ports: r.Ports, Running: e.publishedPorts,
		Failure: e.networks().FailureFile(r.Container), Link: e.file(r.Container, connection.LinkName),
		PID: func(id string) (int, error) {
			state, err := control.State(e.Root, id)
			if err != nil {
				return 0, err
			}
			return state.Pid, nil
		}}
}

// PortList returns the ports as shown by ps. Those of a container that does not run are not published.
func (l *Listed) PortList() []string {
	if l.Pid == 0 {
		return nil
	}
	return connection.PortList(l.Ports, l.Exposed)
}
