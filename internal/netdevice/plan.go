package netdevice

// This file decides which messages move a device and bring it back. It has no side
// effects.

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A request is a message that makes one change.
type request struct {
	action string // for error messages: "add an address"
	kind   uint16
	body   []byte
	// optional is true if an error does not matter: Restore returns more than name,
	// addresses and state.
	optional bool
	exists   bool // EEXIST counts as success
}

// moveRequest moves a device to another namespace, under a name.
func moveRequest(index int, name string, namespace int) request {
	body := linkBody(index, 0, 0)
	body = attribute32(body, unix.IFLA_NET_NS_FD, uint32(namespace))
	body = attributeText(body, unix.IFLA_IFNAME, name)
	return request{action: "move it", kind: unix.RTM_SETLINK, body: body}
}

// returnRequest returns a device to the host, under its old name and index. Kernels
// before Linux 5.13 do not know the attribute, and ignore it.
func returnRequest(index, old int, name string, namespace int) request {
	r := moveRequest(index, name, namespace)
	r.body = attribute32(r.body, unix.IFLA_NEW_IFINDEX, uint32(old))
	return r
}

func upRequest(index int) request {
	return request{action: "set it up", kind: unix.RTM_SETLINK, body: linkBody(index, unix.IFF_UP, unix.IFF_UP)}
}

// isMovable reports whether a device keeps an address in the container: the permanent ones
// of global scope (RFC 3549, section 2.3.3.2). The others belong to the host's
// network, or the kernel creates them again.
func isMovable(a *address) bool {
	return a.flags&unix.IFA_F_PERMANENT != 0 && a.scope == unix.RT_SCOPE_UNIVERSE
}

// configureRequests returns the requests for a device that was moved into the container, where
// it has the given index.
func configureRequests(d *Device, index int) ([]request, error) {
	requests, err := addressRequests(d, index, d.Name, isMovable)
	return append(requests, upRequest(index)), err
}

// restoreRequests returns the requests for a device that was returned to the host.
func restoreRequests(d *Device, index int) ([]request, error) {
	all := func(*address) bool { return true }
	requests, err := addressRequests(d, index, d.Host, all)
	if err != nil {
		return nil, err
	}
	if d.Master != 0 {
		body := attribute32(linkBody(index, 0, 0), unix.IFLA_MASTER, uint32(d.Master))
		requests = append(requests, request{action: "make it a port of its bridge", kind: unix.RTM_SETLINK, body: body})
	}
	if !d.Up {
		return requests, nil
	}
	requests = append(requests, upRequest(index))
	for _, text := range d.Routes {
		body, err := decode(text)
		if err != nil {
			return nil, err
		}
		requests = append(requests, request{
			action: "add a route", kind: unix.RTM_NEWROUTE, body: routeBody(body, index), optional: true, exists: true,
		})
	}
	return requests, nil
}

// addressRequests adds the addresses that keep selects. The kernel lists the newest
// IPv6 address first, and prefers it: they are added in reverse order.
func addressRequests(d *Device, index int, name string, keep func(*address) bool) ([]request, error) {
	var requests, ipv6 []request
	for _, text := range d.Addresses {
		body, err := decode(text)
		if err != nil {
			return nil, err
		}
		a, err := parseAddress(body)
		if err != nil {
			return nil, err
		}
		if !keep(&a) {
			continue
		}
		label := newLabel(a.label, d.Host, name)
		r := request{action: "add an address", kind: unix.RTM_NEWADDR, body: a.body(index, label), exists: true}
		if a.family == unix.AF_INET6 {
			ipv6 = append(ipv6, r)
		} else {
			requests = append(requests, r)
		}
	}
	slices.Reverse(ipv6)
	return append(requests, ipv6...), nil
}

// newLabel returns the label of an IPv4 address after its device was renamed: eth0:web
// becomes c0:web. By default the label is the device's name.
func newLabel(label, from, to string) string {
	if label == "" {
		return "" // IPv6 has none
	}
	if rest, ok := strings.CutPrefix(label, from); ok && (rest == "" || rest[0] == ':') {
		label = to + rest
	}
	if len(label) > maxName {
		return to
	}
	return label
}

// isRestorable selects the routes that are restored with a device: those that were set
// explicitly. The kernel creates its own again, and routers announce theirs.
func isRestorable(r *route, index int) bool {
	switch r.kind {
	case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST, unix.RTN_MULTICAST:
		return false
	}
	switch r.protocol {
	case unix.RTPROT_KERNEL, unix.RTPROT_RA, unix.RTPROT_REDIRECT:
		return false
	}
	return r.device == index && !r.cloned
}
