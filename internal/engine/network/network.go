// Package network describes the networks that containers join, and what a container needs to find
// its peers.
//
//	network.go   a network, as a configuration list for CNI plugins
//	files.go     the networks of a store; subnet.go: addresses for a new one
//	request.go   the values of --network and --ip
//	endpoint.go  to which networks a container is connected
//	hosts.go     /etc/hosts: names of the host, of --add-host, and of the other containers
//	resolv.go    /etc/resolv.conf
//	standard.go  which network a container gets without --network
//
// A network is a file STORE/networks/NAME.conflist in the format of the CNI specification, so that
// it can be read, changed, and tried with other programs. Package cni executes the plugins.
package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/nearest"
)

// The networks that always exist.
const (
	Bridge = "bridge" // the default where CNI is installed
	Host   = "host"
	None   = "none"

	containerPrefix = "container:" // the network of another container
)

// StateDir has what CNI plugins remember until the machine is switched off.
const StateDir = "/run/minirun-cni"

// A Network is a network that containers can join. It is the field "minirun" of the configuration
// list.
type Network struct {
	Name     string            `json:"name"`
	ID       string            `json:"id"`
	Created  time.Time         `json:"created"`
	Driver   string            `json:"driver"`
	Device   string            `json:"device,omitempty"` // the bridge
	Subnets  []Subnet          `json:"subnets,omitempty"`
	Internal bool              `json:"internal"`
	Labels   map[string]string `json:"labels"`

	WithoutMasquerade bool       `json:"withoutMasquerade,omitempty"`
	HostBinding       netip.Addr `json:"hostBinding,omitzero"` // published ports without an address are on this one
	MTU               int        `json:"mtu,omitempty"`
}

// A Subnet is a range of addresses, and the address of the host in it.
type Subnet struct {
	Subnet  netip.Prefix `json:"subnet"`
	Gateway netip.Addr   `json:"gateway"`
	Range   netip.Prefix `json:"range,omitzero"` // the part for containers, if it is not all
}

// standardNetwork is the network that all containers share unless --network is given.
func standardNetwork() *Network {
	return &Network{Name: Bridge, ID: Bridge, Driver: Bridge, Device: "minirun0", Labels: map[string]string{},
		Subnets: []Subnet{{Subnet: netip.MustParsePrefix("10.89.0.0/16"), Gateway: netip.MustParseAddr("10.89.0.1")}}}
}

// Predefined returns the networks that always exist.
func Predefined() []*Network {
	none := map[string]string{}
	return []*Network{standardNetwork(), {Name: Host, ID: Host, Driver: Host, Labels: none},
		{Name: None, ID: None, Driver: "null", Labels: none}}
}

// IsPredefined reports whether a network always exists.
func IsPredefined(name string) bool { return name == Bridge || name == Host || name == None }

// HasIPv6 reports whether containers get an IPv6 address.
func (n *Network) HasIPv6() bool {
	for _, s := range n.Subnets {
		if s.Subnet.Addr().Is6() {
			return true
		}
	}
	return false
}

// Gateway returns the host's IPv4 address in the network, or its IPv6 address. It is not valid for
// an internal network.
func (n *Network) Gateway() netip.Addr {
	if n.Internal || len(n.Subnets) == 0 {
		return netip.Addr{}
	}
	return n.Subnets[0].Gateway
}

// PluginName returns the name of the network for CNI plugins, which know nothing of stores.
func (n *Network) PluginName() string {
	if n.Name == Bridge {
		return "minirun"
	}
	return "minirun-" + n.ID
}

// ConfigList returns the configuration list for CNI plugins.
func (n *Network) ConfigList() ([]byte, error) {
	var ranges, routes []any
	for _, s := range n.Subnets {
		one := map[string]any{"subnet": s.Subnet.String()}
		if s.Range.IsValid() {
			first, last := s.bounds()
			one["rangeStart"], one["rangeEnd"] = first.String(), last.String()
		}
		if !n.Internal {
			one["gateway"] = s.Gateway.String()
			all := "0.0.0.0/0"
			if s.Subnet.Addr().Is6() {
				all = "::/0"
			}
			routes = append(routes, map[string]any{"dst": all})
		}
		ranges = append(ranges, []any{one})
	}
	ipam := map[string]any{"type": "host-local", "dataDir": StateDir + "/addresses", "ranges": ranges}
	if len(routes) > 0 {
		ipam["routes"] = routes
	}
	bridge := map[string]any{"type": "bridge", "bridge": n.Device, "isGateway": !n.Internal,
		"ipMasq":      !n.Internal && !n.WithoutMasquerade,
		"hairpinMode": true, "ipam": ipam, "capabilities": map[string]bool{"ips": true, "mac": true}}
	if n.MTU != 0 {
		bridge["mtu"] = n.MTU
	}
	plugins := []any{bridge}
	if !n.Internal {
		// The kernel does not route packets from ::1: the process that holds the ports forwards them.
		plugins = append(plugins, map[string]any{"type": "portmap", "conditionsV6": []string{"!", "-d", "::1"},
			"capabilities": map[string]bool{"portMappings": true}})
	}
	// Containers of other networks are kept out, and FORWARD's policy may be DROP, as on a host
	// with Docker.
	plugins = append(plugins, map[string]any{"type": "firewall", "ingressPolicy": "same-bridge"})
	return json.MarshalIndent(map[string]any{"cniVersion": "0.4.0", "name": n.PluginName(), "plugins": plugins,
		"minirun": n}, "", "  ")
}

// WithoutRoutes returns a configuration list for a container's second network: only the first one
// has a default route.
func WithoutRoutes(list []byte) ([]byte, error) {
	var parsed map[string]any
	if err := json.Unmarshal(list, &parsed); err != nil {
		return nil, err
	}
	plugins, _ := parsed["plugins"].([]any)
	for _, p := range plugins {
		plugin, _ := p.(map[string]any)
		if ipam, ok := plugin["ipam"].(map[string]any); ok {
			delete(ipam, "routes")
		}
	}
	return json.Marshal(parsed)
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// CheckName refuses a name that is not valid for a new network.
func CheckName(name string) error {
	switch {
	case name == "" || !strings.ContainsRune(nameCharacters, rune(name[0])) ||
		strings.Trim(name, nameCharacters+"_.-") != "" || len(name) > 128:
		return fmt.Errorf("network name %q: only letters, digits and _ . - are allowed, beginning with a letter or digit",
			name)
	case IsPredefined(name) || name == "default" || name == "container":
		return fmt.Errorf("network name %q: the name is predefined", name)
	}
	return nil
}

// ErrNotFound is the cause if a network does not exist.
var ErrNotFound = errors.New("no such network")

// notFound reports a network that does not exist, and the one that may have been meant.
func notFound(name string, others []*Network) error {
	var names []string
	for _, n := range others {
		names = append(names, n.Name)
	}
	if meant := nearest.Word(name, names); meant != "" {
		return fmt.Errorf("%w: %q\nhint: did you mean %s? Otherwise create it with: minirun network create %s",
			ErrNotFound, name, meant, name)
	}
	return fmt.Errorf("%w: %q\nhint: create it with: minirun network create %s, or choose one of: minirun network ls",
		ErrNotFound, name, name)
}

// CheckDevice refuses a name that the kernel does not accept for a bridge (dev_valid_name).
func CheckDevice(name string) error {
	if name == "" || len(name) > 15 || name == "." || name == ".." || strings.Trim(name, nameCharacters+"_.-") != "" {
		return fmt.Errorf("%q: a device's name has up to 15 letters, digits and _ . -", name)
	}
	return nil
}
