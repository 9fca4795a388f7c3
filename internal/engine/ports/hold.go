package ports

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An InUseError reports that another program has a port.
type InUseError struct {
	Mapping
	Owner string // the program, or a container; "": unknown
}

const containerOwner = "container "

// ContainerOwner returns the value of Owner for a container.
func ContainerOwner(name string) string { return containerOwner + name }

// Container returns the container that has the port.
func (e *InUseError) Container() (name string, ok bool) {
	return strings.CutPrefix(e.Owner, containerOwner)
}

// Error implements error.
func (e *InUseError) Error() string {
	owner := e.Owner
	if owner == "" {
		owner = "another program"
	}
	port := strconv.Itoa(int(e.Host))
	if !e.IP.IsUnspecified() {
		port = e.HostText()
	}
	if e.Protocol != "tcp" {
		port += "/" + e.Protocol
	}
	return fmt.Sprintf("host port %s is already in use by %s", port, owner)
}

// Held are the sockets that keep a container's ports.
type Held struct {
	sockets []heldSocket
	done    chan struct{}
}

// A heldSocket is bound to the mapping's port of the host.
type heldSocket struct {
	Mapping
	file *os.File
}

// Hold binds the ports of mappings.
func Hold(mappings []Mapping) (*Held, error) {
	h := &Held{done: make(chan struct{})}
	for _, m := range mappings {
		s, err := bind(m)
		if err != nil {
			h.Close()
			return nil, err
		}
		h.sockets = append(h.sockets, s)
	}
	return h, nil
}

// Close releases the ports.
func (h *Held) Close() {
	close(h.done)
	closeAll(h.sockets)
}

// Choose selects a free port of the host for each request, and returns the mappings. It holds
// nothing. owner returns which container has a port, or "".
func Choose(requests []Request, owner func(Mapping) string) ([]Mapping, error) {
	var all []Mapping
	var chosen []heldSocket
	defer func() { closeAll(chosen) }()
	for _, r := range requests {
		sockets, err := choose(r, owner)
		var used *InUseError
		if errors.As(err, &used) && used.OverlapsAny(all) {
			return nil, fmt.Errorf("--publish %q: port %d/%s of the host is published twice", r.Text, used.Host, r.Protocol)
		}
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, sockets...)
		for _, s := range sockets {
			all = append(all, s.Mapping)
		}
	}
	return all, nil
}

func closeAll(sockets []heldSocket) {
	for _, s := range sockets {
		s.file.Close()
	}
}

// overlaps reports whether two ports of the host cannot be bound at the same time.
func (m Mapping) overlaps(other Mapping) bool {
	return m.Host == other.Host && m.Protocol == other.Protocol && m.IP.Is4() == other.IP.Is4() &&
		(m.IP == other.IP || m.IP.IsUnspecified() || other.IP.IsUnspecified())
}

// OverlapsAny reports whether the port of the host cannot be bound at the same time as one of others.
func (m Mapping) OverlapsAny(others []Mapping) bool {
	for _, o := range others {
		if m.overlaps(o) {
			return true
		}
	}
	return false
}

// attempts limits how often a random port is tried that is free for IPv4 but not for IPv6.
const attempts = 32

// choose binds a port for one request.
func choose(r Request, owner func(Mapping) string) (sockets []heldSocket, err error) {
	first, last := int(r.First), int(r.Last)
	if first == 0 {
		first, last = 1, attempts
	}
	for port := first; port <= last; port++ {
		candidate := uint16(port)
		if r.First == 0 {
			candidate = 0
		}
		sockets, err = bindAll(r, candidate, owner)
		var used *InUseError
		if err == nil || !errors.As(err, &used) {
			break
		}
	}
	return sockets, err
}

// bindAll binds one port on each address of a request; with port 0 any that is free.
func bindAll(r Request, port uint16, owner func(Mapping) string) (sockets []heldSocket, err error) {
	addresses := []netip.Addr{r.IP}
	if !r.IP.IsValid() {
		addresses = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	for _, ip := range addresses {
		s, err := bind(Mapping{ip, port, r.Container, r.Protocol})
		if !r.IP.IsValid() && ip.Is6() && isWithoutIPv6(err) {
			continue
		}
		var used *InUseError
		if err == nil {
			sockets, port = append(sockets, s), s.Host
		} else if !errors.As(err, &used) {
			closeAll(sockets)
			return nil, fmt.Errorf("--publish %q: %w", r.Text, err)
		}
		// A container whose attending process was killed does not hold its ports, but it still gets
		// their packets.
		taken := Mapping{ip, port, r.Container, r.Protocol}
		if name := owner(taken); name != "" {
			err = &InUseError{taken, ContainerOwner(name)}
		}
		if err != nil {
			closeAll(sockets)
			return nil, err
		}
	}
	return sockets, nil
}

// isWithoutIPv6 reports whether binding failed because the host has no IPv6.
func isWithoutIPv6(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// backlog is how many connections may wait for Serve.
const backlog = 128

// bind binds a port. A TCP socket also listens: otherwise another program with SO_REUSEADDR could
// bind the port and listen.
func bind(m Mapping) (heldSocket, error) {
	kind, family := unix.SOCK_STREAM, unix.AF_INET
	if m.Protocol == "udp" {
		kind = unix.SOCK_DGRAM
	}
	if m.IP.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return heldSocket{}, bindError(m, err)
	}
	err = bindSocket(fd, m)
	if err == nil && m.Host == 0 {
		m.Host, err = boundPort(fd)
	}
	if err != nil {
		unix.Close(fd)
		return heldSocket{}, bindError(m, err)
	}
	return heldSocket{m, os.NewFile(uintptr(fd), m.String())}, nil
}

func bindSocket(fd int, m Mapping) error {
	if m.IP.Is6() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return err
		}
	}
	if m.Protocol == "udp" { // SO_REUSEADDR would let others bind it too
		return unix.Bind(fd, socketAddress(netip.AddrPortFrom(m.IP, m.Host)))
	}
	// Connections of an earlier program that are in TIME_WAIT do not keep the port.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, socketAddress(netip.AddrPortFrom(m.IP, m.Host))); err != nil {
		return err
	}
	return unix.Listen(fd, backlog)
}

// bindError explains why a port cannot be bound.
func bindError(m Mapping, err error) error {
	where := m.HostText() + "/" + m.Protocol
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return &InUseError{m, portOwner(m)}
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%s: this host does not have the address %s (%w)\nhint: ip address lists those it has",
			where, m.IP, err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: only root may use ports below 1024 (%w)\nhint: choose a port of 1024 or above", where, err)
	}
	return fmt.Errorf("%s: cannot bind the port: %w", where, err)
}

func socketAddress(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// boundPort returns the port that a socket has.
func boundPort(fd int) (uint16, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return uint16(a.Port), nil
	case *unix.SockaddrInet6:
		return uint16(a.Port), nil
	}
	return 0, unix.EAFNOSUPPORT
}
