// Package ports publishes a container's ports on its host.
//
//	mapping.go  -p 8080:80 → requests (pure), and what became of them
//	hold.go     sockets that keep the host's ports for a container
//	owner.go    which process has a port
//	proxy.go    connections that the firewall's rules do not forward
//
// The process that attends a container binds each published port and holds it as long as the
// container lives, so that no other program and no other container gets it. The packets
// themselves are forwarded by rules of the firewall, which CNI's portmap plugin adds: the kernel
// applies them before it looks for a socket. The kernel closes the sockets if that process is
// killed.
package ports

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A Request is a port to publish, as given by --publish.
type Request struct {
	Text      string     // as given, for errors
	IP        netip.Addr // not valid: all addresses of the host
	First     uint16     // the range of the host's ports, of which one is used
	Last      uint16     // 0: any free port
	Container uint16
	Protocol  string // tcp or udp
}

// A Mapping is a published port: its text is IP:HOST:CONTAINER/PROTOCOL, as for --publish.
type Mapping struct {
	IP        netip.Addr
	Host      uint16
	Container uint16
	Protocol  string
}

// String returns the mapping as shown by ps, such as 0.0.0.0:8080->80/tcp.
func (m Mapping) String() string {
	return m.HostText() + "->" + m.ContainerText()
}

// HostText returns the address and the port of the host, such as [::]:8080.
func (m Mapping) HostText() string { return netip.AddrPortFrom(m.IP, m.Host).String() }

// ContainerText returns the port of the container, such as 80/tcp.
func (m Mapping) ContainerText() string { return strconv.Itoa(int(m.Container)) + "/" + m.Protocol }

// MarshalText implements encoding.TextMarshaler.
func (m Mapping) MarshalText() ([]byte, error) {
	return []byte(m.HostText() + ":" + m.ContainerText()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mapping) UnmarshalText(text []byte) error {
	requests, err := Parse(string(text))
	if err != nil {
		return err
	}
	r := requests[0]
	if !r.IP.IsValid() {
		r.IP = netip.IPv4Unspecified()
	}
	*m = Mapping{r.IP, r.First, r.Container, r.Protocol}
	return nil
}

// Parse parses [[IP:]HOST:]CONTAINER[/PROTOCOL]. HOST and CONTAINER may be ranges, such as 8000-8002.
func Parse(text string) ([]Request, error) {
	fail := func(format string, args ...any) ([]Request, error) {
		return nil, fmt.Errorf("--publish %q: "+format, append([]any{text}, args...)...)
	}
	words, protocol, _ := strings.Cut(text, "/")
	protocol = strings.ToLower(cmp.Or(protocol, "tcp"))
	if protocol != "tcp" && protocol != "udp" {
		return fail("protocol %q is not supported: must be tcp or udp", protocol)
	}
	var ip netip.Addr
	parts := strings.Split(words, ":")
	if len(parts) > 2 {
		var err error
		address := strings.Join(parts[:len(parts)-2], ":")
		ip, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"))
		if err != nil || ip.Zone() != "" {
			return fail("%q is not an IP address\nhint: the form is [[IP:]HOST:]CONTAINER[/PROTOCOL], "+
				"such as 127.0.0.1:8080:80", address)
		}
		ip = ip.Unmap()
		parts = parts[len(parts)-2:]
	}
	container, last, err := parseRange(parts[len(parts)-1])
	if err != nil || container == 0 {
		return fail("%q is not a port number from 1 to 65535, or a range of them", parts[len(parts)-1])
	}
	var first, end uint16
	if len(parts) == 2 && (parts[0] != "" || !ip.IsValid()) {
		if first, end, err = parseRange(parts[0]); err != nil {
			return fail("%q is not a port number from 1 to 65535, or a range of them", parts[0])
		}
	}
	if first == 0 {
		end = 0
	}
	if last != container && first != 0 && end-first != last-container {
		return fail("%s are %d ports, but %s are %d", parts[0], int(end-first)+1, parts[1], int(last-container)+1)
	}
	var out []Request
	for port := int(container); port <= int(last); port++ {
		r := Request{text, ip, first, end, uint16(port), protocol}
		if last != container && first != 0 {
			r.First += uint16(port) - container
			r.Last = r.First
		}
		out = append(out, r)
	}
	return out, nil
}

// parseRange parses N or N-M.
func parseRange(text string) (first, last uint16, err error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	a, err := strconv.ParseUint(low, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	b, err := strconv.ParseUint(high, 10, 16)
	if err == nil && b < a {
		err = strconv.ErrRange
	}
	return uint16(a), uint16(b), err
}

// ParsePort parses PORT[/PROTOCOL], a port of a container or a range of them, as for EXPOSE.
func ParsePort(text string) ([]Mapping, error) {
	requests, err := Parse(text)
	if err != nil || strings.Contains(text, ":") {
		return nil, fmt.Errorf("%q: must be PORT[/PROTOCOL], such as 80 or 53/udp", text)
	}
	var out []Mapping
	for _, r := range requests {
		out = append(out, Mapping{Container: r.Container, Protocol: r.Protocol})
	}
	return out, nil
}
