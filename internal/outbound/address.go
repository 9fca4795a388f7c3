package outbound

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

const dialTimeout = 30 * time.Second

// kind classifies an address by who can reach it.
type kind int32

const (
	public    kind = iota // everyone
	private               // the hosts of a network
	linkLocal             // the hosts of a link, and metadata servers of clouds
	loopback              // this host
)

func (k kind) String() string { return [...]string{"public", "private", "link-local", "loopback"}[k] }

// metadataServers answer only the requesting host, like those at link-local addresses:
// with the credentials of a cloud's virtual machine.
var metadataServers = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
}

// privatePrefixes are the private ranges that netip.Addr.IsPrivate does not include.
var privatePrefixes = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"),  // carriers' NAT, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),   // protocol assignments, RFC 6890
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarks, RFC 2544
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved, RFC 1112; used internally by some networks
	netip.MustParsePrefix("fec0::/10"),      // site-local, RFC 3879
	netip.MustParsePrefix("64:ff9b:1::/48"), // NAT64 of a network's own addresses, RFC 8215
}

// embedding lists the prefixes of IPv6 addresses that contain an IPv4 address, with
// its offset.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible, RFC 4291
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated, RFC 2765
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
}

func kindOf(a netip.Addr) kind {
	a = a.Unmap().WithZone("")
	switch {
	case a.IsLoopback(), a.IsUnspecified(), a.Is4() && a.As4()[0] == 0: // connecting to 0.0.0.0 reaches this host
		return loopback
	case a.IsLinkLocalUnicast(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return linkLocal
	case slices.Contains(metadataServers, a):
		return linkLocal
	case a.IsPrivate():
		return private
	}
	for _, p := range privatePrefixes {
		if p.Contains(a) {
			return private
		}
	}
	for _, e := range embedding {
		if e.prefix.Contains(a) {
			bytes := a.As16()
			return kindOf(netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])))
		}
	}
	return public
}

// mayReach reports whether a server at an address of one kind may send requests to an
// address of another: to public addresses and to those of the same kind. A server on
// loopback, which the user runs, may also send them into the private network.
func mayReach(from, to kind) bool {
	return to == public || from == to || from == loopback && to == private
}

// isLoopbackName reports whether a host name, in lower case, refers to this host
// without a look-up.
func isLoopbackName(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
