package executor

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/minirun/minirun/internal/build/devices"
)

// Device returns the CDI devices that RUN --device refers to, before any step runs.
func (e *Executor) Device(allow *devices.Allow, name string, required bool) ([]string, error) {
	r, err := e.deviceRegistry()
	if err != nil {
		return nil, err
	}
	return r.Select(allow, name, required)
}

// deviceRegistry reads the current CDI specs.
func (e *Executor) deviceRegistry() (*devices.Registry, error) {
	dirs := e.DeviceDirs
	if len(dirs) == 0 {
		dirs = devices.Directories
	}
	return devices.Open(dirs)
}

// addDevices gives the step its devices, as their specs edit a container. That may be anything
// except a limit on what the builder itself may do: without root there is no cgroup for its
// rules.
func (r *stepRun) addDevices() error {
	var names []string
	for _, d := range r.step.Op.Devices {
		for _, n := range d.Found {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	registry, err := r.executor.deviceRegistry()
	if err != nil {
		return err
	}
	if err := registry.Inject(r.spec, names); err != nil {
		return err
	}
	if r.rootless {
		r.spec.Linux.Resources = nil
	}
	for _, m := range r.spec.Mounts { // mounts of the devices: other mounts with a host file come later
		if info, err := os.Stat(m.Source); filepath.IsAbs(m.Source) && err == nil && !info.IsDir() {
			r.files[m.Source] = true
		}
	}
	return nil
}
