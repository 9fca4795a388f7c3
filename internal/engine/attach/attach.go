// Package attach connects running containers to networks, and disconnects them.
//
//	container starts ──createRuntime hook──▶ ConnectAll ──▶ plugins, networks.json, /etc/hosts of all
//	network connect, disconnect           ──▶ Connect, Disconnect
//	container ends ──poststop hook──▶ DisconnectAll
//
// The runtime does not know about networks: it only calls the hooks.
package attach

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/cni"
	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/engine/ports"
)

// A Container is a container to connect or disconnect.
type Container struct {
	Store network.Store
	ID    string
	PID   int // a process in its network namespace; not needed to disconnect it
	Ports []ports.Mapping
}

func plugins() cni.Plugins {
	return cni.Plugins{Dirs: network.PluginDirs(), StateDir: network.StateDir}
}

// sandbox returns a name for CNI plugins, which keep what they remember by it: other stores may have
// a container with the same name.
func (c *Container) sandbox() string {
	sum := sha256.Sum256([]byte(c.Store.Dir))
	return "c-" + strings.ReplaceAll(c.ID, "+", "-") + "." + hex.EncodeToString(sum[:4])
}

// lock locks all networks, and returns those of the container. The caller closes the lock.
func (c *Container) lock() (lock *os.File, endpoints []network.Endpoint, err error) {
	if lock, err = c.Store.Lock(); err != nil {
		return nil, nil, err
	}
	if endpoints, err = c.Store.Endpoints(c.ID); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return lock, endpoints, nil
}

// ConnectAll connects a container that is being created to its networks. After an error nothing is
// left.
func (c *Container) ConnectAll(ctx context.Context) error {
	lock, endpoints, err := c.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := plugins().Pin(c.sandbox(), c.PID); err != nil {
		return err
	}
	for i := range endpoints {
		endpoints[i].Connection = nil
	}
	for i := range endpoints {
		if err := c.connect(ctx, endpoints, i); err != nil {
			return errors.Join(err, c.disconnectAll(ctx, endpoints))
		}
	}
	return c.Store.UpdateHosts()
}

// connect connects a container to one of its networks.
func (c *Container) connect(ctx context.Context, endpoints []network.Endpoint, i int) error {
	e := &endpoints[i]
	n, err := c.Store.Open(e.Network)
	if err != nil {
		return err
	}
	list, err := c.Store.ConfigList(n)
	if err != nil {
		return err
	}
	isFirst := !slices.ContainsFunc(endpoints, func(o network.Endpoint) bool { return o.Connection != nil })
	if !isFirst {
		if list, err = network.WithoutRoutes(list); err != nil {
			return err
		}
	}
	a := &cni.Attachment{Sandbox: c.sandbox(), Device: freeDevice(endpoints), List: list, MAC: e.MAC}
	for _, ip := range []netip.Addr{e.IP, e.IP6} {
		if ip.IsValid() {
			a.IPs = append(a.IPs, ip)
		}
	}
	if isFirst {
		a.Ports = pluginPorts(c.Ports)
	}
	// First the record: if this process is killed, the container's end removes what the plugins have
	// created.
	e.Connection = &network.Connection{Sandbox: a.Sandbox, Device: a.Device}
	if err := c.Store.WriteEndpoints(c.ID, endpoints); err != nil {
		return err
	}
	got, err := plugins().Connect(ctx, a)
	if err != nil {
		e.Connection = nil
		err = fmt.Errorf("cannot connect the container to network %s: %w", n.Name, err)
		return errors.Join(err, c.Store.WriteEndpoints(c.ID, endpoints))
	}
	e.Connection.MAC, e.Connection.Addresses, e.Connection.Gateway = got.MAC, got.Addresses, got.Gateway
	return c.Store.WriteEndpoints(c.ID, endpoints)
}

func pluginPorts(mappings []ports.Mapping) (out []cni.Port) {
	for _, m := range mappings {
		out = append(out, cni.Port{HostPort: m.Host, ContainerPort: m.Container, Protocol: m.Protocol, HostIP: m.IP.String()})
	}
	return out
}

// freeDevice returns the first of eth0, eth1 … that the container does not have.
func freeDevice(endpoints []network.Endpoint) string {
	for i := 0; ; i++ {
		name := "eth" + strconv.Itoa(i)
		used := slices.ContainsFunc(endpoints, func(e network.Endpoint) bool {
			return e.Connection != nil && e.Connection.Device == name
		})
		if !used {
			return name
		}
	}
}

// DisconnectAll disconnects a container after its end. It uses the state of the plugins, so that
// nothing is left even if the files of the container were removed.
func (c *Container) DisconnectAll(ctx context.Context) error {
	lock, endpoints, err := c.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	return errors.Join(c.disconnectAll(ctx, endpoints), c.Store.UpdateHosts())
}

func (c *Container) disconnectAll(ctx context.Context, endpoints []network.Endpoint) error {
	all := plugins().DisconnectAll(ctx, c.sandbox())
	for i := range endpoints { // a plugin that was interrupted is not remembered
		if endpoints[i].Connection != nil && all == nil {
			all = c.disconnect(ctx, &endpoints[i])
		}
	}
	err := c.Store.WriteEndpoints(c.ID, endpoints)
	if errors.Is(err, fs.ErrNotExist) { // the container's directory
		err = nil
	}
	return errors.Join(all, err, plugins().Unpin(c.sandbox()))
}

// disconnect removes a container from a network.
func (c *Container) disconnect(ctx context.Context, e *network.Endpoint) error {
	n, err := c.Store.Open(e.Network)
	if err != nil {
		return err
	}
	list, err := c.Store.ConfigList(n)
	if err != nil {
		return err
	}
	a := &cni.Attachment{Sandbox: e.Connection.Sandbox, Device: e.Connection.Device, List: list,
		Ports: pluginPorts(c.Ports)}
	if err := plugins().Disconnect(ctx, a); err != nil {
		return fmt.Errorf("cannot disconnect the container from network %s: %w", n.Name, err)
	}
	e.Connection = nil
	return nil
}

// Connect adds a network to a container. If the container runs, it is connected at once.
func (c *Container) Connect(ctx context.Context, e network.Endpoint) error {
	lock, endpoints, err := c.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if slices.ContainsFunc(endpoints, func(o network.Endpoint) bool { return o.Network == e.Network }) {
		return fmt.Errorf("container %s is already on network %s", c.ID, e.Network)
	}
	all := append(slices.Clone(endpoints), e)
	if c.PID == 0 {
		return c.Store.WriteEndpoints(c.ID, all)
	}
	if err := c.connect(ctx, all, len(all)-1); err != nil {
		return errors.Join(err, c.Store.WriteEndpoints(c.ID, endpoints))
	}
	return c.Store.UpdateHosts()
}

// Disconnect removes a network from a container.
func (c *Container) Disconnect(ctx context.Context, name string) error {
	lock, endpoints, err := c.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	i := slices.IndexFunc(endpoints, func(e network.Endpoint) bool { return e.Network == name })
	if i < 0 {
		return fmt.Errorf("container %s is not on network %s", c.ID, name)
	}
	if endpoints[i].Connection != nil {
		if err := c.disconnect(ctx, &endpoints[i]); err != nil {
			return err
		}
	}
	if err := c.Store.WriteEndpoints(c.ID, slices.Delete(endpoints, i, i+1)); err != nil {
		return err
	}
	return c.Store.UpdateHosts()
}

// Cleanup removes what a network has left on the host.
func Cleanup(n *network.Network) error {
	if n.Device == "" {
		return nil
	}
	return errors.Join(cni.RemoveDevice(n.Device),
		os.RemoveAll(filepath.Join(network.StateDir, "addresses", n.PluginName())))
}
