package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// applyDevices adds devices to a configuration.
func (s *Settings) applyDevices(c *specs.Spec, h Host) error {
	c.Linux.Devices = append(c.Linux.Devices, s.Devices...)
	r := c.Linux.Resources
	r.Devices = append(r.Devices, s.DeviceRules...)
	if !s.Privileged {
		return nil
	}
	all, err := h.Devices()
	if err != nil {
		return err
	}
	for _, d := range all {
		if !slices.ContainsFunc(c.Linux.Devices, func(o specs.LinuxDevice) bool { return o.Path == d.Path }) {
			c.Linux.Devices = append(c.Linux.Devices, d)
		}
	}
	r.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	return nil
}

// ErrNoDevice is the cause if a path is not a device.
var ErrNoDevice = errors.New("not a device")

// DeviceOf returns the device at a path of the host.
func DeviceOf(path string) (specs.LinuxDevice, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return specs.LinuxDevice{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	kind := ""
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		kind = "c"
	case unix.S_IFBLK:
		kind = "b"
	default:
		return specs.LinuxDevice{}, fmt.Errorf("%s: %w", path, ErrNoDevice)
	}
	mode, uid, gid := os.FileMode(st.Mode&0o777), st.Uid, st.Gid
	return specs.LinuxDevice{Path: path, Type: kind, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
		FileMode: &mode, UID: &uid, GID: &gid}, nil
}

// privateDirs are directories of /dev that a container has itself, or whose devices belong to one
// session.
var privateDirs = [...]string{"/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/.lxc", "/dev/.lxd-mounts",
	"/dev/.udev"}

// ownDevices are what the runtime creates in every container.
var ownDevices = [...]string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
	"/dev/console", "/dev/ptmx"}

// HostDevices returns the devices of the host for --privileged.
func HostDevices() (list []specs.LinuxDevice, err error) {
	err = filepath.WalkDir("/dev", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil: // it disappeared, or may not be read
			return nil
		case entry.IsDir() && slices.Contains(privateDirs[:], path):
			return fs.SkipDir
		case entry.Type()&fs.ModeDevice == 0, slices.Contains(ownDevices[:], path):
			return nil
		}
		if d, err := DeviceOf(path); err == nil {
			list = append(list, d)
		}
		return nil
	})
	return list, err
}
