package container

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
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
	begin := c.began()
	m, err := netdevice.Open(c.spec.Linux.NetDevices, int(c.proc.PidFD.Fd()))
	if err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	c.devices, c.Record.Devices = m, m.Devices
	if j := c.setup.Join(unix.CLONE_NEWNET); j != nil {
		c.Record.NetworkNamespace = j.Path
	}
	if err := c.Record.write(c.options.directory()); err != nil {
		return err
	}
	if err := m.Move(); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	for i := range m.Devices {
		d := &m.Devices[i]
		c.did(begin, fmt.Sprintf("move the network device %s into the container's network namespace as %s, with its addresses, and set it up", d.Host, d.Name),
			"only a process on the host may move it", "linux.netDevices")
	}
	return nil
}

// handOverDevices leaves the devices to the container, which is created.
func (c *Container) handOverDevices() {
	c.Record.Devices, c.Record.NetworkNamespace = nil, ""
}

// forgetDevices closes the way back. It also closes the container's network namespace,
// which would otherwise exist as long as this process.
func (c *Container) forgetDevices() {
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
	defer c.forgetDevices()
	err = c.devices.Restore()
	j := c.setup.Join(unix.CLONE_NEWNET)
	if err == nil || j == nil {
		return false, err
	}
	c.Record.Devices, c.Record.NetworkNamespace = c.devices.Devices, j.Path
	err = fmt.Errorf("%w\nhint: when the cause is fixed, run: minirun delete %s", err, c.ID)
	return true, errors.Join(err, c.Record.write(c.options.directory()))
}

// strandedDevices opens the way back for devices that a killed minirun has left in the
// network namespace of a container that was never created. It must be called before
// the container's process, possibly the last one in the namespace, exits. It returns
// nil if there are none.
func (r *Record) strandedDevices() (*netdevice.Mover, error) {
	if len(r.Devices) == 0 {
		return nil, nil
	}
	namespace, err := r.networkNamespace()
	if err != nil || namespace == nil {
		return nil, err
	}
	defer namespace.Close()
	m, err := netdevice.Reopen(slices.Clone(r.Devices), int(namespace.Fd()))
	if errors.Is(err, unix.ESRCH) {
		return nil, nil // the process has left its namespaces, and is about to exit
	}
	return m, err
}

// networkNamespace opens the container's network namespace: by its path if it is
// joined, otherwise as that of the container's process. It returns nil if the process
// exited; then the kernel has returned or destroyed the devices.
func (r *Record) networkNamespace() (*os.File, error) {
	if r.NetworkNamespace == "" {
		return r.open()
	}
	f, err := namespaces.OpenNamespace(r.NetworkNamespace, unix.CLONE_NEWNET)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, namespaces.ErrNotNamespace) {
		return r.open()
	}
	return f, err
}
