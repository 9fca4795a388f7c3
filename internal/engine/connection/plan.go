// Package connection decides how a container created from an image is connected, from the flags, the
// image and the host, and changes its configuration for that.
//
//	plan.go   flags → plan: checks of the flags alone; then of the host
//	apply.go  plan → config.json and the files in /etc
//	hold.go   before each start: the ports, and the network namespace to share
package connection

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/engine/ports"
	"github.com/minirun/minirun/internal/namespaces"
)

// Flags has the flags of `run IMAGE` for networks and ports.
type Flags struct {
	network.Request
	DNS        network.DNS
	Publish    []string // [[IP:]HOST:]CONTAINER[/PROTOCOL]
	PublishAll bool
	Expose     []string // PORT[/PROTOCOL]
	AddHosts   []string // NAME:IP
}

// A Plan is what the flags and the image mean on this host.
type Plan struct {
	Mode       string          // none, host, bridge or container:NAME
	IsStandard bool            // --network is not given
	Mappings   []ports.Mapping // the published ports

	flags     *Flags
	endpoints []network.Endpoint
	gateway   netip.Addr // the host's address on the bridge
	target    string     // the container whose network it shares
	hosts     []network.HostEntry
	requests  []ports.Request
	exposed   []ports.Mapping
}

// A Host is what a plan has to know about the host, and about the container.
type Host struct {
	Networks    network.Store
	Name        string              // of the container
	Exposed     map[string]struct{} // by its image
	Running     func() ([]Published, error)
	FindRunning func(container string) (name string, err error) // refuses one that is not running
	Warn        func(any)
}

// Published are the ports of a running container.
type Published struct {
	Container string
	Ports     []ports.Mapping
}

// Plan checks the flags, without looking at the host or the image. The host name is the one that is
// given, or "".
func (f *Flags) Plan(hostname string) (*Plan, error) {
	p := &Plan{flags: f}
	var err error
	if p.Mode, p.endpoints, err = f.Parse(); err != nil {
		return nil, err
	}
	for _, text := range f.Publish {
		requests, err := ports.Parse(text)
		if err != nil {
			return nil, err
		}
		p.requests = append(p.requests, requests...)
	}
	for _, text := range f.Expose {
		exposed, err := ports.ParsePort(text)
		if err != nil {
			return nil, fmt.Errorf("--expose %w", err)
		}
		p.exposed = append(p.exposed, exposed...)
	}
	for _, text := range f.AddHosts {
		h, err := network.ParseHost(text)
		if err != nil {
			return nil, err
		}
		p.hosts = append(p.hosts, h)
	}
	if err := f.DNS.Check(); err != nil {
		return nil, err
	}
	return p, p.checkMode(hostname)
}

// checkMode refuses flags that have no effect with a kind of network.
func (p *Plan) checkMode(hostname string) error {
	f := p.flags
	if p.Mode == "" || p.Mode == network.Bridge {
		return nil
	}
	if len(f.Publish) > 0 || f.PublishAll {
		hint := "hint: leave --network out, then the container gets a bridge"
		if p.Mode == network.Host {
			hint = "hint: leave --publish out: the program listens on the host's ports directly"
		}
		return fmt.Errorf("--publish needs a bridge, not --network %s\n%s", p.Mode, hint)
	}
	if _, ok := network.Target(p.Mode); ok && (f.DNS.IsSet() || len(p.hosts) > 0 || hostname != "") {
		return fmt.Errorf("--network %s: --hostname, --add-host and --dns belong to that container\n"+
			"hint: give them to the container whose network is shared", p.Mode)
	}
	return nil
}

// Complete decides what depends on the image and the host: the default network, the ports that the
// image exposes, and which ports of the host are free.
func (p *Plan) Complete(h *Host) error {
	for text := range h.Exposed {
		if exposed, err := ports.ParsePort(text); err == nil { // an image may contain anything
			p.exposed = append(p.exposed, exposed...)
		}
	}
	slices.SortFunc(p.exposed, func(a, b ports.Mapping) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Protocol, b.Protocol))
	})
	p.exposed = slices.Compact(p.exposed)
	if p.flags.PublishAll {
		p.publishExposed()
	}
	bridge := network.CheckBridge(namespaces.Unprivileged())
	if p.Mode == "" {
		if err := p.chooseStandard(bridge == nil); err != nil {
			return err
		}
	}
	if err := p.checkNetwork(h, bridge); err != nil {
		return err
	}
	for _, entry := range p.hosts {
		if entry.Gateway && !p.gateway.IsValid() {
			return fmt.Errorf("--add-host %s:host-gateway: the network of the container does not have the host in it",
				entry.Name)
		}
	}
	return p.choosePorts(h)
}

// checkNetwork checks that there is the network on this host. bridge is the reason why there can be
// no bridge, or nil.
func (p *Plan) checkNetwork(h *Host, bridge error) error {
	switch target, isShared := network.Target(p.Mode); {
	case p.Mode == network.Bridge && bridge != nil && p.IsStandard:
		return fmt.Errorf("--publish: %w", bridge)
	case p.Mode == network.Bridge && bridge != nil:
		return fmt.Errorf("--network %s: %w", p.endpoints[0].Network, bridge)
	case p.Mode == network.Bridge:
		return p.checkEndpoints(h.Networks)
	case isShared && namespaces.Unprivileged():
		return fmt.Errorf("--network %s: needs root, because each container has its own user namespace", p.Mode)
	case isShared:
		name, err := h.FindRunning(target)
		if err != nil {
			return fmt.Errorf("--network %s: %w", p.Mode, err)
		}
		p.target, p.Mode = name, network.ModeOf(name)
	case p.Mode == network.Host:
		p.gateway = netip.MustParseAddr("127.0.0.1")
	case p.IsStandard && len(p.exposed) > 0:
		h.Warn(fmt.Sprintf("the container has no network, but its image listens on port %s\nhint: %s",
			p.exposed[0].ContainerText(), standardHint()))
	}
	return nil
}

// chooseStandard sets the network of a container for which none is given: that of the environment
// variable, or else a bridge if there can be one, or else none. Published ports need a bridge.
func (p *Plan) chooseStandard(hasBridge bool) error {
	p.IsStandard, p.Mode = true, network.None
	if name := os.Getenv(network.Variable); name != "" {
		var err error
		if p.Mode, p.endpoints, err = (network.Request{Networks: []string{name}}).Parse(); err != nil {
			return fmt.Errorf("environment variable %s: %w", network.Variable, err)
		}
		hasBridge = false
	}
	if p.Mode != network.Bridge && (hasBridge || len(p.requests) > 0) {
		p.Mode, p.endpoints = network.Bridge, []network.Endpoint{{Network: network.Bridge}}
	}
	return nil
}

// standardHint returns how to get a network where the default is none.
func standardHint() string {
	if namespaces.Unprivileged() {
		return "use --network host, or sudo for a bridge"
	}
	return "use --network host, or for a bridge: apt-get install containernetworking-plugins iptables"
}

// publishExposed adds a request for each exposed port that is not published.
func (p *Plan) publishExposed() {
	for _, m := range p.exposed {
		published := slices.ContainsFunc(p.requests, func(r ports.Request) bool {
			return r.Container == m.Container && r.Protocol == m.Protocol
		})
		if !published {
			p.requests = append(p.requests, ports.Request{Text: m.ContainerText(), Container: m.Container, Protocol: m.Protocol})
		}
	}
}

// checkEndpoints checks that the networks exist and have the addresses.
func (p *Plan) checkEndpoints(networks network.Store) error {
	for i := range p.endpoints {
		endpoint := &p.endpoints[i]
		n, err := networks.Open(endpoint.Network)
		if err != nil {
			return fmt.Errorf("--network: %w", err)
		}
		endpoint.Network = n.Name
		members, err := networks.Members(n.Name)
		if err != nil {
			return err
		}
		if err := endpoint.Check(n, members); err != nil {
			return fmt.Errorf("--network %s: %w", n.Name, err)
		}
		if i > 0 {
			continue
		}
		p.gateway = n.Gateway()
		for j := range p.requests {
			if !p.requests[j].IP.IsValid() {
				p.requests[j].IP = n.HostBinding
			}
		}
		if n.Internal && len(p.requests) > 0 {
			return fmt.Errorf("--publish: network %s is internal, so the host does not reach its containers", n.Name)
		}
	}
	return nil
}

// choosePorts selects the host's ports.
func (p *Plan) choosePorts(h *Host) (err error) {
	if len(p.requests) == 0 {
		return nil
	}
	running, err := h.Running()
	if err != nil {
		return err
	}
	p.Mappings, err = ports.Choose(p.requests, func(m ports.Mapping) string {
		for _, other := range running {
			if m.OverlapsAny(other.Ports) {
				return other.Container
			}
		}
		return ""
	})
	return portError(h.Name, err)
}

// portError adds the name of the container and a hint to the error about a port.
func portError(name string, err error) error {
	var used *ports.InUseError
	if !errors.As(err, &used) {
		return err
	}
	hint := "choose another port with -p, or stop that program"
	if container, ok := used.Container(); ok {
		hint = "choose another port with -p, or stop that container with: minirun stop " + container
	}
	return fmt.Errorf("cannot start container %q: %w\nhint: %s", name, err, hint)
}

// Names returns the network for the record of the container: the mode, or the names of the networks.
func (p *Plan) Names() string {
	if p.Mode != network.Bridge {
		return p.Mode
	}
	var names []string
	for _, e := range p.endpoints {
		names = append(names, e.Network)
	}
	return strings.Join(names, ",")
}

// ExposedTexts returns the exposed ports as text.
func (p *Plan) ExposedTexts() (out []string) {
	for _, m := range p.exposed {
		out = append(out, m.ContainerText())
	}
	return slices.Compact(out)
}
