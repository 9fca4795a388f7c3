package container

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/netdevice"
)

// Devices of linux.netDevices belong to the host until the container is created: if
// that fails, they are returned. From then on they belong to the container, and the
// kernel decides what happens to them when its network namespace is destroyed.
//
// The record lists them until the container is created, so that `delete` can return
// them from a network namespace if minirun is killed.

// moveDevices moves the devices into the network namespace of the container's process.
func (c *Container) moveDevices() error {
	begin := c.BeginAction()
	m, err := netdevice.Open(c.Spec.Linux.NetDevices, int(c.Proc.PidFD.Fd()))
	if err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	c.devices, c.Record.Devices = m, m.Devices
	if j := c.setup.Join(unix.CLONE_NEWNET); j != nil {
		c.Record.NetworkNamespace = j.Path
	}
	if err := c.Record.Write(c.options.directory()); err != nil {
		return err
	}
	if err := m.Move(); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	for i := range m.Devices {
		d := &m.Devices[i]
		c.Report(begin, observer.Action{
			What: fmt.Sprintf("move the network device %s into the container's network namespace as %s, with its "+
				"addresses, and set it up", d.Host, d.Name),
			Why:    "only a process on the host may move it",
			Source: "linux.netDevices",
		})
	}
	return nil
}

// dropDevicesFromRecord leaves the devices to the container, which is created.
func (c *Container) dropDevicesFromRecord() {
	c.Record.Devices, c.Record.NetworkNamespace = nil, ""
}

// closeDevices closes the way back. It also closes the container's network namespace,
// which would otherwise exist as long as this process.
func (c *Container) closeDevices() {
	if c.devices != nil {
		c.devices.Close()
		c.devices = nil
	}
}

// returnDevices returns the devices of a container that could not be created to the
// host. That may fail, for example if a name on the host is now taken. If the network
// namespace is joined, it continues to exist and delete can try again: then the
// devices are recorded again, and the record must be kept.
func (c *Container) returnDevices() (keep bool, err error) {
	if c.devices == nil {
		return false, nil
	}
	defer c.closeDevices()
	err = c.devices.Restore()
	j := c.setup.Join(unix.CLONE_NEWNET)
	if err == nil || j == nil {
		return false, err
	}
	c.Record.Devices, c.Record.NetworkNamespace = c.devices.Devices, j.Path
	err = fmt.Errorf("%w\nhint: when the cause is fixed, run: minirun delete %s", err, c.ID)
	return true, errors.Join(err, c.Record.Write(c.options.directory()))
}
