package predicate

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/ownthread"
)

// veth asks whether a container is connected to a bridge of the host: it has one end of a veth pair, and
// the other end is a port of the bridge (veth(4)).
type veth struct {
	scene.Of `yaml:",inline"`
	Bridge   string `yaml:"bridge"` // the name of the bridge begins with this
}

// A netDevice is a network device as rtnetlink(7) lists it.
type netDevice struct {
	Name, Kind string
	Index      int
	Peer       int // IFLA_LINK: the index of a veth's other end, in its namespace
	Master     int // the index of the bridge of which it is a port
	Up         bool
}

func (v *veth) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := v.Find(s)
	if failure != nil {
		return failure, nil
	}
	if scene.SameNamespace(p, "net") {
		return scene.Fail(words.New("a container with its own network namespace"), words.New("it has the host's"),
			"readlink %s /proc/self/ns/net", p.Proc("ns/net"))
	}
	inside, err := devicesOf(p)
	if err != nil {
		return nil, err
	}
	host, err := listDevices()
	if err != nil {
		return nil, err
	}
	return v.judge(p, inside, host)
}

// judge looks for a pair of which one end is in the container and the other one in a bridge.
func (v *veth) judge(p *scene.Process, inside, host []netDevice) (*scene.Failure, error) {
	look := fmt.Sprintf("nsenter -t %d -n ip link; ip link", p.PID)
	expected := words.New("a veth in the container, with its other end in a bridge %s…", v.Bridge)
	found := words.New("the container has these devices: %s", deviceNames(inside))
	for _, end := range inside {
		if end.Kind != "veth" {
			continue
		}
		at := slices.IndexFunc(host, func(d netDevice) bool {
			return d.Kind == "veth" && d.Index == end.Peer && d.Peer == end.Index
		})
		if at < 0 {
			found = words.New("the other end of %s is not on the host", end.Name)
			continue
		}
		other := host[at]
		port := slices.IndexFunc(host, func(d netDevice) bool { return d.Kind == "bridge" && d.Index == other.Master })
		switch {
		case port < 0:
			found = words.New("%s, the other end of %s, is not in a bridge", other.Name, end.Name)
		case !strings.HasPrefix(host[port].Name, v.Bridge):
			found = words.New("%s is in the bridge %s", other.Name, host[port].Name)
		case !end.Up || !other.Up || !host[port].Up:
			found = words.New("not all of %s, %s and %s are up", end.Name, other.Name, host[port].Name)
		default:
			return nil, nil
		}
	}
	return scene.Fail(expected, found, "%s", look)
}

func deviceNames(list []netDevice) string {
	var names []string
	for _, d := range list {
		names = append(names, d.Name)
	}
	return strings.Join(names, " ")
}

// devicesOf returns the devices in a process's network namespace.
func devicesOf(p *scene.Process) (list []netDevice, err error) {
	err = ownthread.Run(func() error {
		f, err := os.Open(p.Proc("ns/net"))
		if err != nil {
			return err
		}
		defer f.Close()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace of process %d: %w", p.PID, err)
		}
		list, err = listDevices()
		return err
	})
	return list, err
}

// listDevices returns the devices of the calling thread's network namespace.
func listDevices() ([]netDevice, error) {
	data, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil, os.NewSyscallError("netlink", err)
	}
	return parseDevices(data)
}

// parseDevices parses the kernel's answer to RTM_GETLINK.
func parseDevices(data []byte) (list []netDevice, err error) {
	messages, err := syscall.ParseNetlinkMessage(data)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < syscall.SizeofIfInfomsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return nil, err
		}
		d := netDevice{Index: int(binary.NativeEndian.Uint32(m.Data[4:])),
			Up: binary.NativeEndian.Uint32(m.Data[8:])&unix.IFF_UP != 0}
		for _, a := range attributes {
			switch {
			case a.Attr.Type == unix.IFLA_IFNAME:
				d.Name = unix.ByteSliceToString(a.Value)
			case a.Attr.Type == unix.IFLA_LINK && len(a.Value) == 4:
				d.Peer = int(binary.NativeEndian.Uint32(a.Value))
			case a.Attr.Type == unix.IFLA_MASTER && len(a.Value) == 4:
				d.Master = int(binary.NativeEndian.Uint32(a.Value))
			case a.Attr.Type&^unix.NLA_F_NESTED == unix.IFLA_LINKINFO:
				d.Kind = parseKind(a.Value)
			}
		}
		list = append(list, d)
	}
	return list, nil
}

// parseKind returns the kind of a device from its nested attributes.
func parseKind(nested []byte) string {
	for len(nested) >= unix.SizeofNlAttr {
		size := int(binary.NativeEndian.Uint16(nested))
		if size < unix.SizeofNlAttr || size > len(nested) {
			return ""
		}
		if binary.NativeEndian.Uint16(nested[2:]) == unix.IFLA_INFO_KIND {
			return unix.ByteSliceToString(nested[unix.SizeofNlAttr:size])
		}
		nested = nested[min((size+3)&^3, len(nested)):] // attributes begin at multiples of 4
	}
	return ""
}
