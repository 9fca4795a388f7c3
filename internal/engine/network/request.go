package network

import (
	"fmt"
	"net/netip"
	"strings"
)

// A Request has the flags of run that choose networks.
type Request struct {
	Networks []string // --network; none: the default
	Aliases  []string // --network-alias
	IP, IP6  string
	MAC      string
}

// Parse returns the mode none, host, bridge or container:ID, and the endpoints of mode bridge. It
// returns "" if no network is given.
func (r Request) Parse() (mode string, endpoints []Endpoint, err error) {
	for _, text := range r.Networks {
		e, err := parseNetwork(text)
		if err != nil {
			return "", nil, err
		}
		endpoints = append(endpoints, e)
	}
	hasDetails := len(r.Aliases) > 0 || r.IP != "" || r.IP6 != "" || r.MAC != ""
	for _, e := range endpoints {
		if countNetwork(endpoints, e.Network) > 1 {
			return "", nil, fmt.Errorf("--network %s is given twice", e.Network)
		}
		if e.Network != Host && e.Network != None && !strings.HasPrefix(e.Network, containerPrefix) {
			continue
		}
		if len(endpoints) > 1 {
			return "", nil, fmt.Errorf("--network %s cannot be combined with another network", e.Network)
		}
		if hasDetails || e.hasDetails() {
			return "", nil, fmt.Errorf("--network %s: --ip, --ip6, --mac-address and --network-alias need a bridge", e.Network)
		}
		return e.Network, nil, nil
	}
	if hasDetails {
		if len(endpoints) == 0 {
			endpoints = []Endpoint{{Network: Bridge}}
		}
		if err := endpoints[0].add(r); err != nil {
			return "", nil, err
		}
	}
	if len(endpoints) == 0 {
		return "", nil, nil
	}
	return Bridge, endpoints, nil
}

func countNetwork(endpoints []Endpoint, name string) (n int) {
	for _, e := range endpoints {
		if e.Network == name {
			n++
		}
	}
	return n
}

// parseNetwork parses NAME or name=NAME,alias=NAME,ip=IP,ip6=IP,mac-address=MAC.
func parseNetwork(text string) (Endpoint, error) {
	if !strings.Contains(text, "=") {
		if text == "default" {
			text = Bridge
		}
		if text == "" || text == containerPrefix {
			return Endpoint{}, fmt.Errorf("--network %q: must be none, host, bridge, container:NAME, or a network's name", text)
		}
		return Endpoint{Network: text}, nil
	}
	var e Endpoint
	var r Request
	for field := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "name":
			e.Network = value
		case "alias":
			r.Aliases = append(r.Aliases, value)
		case "ip":
			r.IP = value
		case "ip6":
			r.IP6 = value
		case "mac-address":
			r.MAC = value
		default:
			return e, fmt.Errorf("--network %q: unknown key %q: must be name, alias, ip, ip6 or mac-address", text, key)
		}
	}
	if e.Network == "" {
		return e, fmt.Errorf("--network %q: has no name=NETWORK", text)
	}
	return e, e.add(r)
}

func (e *Endpoint) hasDetails() bool {
	return len(e.Aliases) > 0 || e.IP.IsValid() || e.IP6.IsValid() || e.MAC != ""
}

// add sets the details of a request.
func (e *Endpoint) add(r Request) error {
	for _, a := range r.Aliases {
		if !isHostName(a) {
			return fmt.Errorf("--network-alias %q: is not a host name", a)
		}
	}
	e.Aliases = append(e.Aliases, r.Aliases...)
	var err error
	if r.IP != "" {
		if e.IP, err = netip.ParseAddr(r.IP); err != nil || !e.IP.Is4() {
			return fmt.Errorf("--ip %q: is not an IPv4 address", r.IP)
		}
	}
	if r.IP6 != "" {
		if e.IP6, err = netip.ParseAddr(r.IP6); err != nil || !e.IP6.Is6() || e.IP6.Zone() != "" {
			return fmt.Errorf("--ip6 %q: is not an IPv6 address", r.IP6)
		}
	}
	if r.MAC != "" {
		if !isMAC(r.MAC) {
			return fmt.Errorf("--mac-address %q: must be six bytes such as 02:42:ac:11:00:02, the first of them even", r.MAC)
		}
		e.MAC = r.MAC
	}
	return nil
}

// isHostName reports whether a text can be a name in /etc/hosts.
func isHostName(text string) bool {
	return text != "" && len(text) <= 253 && strings.Trim(text, nameCharacters+"_.-") == ""
}

// isMAC reports whether a text is the address of one network device.
func isMAC(text string) bool {
	bytes := strings.Split(strings.ToLower(text), ":")
	if len(bytes) != 6 || len(text) != 17 || strings.Trim(text, ":0123456789abcdefABCDEF") != "" {
		return false
	}
	for _, b := range bytes {
		if len(b) != 2 {
			return false
		}
	}
	return strings.ContainsRune("02468ace", rune(bytes[0][1]))
}

// Target returns the container of the mode container:NAME.
func Target(mode string) (name string, ok bool) { return strings.CutPrefix(mode, containerPrefix) }

// ModeOf returns the mode that shares a container's network.
func ModeOf(container string) string { return containerPrefix + container }

// Check refuses an endpoint whose addresses are not of its network, or that are taken.
func (e *Endpoint) Check(n *Network, members []Member) error {
	for _, ip := range []netip.Addr{e.IP, e.IP6} {
		if !ip.IsValid() {
			continue
		}
		var subnets []string
		found := false
		for _, s := range n.Subnets {
			subnets = append(subnets, s.Subnet.String())
			found = found || s.Subnet.Contains(ip)
			if ip == s.Gateway || ip == s.Subnet.Addr() {
				return fmt.Errorf("address %s of network %s is reserved: the host uses it", ip, n.Name)
			}
		}
		for _, m := range members {
			for _, a := range m.Connection.Addresses {
				if a.Addr() == ip {
					return fmt.Errorf("address %s is already used by container %s", ip, m.Container)
				}
			}
		}
		if !found {
			return fmt.Errorf("address %s is not in network %s (%s)", ip, n.Name, strings.Join(subnets, ", "))
		}
	}
	return nil
}
