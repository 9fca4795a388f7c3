package outbound

import (
	"net/netip"
	"strings"
	"time"
)

const dialTimeout = 30 * time.Second

// kind says who can reach an address.
type kind int32

const (
	public    kind = iota // everyone
	private               // the hosts of a network
	linkLocal             // the hosts of a link: metadata servers of clouds
	loopback              // this host
)

func (k kind) String() string { return [...]string{"public", "private", "link-local", "loopback"}[k] }

// privatePrefixes are those that netip.Addr.IsPrivate does not have.
var privatePrefixes = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), // carriers' NAT, RFC 6598; metadata servers of some clouds
	netip.MustParsePrefix("192.0.0.0/24"),  // protocol assignments, RFC 6890; likewise
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks, RFC 2544
	netip.MustParsePrefix("fec0::/10"),     // site-local, RFC 3879
}

// Prefixes of IPv6 whose addresses have one of IPv4 inside, and where.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64, RFC 6052
	{netip.MustParsePrefix("::/96"), 12},        // IPv4-compatible, RFC 4291
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4, RFC 3056
}

func kindOf(a netip.Addr) kind {
	a = a.Unmap().WithZone("")
	switch {
	case a.IsLoopback(), a.IsUnspecified(), a.Is4() && a.As4()[0] == 0: // connecting to 0.0.0.0 reaches this host
		return loopback
	case a.IsLinkLocalUnicast(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
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

// mayReach says whether a server at an address of one kind may send to one of another.
// It may send to public addresses and to those of its own kind; a server on loopback,
// which the user runs, may also send into the private network.
func mayReach(from, to kind) bool {
	return to == public || from == to || from == loopback && to == private
}

// isLoopbackName says whether a host, in small letters, is this one by its name alone.
func isLoopbackName(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
