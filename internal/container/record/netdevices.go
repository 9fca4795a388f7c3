package record

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/netdevice"
)

// StrandedDevices opens the way back for devices that a killed minirun has left in the
// network namespace of a container that was never created. It must be called before
// the container's process, possibly the last one in the namespace, exits. It returns
// nil if there are none.
func (r *Record) StrandedDevices() (*netdevice.Mover, error) {
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
		return r.OpenProcess()
	}
	f, err := namespaces.OpenNamespace(r.NetworkNamespace, unix.CLONE_NEWNET)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, namespaces.ErrNotNamespace) {
		return r.OpenProcess()
	}
	return f, err
}
