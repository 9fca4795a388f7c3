package netdevice

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Mover moves devices between the host's network namespace, which is that of the
// calling thread, and a container's.
type Mover struct {
	Devices []Device

	host, inside *socket
}

// Open finds the devices of linux.netDevices on the host, and decides under which
// names they are moved to the network namespace of a namespace file or a pidfd. It
// changes nothing.
func Open(wanted map[string]specs.LinuxNetDevice, namespace int) (*Mover, error) {
	m, err := Reopen(nil, namespace)
	if err != nil {
		return nil, fmt.Errorf("linux.netDevices: %w", explain(err))
	}
	if err := m.plan(wanted); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Reopen returns a Mover for devices from a container's record.
func Reopen(devices []Device, namespace int) (*Mover, error) {
	m := &Mover{Devices: devices}
	var err error
	if m.host, err = openSocket(); err != nil {
		return nil, err
	}
	if m.inside, err = openSocketIn(namespace); err != nil {
		m.host.close()
		return nil, err
	}
	return m, nil
}

// Close closes the sockets. Without another reference to it the container's network
// namespace is destroyed.
func (m *Mover) Close() {
	m.host.close()
	m.inside.close()
}

func (m *Mover) plan(wanted map[string]specs.LinuxNetDevice) error {
	same, err := isSameFile(m.host.namespace, m.inside.namespace)
	if err != nil {
		return err
	}
	if same {
		return errors.New("linux.netDevices: the container's network namespace is the host's: no device can be moved into it")
	}
	m.Devices = sortDevices(wanted)
	for i := range m.Devices {
		d := &m.Devices[i]
		if err := m.readDevice(d); err != nil {
			return fmt.Errorf("%s: %w", d.source(), err)
		}
		if twin := slices.IndexFunc(m.Devices[:i], func(o Device) bool { return o.Index == d.Index }); twin >= 0 {
			return fmt.Errorf("%s: %s is already listed as %s", d.source(), d.Host, m.Devices[twin].source())
		}
	}
	var taken []string
	err = m.inside.dump(unix.RTM_GETLINK, linkBody(0, 0, 0), func(body []byte) error {
		l, err := parseLink(body)
		taken = append(taken, l.names...)
		return err
	})
	if err != nil {
		return fmt.Errorf("linux.netDevices: list the devices of the container's network namespace: %w", err)
	}
	return chooseNames(m.Devices, taken)
}

func isSameFile(a, b *os.File) (bool, error) {
	first, err := a.Stat()
	if err != nil {
		return false, err
	}
	second, err := b.Stat()
	return err == nil && os.SameFile(first, second), err
}

// readDevice records the configuration of a device on the host.
func (m *Mover) readDevice(d *Device) error {
	l, err := m.host.link(d.Host)
	if errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("the host has no network device named %q\nhint: list them with: ip link", d.Host)
	}
	if err != nil {
		return err
	}
	if l.loopback {
		return errors.New("the loopback device cannot leave its network namespace")
	}
	d.Host, d.Index, d.Hardware, d.Up, d.Master = l.names[0], l.index, l.hardware, l.up, l.master
	body := make([]byte, unix.SizeofIfAddrmsg)
	binary.NativeEndian.PutUint32(body[4:], uint32(d.Index))
	err = m.host.dump(unix.RTM_GETADDR, body, func(body []byte) error {
		a, err := parseAddress(body)
		if err == nil && a.index == d.Index {
			d.Addresses = append(d.Addresses, encode(body))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list its addresses: %w", err)
	}
	return m.readRoutes(d)
}

// readRoutes records the device's routes, those to gateways last: they depend on the
// others.
func (m *Mover) readRoutes(d *Device) error {
	var gateways []string
	for _, family := range [2]byte{unix.AF_INET, unix.AF_INET6} {
		body := make([]byte, sizeofRtMsg)
		body[0] = family
		body = attribute32(body, unix.RTA_OIF, uint32(d.Index))
		err := m.host.dump(unix.RTM_GETROUTE, body, func(body []byte) error {
			r, err := parseRoute(body)
			switch {
			case err != nil || !isRestorable(&r, d.Index):
			case r.viaGateway:
				gateways = append(gateways, encode(body))
			default:
				d.Routes = append(d.Routes, encode(body))
			}
			return err
		})
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EOPNOTSUPP) { // a kernel without IPv6 has none
			return fmt.Errorf("list its routes: %w", err)
		}
	}
	d.Routes = append(d.Routes, gateways...)
	return nil
}

// Move moves the devices. After an error all of them are on the host again, with their
// earlier configuration.
func (m *Mover) Move() error {
	for i := range m.Devices {
		d := &m.Devices[i]
		if err := m.move(d); err != nil {
			err = fmt.Errorf("%s: move %s into the container's network namespace: %w", d.source(), d.Host, explain(err))
			return errors.Join(err, m.restore(m.Devices[:i+1]))
		}
	}
	return nil
}

func (m *Mover) move(d *Device) error {
	if err := m.host.send(moveRequest(d.Index, d.Name, int(m.inside.namespace.Fd()))); err != nil {
		return err
	}
	l, err := m.inside.link(d.Name)
	if err != nil {
		return fmt.Errorf("find it in the namespace as %s: %w", d.Name, err)
	}
	d.inside = l.index
	requests, err := configureRequests(d, l.index)
	if err != nil {
		return err
	}
	return m.inside.sendAll(requests)
}

// explain adds a hint to an error of the kernel.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w\nhint: this needs CAP_NET_ADMIN in the host's network namespace: run minirun as root", err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w\nhint: bridges, tunnels and some other devices cannot leave their network namespace: "+
			"ethtool -k DEVICE shows netns-local", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w\nhint: the device has IPv6 addresses: enable IPv6 in the container's network namespace "+
			"(net.ipv6.conf.*.disable_ipv6 is set)", err)
	}
	return err
}

// Restore brings the devices that are in the container's network namespace back to
// the host, under their old names and with their old addresses.
func (m *Mover) Restore() error { return m.restore(m.Devices) }

func (m *Mover) restore(devices []Device) error {
	var failed []error
	for i := range slices.Backward(devices) {
		d := &devices[i]
		if err := m.bringBack(d); err != nil {
			failed = append(failed, fmt.Errorf("%s: bring %s back to the host: %w", d.source(), d.Host, err))
		}
	}
	return errors.Join(failed...)
}

func (m *Mover) bringBack(d *Device) error {
	l, err := m.findInside(d)
	if errors.Is(err, unix.ENODEV) {
		// It has not left, or was returned before all its addresses were.
		l, err = m.findOnHost(d)
		if errors.Is(err, unix.ENODEV) {
			return nil // destroyed with its network namespace, or never there
		}
	} else if err == nil {
		host := int(m.host.namespace.Fd())
		err = m.inside.send(returnRequest(l.index, d.Index, d.Host, host))
		if errors.Is(err, unix.EBUSY) { // another device has the index now
			err = m.inside.send(moveRequest(l.index, d.Host, host))
		}
		if err != nil {
			return err
		}
		l, err = m.host.link(d.Host)
	}
	if err != nil {
		return err
	}
	requests, err := restoreRequests(d, l.index)
	if err != nil {
		return err
	}
	return m.host.sendEach(requests)
}

// findOnHost finds a device that is on the host. If its name was taken when it was
// returned, it has the name from the container, and gets its own again: the kernel
// renames a device after moving it.
func (m *Mover) findOnHost(d *Device) (link, error) {
	l, err := m.host.link(d.Host)
	if err == nil && l.hardware == d.Hardware || err != nil && !errors.Is(err, unix.ENODEV) {
		return l, err
	}
	l, err = m.host.get(linkBody(d.Index, 0, 0))
	if err != nil {
		return l, err
	}
	if l.hardware != d.Hardware || l.names[0] != d.Name {
		return link{}, unix.ENODEV
	}
	body := attributeText(linkBody(l.index, 0, 0), unix.IFLA_IFNAME, d.Host)
	return l, m.host.send(request{action: "rename it", kind: unix.RTM_SETLINK, body: body})
}

// findInside finds a device in the container's network namespace: by its index, whatever a
// hook has done to it, or by its name. With its old name it was moved and not renamed
// yet. A device that has not left is not looked up there: another one may have its
// name and hardware address, as tunnels do in every namespace.
func (m *Mover) findInside(d *Device) (link, error) {
	if d.inside != 0 {
		return m.inside.get(linkBody(d.inside, 0, 0))
	}
	if l, err := m.host.get(linkBody(d.Index, 0, 0)); err == nil && l.names[0] == d.Host && l.hardware == d.Hardware {
		return link{}, unix.ENODEV
	}
	for _, name := range [2]string{d.Name, d.Host} {
		l, err := m.inside.link(name)
		if err == nil && l.hardware == d.Hardware && l.names[0] == name {
			return l, nil
		}
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return l, err
		}
	}
	return link{}, unix.ENODEV
}
