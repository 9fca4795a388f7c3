package netdevice

// This file builds and parses messages of rtnetlink(7). It has no side effects.

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Attributes that golang.org/x/sys/unix does not name.
const (
	ifaFlags      = 8  // IFA_FLAGS
	ifaPriority   = 9  // IFA_RT_PRIORITY
	ifaProtocol   = 11 // IFA_PROTO
	rtaCacheInfo  = unix.RTA_CACHEINFO
	rtaExpires    = unix.RTA_EXPIRES
	attributeType = ^uint16(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
)

// attribute adds an attribute to the body of a message.
func attribute(body []byte, kind uint16, value []byte) []byte {
	body = binary.NativeEndian.AppendUint16(body, uint16(unix.SizeofRtAttr+len(value)))
	body = binary.NativeEndian.AppendUint16(body, kind)
	body = append(body, value...)
	return append(body, make([]byte, align(len(body))-len(body))...)
}

func align(n int) int { return (n + 3) &^ 3 }

func attribute32(body []byte, kind uint16, value uint32) []byte {
	return attribute(body, kind, binary.NativeEndian.AppendUint32(nil, value))
}

func attributeText(body []byte, kind uint16, value string) []byte {
	return attribute(body, kind, append([]byte(value), 0))
}

var errMalformed = errors.New("malformed netlink message")

// eachAttribute calls do with each attribute.
func eachAttribute(attributes []byte, do func(kind uint16, value []byte)) error {
	for len(attributes) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(attributes))
		if size < unix.SizeofRtAttr || size > len(attributes) {
			return errMalformed
		}
		do(binary.NativeEndian.Uint16(attributes[2:])&attributeType, attributes[unix.SizeofRtAttr:size])
		attributes = attributes[min(align(size), len(attributes)):]
	}
	return nil
}

// linkBody is struct ifinfomsg.
func linkBody(index int, flags, change uint32) []byte {
	body := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(body[4:], uint32(index))
	binary.NativeEndian.PutUint32(body[8:], flags)
	binary.NativeEndian.PutUint32(body[12:], change)
	return body
}

// A link is a network device as RTM_NEWLINK describes it.
type link struct {
	index, master int
	names         []string // the first is its name, the others are alternatives
	hardware      string
	up            bool
	loopback      bool
}

func parseLink(body []byte) (l link, err error) {
	if len(body) < unix.SizeofIfInfomsg {
		return l, errMalformed
	}
	l.index = int(binary.NativeEndian.Uint32(body[4:]))
	flags := binary.NativeEndian.Uint32(body[8:])
	l.up, l.loopback = flags&unix.IFF_UP != 0, flags&unix.IFF_LOOPBACK != 0
	l.names = []string{""}
	err = eachAttribute(body[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.names[0] = unix.ByteSliceToString(value)
		case unix.IFLA_ADDRESS:
			l.hardware = encode(value)
		case unix.IFLA_MASTER:
			if len(value) == 4 {
				l.master = int(binary.NativeEndian.Uint32(value))
			}
		case unix.IFLA_PROP_LIST:
			_ = eachAttribute(value, func(_ uint16, name []byte) { l.names = append(l.names, unix.ByteSliceToString(name)) })
		}
	})
	return l, err
}

// An address is described by RTM_NEWADDR.
type address struct {
	family, prefix, scope uint8
	index                 int
	flags                 uint32
	label                 string
	attributes            []byte
}

func parseAddress(body []byte) (a address, err error) {
	if len(body) < unix.SizeofIfAddrmsg {
		return a, errMalformed
	}
	a = address{
		family: body[0], prefix: body[1], flags: uint32(body[2]), scope: body[3],
		index: int(binary.NativeEndian.Uint32(body[4:])), attributes: body[unix.SizeofIfAddrmsg:],
	}
	err = eachAttribute(a.attributes, func(kind uint16, value []byte) {
		switch {
		case kind == ifaFlags && len(value) == 4:
			a.flags = binary.NativeEndian.Uint32(value) // the header has room for eight of them
		case kind == unix.IFA_LABEL:
			a.label = unix.ByteSliceToString(value)
		}
	})
	return a, err
}

// body returns the address in the form that RTM_NEWADDR takes, for a device of another
// index and name. Fields that the kernel sets itself are omitted.
func (a *address) body(index int, label string) []byte {
	out := []byte{a.family, a.prefix, 0, a.scope}
	out = binary.NativeEndian.AppendUint32(out, uint32(index))
	_ = eachAttribute(a.attributes, func(kind uint16, value []byte) { // parsed before
		switch kind {
		case unix.IFA_ADDRESS, unix.IFA_LOCAL, unix.IFA_BROADCAST, unix.IFA_CACHEINFO, ifaPriority, ifaProtocol:
			out = attribute(out, kind, value)
		}
	})
	if label != "" {
		out = attributeText(out, unix.IFA_LABEL, label)
	}
	const setByKernel = unix.IFA_F_SECONDARY | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED | unix.IFA_F_TENTATIVE |
		unix.IFA_F_PERMANENT | unix.IFA_F_STABLE_PRIVACY
	return attribute32(out, ifaFlags, a.flags&^setByKernel)
}

// sizeofRtMsg is the size of struct rtmsg.
const sizeofRtMsg = unix.SizeofRtMsg

// A route is described by RTM_NEWROUTE.
type route struct {
	protocol, kind uint8
	cloned         bool
	device         int // 0: none, or several
	viaGateway     bool
}

func parseRoute(body []byte) (r route, err error) {
	if len(body) < sizeofRtMsg {
		return r, errMalformed
	}
	r = route{protocol: body[5], kind: body[7], cloned: binary.NativeEndian.Uint32(body[8:])&unix.RTM_F_CLONED != 0}
	err = eachAttribute(body[sizeofRtMsg:], func(kind uint16, value []byte) {
		switch kind {
		case unix.RTA_OIF:
			if len(value) == 4 {
				r.device = int(binary.NativeEndian.Uint32(value))
			}
		case unix.RTA_GATEWAY, unix.RTA_VIA:
			r.viaGateway = true
		}
	})
	return r, err
}

// routeBody returns a route's body for a device that may have a different index now.
func routeBody(body []byte, index int) []byte {
	out := append([]byte(nil), body[:sizeofRtMsg]...)
	flags := out[8:]
	// The kernel sets the other flags.
	binary.NativeEndian.PutUint32(flags, binary.NativeEndian.Uint32(flags)&unix.RTNH_F_ONLINK)
	_ = eachAttribute(body[sizeofRtMsg:], func(kind uint16, value []byte) {
		switch kind {
		case rtaCacheInfo, rtaExpires:
		case unix.RTA_OIF:
			out = attribute32(out, kind, uint32(index))
		default:
			out = attribute(out, kind, value)
		}
	})
	return out
}

// encode and decode are for the container's record, which is JSON.
func encode(body []byte) string { return base64.StdEncoding.EncodeToString(body) }

func decode(text string) ([]byte, error) {
	body, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("container state: %w", err)
	}
	return body, nil
}
