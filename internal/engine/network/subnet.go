package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// chooseSubnets sets the subnets that were not given, and the gateways.
func (n *Network) chooseSubnets(others []*Network, ipv6 bool) error {
	used := hostRoutes()
	for _, o := range others {
		for _, s := range o.Subnets {
			used = append(used, s.Subnet)
		}
	}
	for _, s := range n.Subnets {
		for _, o := range others {
			for _, theirs := range o.Subnets {
				if theirs.Subnet.Overlaps(s.Subnet) {
					return fmt.Errorf("subnet %s overlaps with %s of network %s", s.Subnet, theirs.Subnet, o.Name)
				}
			}
		}
	}
	if len(n.Subnets) == 0 {
		subnet, err := freeSubnet(used)
		if err != nil {
			return err
		}
		n.Subnets = []Subnet{{Subnet: subnet}}
	}
	if ipv6 && !n.HasIPv6() {
		subnet, err := randomSubnet6()
		if err != nil {
			return err
		}
		n.Subnets = append(n.Subnets, Subnet{Subnet: subnet})
	}
	for i := range n.Subnets {
		if s := &n.Subnets[i]; !s.Gateway.IsValid() {
			s.Gateway = s.Subnet.Addr().Next()
		}
	}
	return nil
}

// freeSubnet returns the first of 10.90.0.0/24, 10.90.1.0/24 … that is not in use (pure).
func freeSubnet(used []netip.Prefix) (netip.Prefix, error) {
	for i := range 10 << 8 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(90 + i>>8), byte(i), 0}), 24)
		overlaps := false
		for _, u := range used {
			overlaps = overlaps || u.Overlaps(p)
		}
		if !overlaps {
			return p, nil
		}
	}
	return netip.Prefix{}, errors.New("all subnets from 10.90.0.0/24 to 10.99.255.0/24 are in use\n" +
		"hint: choose another one with --subnet, or remove unused networks with: minirun network prune")
}

// randomSubnet6 returns a unique local subnet (RFC 4193).
func randomSubnet6() (netip.Prefix, error) {
	a := [16]byte{0: 0xfd}
	if _, err := unix.Getrandom(a[1:6], 0); err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(netip.AddrFrom16(a), 64), nil
}

// hostRoutes returns the networks that the host reaches with IPv4, except by the default route.
func hostRoutes() []netip.Prefix {
	text, err := os.ReadFile("/proc/net/route")
	if err != nil { // then only the addresses of the other networks are avoided
		return nil
	}
	return parseRoutes(string(text))
}

// parseRoutes parses /proc/net/route: addresses are hexadecimal, in the byte order of the host (pure).
func parseRoutes(text string) (out []netip.Prefix) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		address, err := strconv.ParseUint(fields[1], 16, 32)
		mask, err2 := strconv.ParseUint(fields[7], 16, 32)
		if err != nil || err2 != nil || mask == 0 {
			continue
		}
		bits := 0
		for m := uint32(mask); m != 0; m &= m - 1 {
			bits++
		}
		ip := [4]byte(binary.NativeEndian.AppendUint32(nil, uint32(address)))
		out = append(out, netip.PrefixFrom(netip.AddrFrom4(ip), bits))
	}
	return out
}

// bounds returns the first and the last address of the part for containers. The first and the last
// one of the subnet are left out: they are not addresses of hosts.
func (s *Subnet) bounds() (first, last netip.Addr) {
	bytes := s.Range.Addr().AsSlice()
	for bit := s.Range.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	first = s.Range.Addr()
	last, _ = netip.AddrFromSlice(bytes)
	if first == s.Subnet.Addr() {
		first = first.Next()
	}
	if !s.Subnet.Contains(last.Next()) && s.Range.Bits() < last.BitLen() {
		last = last.Prev()
	}
	return first, last
}

// ParseSubnets parses the values of --subnet, --gateway and --ip-range.
func ParseSubnets(subnets, gateways, ranges []string) (out []Subnet, err error) {
	for _, text := range subnets {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--subnet %q: must be a network in CIDR form, such as 10.5.0.0/24", text)
		}
		if p.Masked() != p {
			return nil, fmt.Errorf("--subnet %q: has bits set after the first %d\nhint: use %s", text, p.Bits(), p.Masked())
		}
		if p.Addr().BitLen()-p.Bits() < 2 {
			return nil, fmt.Errorf("--subnet %q: has no room for containers: use /%d or larger", text, p.Addr().BitLen()-2)
		}
		for _, o := range out {
			if o.Subnet.Addr().Is4() == p.Addr().Is4() {
				return nil, fmt.Errorf("--subnet %q: a network has one IPv4 subnet and one IPv6 subnet at most", text)
			}
		}
		out = append(out, Subnet{Subnet: p})
	}
	for _, text := range gateways {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("--gateway %q: is not an IP address", text)
		}
		found := false
		for i := range out {
			if out[i].Subnet.Contains(ip) && ip != out[i].Subnet.Addr() {
				out[i].Gateway, found = ip, true
			}
		}
		if !found {
			return nil, fmt.Errorf("--gateway %q: is not an address of a given --subnet", text)
		}
	}
	for _, text := range ranges {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--ip-range %q: must be a network in CIDR form, such as 10.5.0.128/25", text)
		}
		found := false
		for i := range out {
			if out[i].Subnet.Contains(p.Addr()) && p.Bits() >= out[i].Subnet.Bits() {
				out[i].Range, found = p.Masked(), true
			}
		}
		if !found {
			return nil, fmt.Errorf("--ip-range %q: is not part of a given --subnet", text)
		}
	}
	return out, nil
}
