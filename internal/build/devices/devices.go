// Package devices finds the CDI devices that RUN --device names, and adds them to containers
// (https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md).
//
//	devices.go  Registry: names → devices in the host's CDI specs → config.json
//	allow.go    --allow device: which of them a build may use
//
// CDI specs belong to the host's administrator, so what they add to a container, including
// hooks, is trusted. Names come from Dockerfiles, and are only looked up.
package devices

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"tags.cncf.io/container-device-interface/pkg/cdi"
)

// Directories are the default directories of CDI specs.
var Directories = cdi.DefaultSpecDirs

// BuildKit's annotations for devices and for specs.
const (
	classAnnotation     = "org.mobyproject.buildkit.device.class"
	autoAllowAnnotation = "org.mobyproject.buildkit.device.autoallow"
)

// A Registry holds the devices of CDI specs.
type Registry struct{ cache *cdi.Cache }

// Open reads the specs in some directories. Directories that do not exist and specs that
// cannot be read are skipped: see Problems.
func Open(directories []string) (*Registry, error) {
	cache, err := cdi.NewCache(cdi.WithAutoRefresh(false), cdi.WithSpecDirs(directories...))
	if err != nil {
		return nil, fmt.Errorf("read the CDI specs: %w", err)
	}
	return &Registry{cache}, nil
}

// Problems returns why specs could not be read; nil if all were read.
func (r *Registry) Problems() error {
	var list []error
	found := r.cache.GetErrors()
	for _, file := range slices.Sorted(maps.Keys(found)) {
		list = append(list, fmt.Errorf("CDI spec %s: %w", file, found[file][0]))
	}
	return errors.Join(list...)
}

// Names returns the names of the devices, sorted.
func (r *Registry) Names() []string { return slices.Sorted(slices.Values(r.cache.ListDevices())) }

// Resolve returns the devices that a name refers to, as VENDOR/CLASS=DEVICE. A name is that of
// one device; of all devices of a kind (VENDOR/CLASS=*) or its first one (VENDOR/CLASS); or of
// a class, which is an annotation of devices and specs.
func (r *Registry) Resolve(name string) (out []string) {
	if name == "" {
		return nil
	}
	kind, device, named := strings.Cut(name, "=")
	for _, full := range r.Names() {
		isKind := strings.HasPrefix(full, kind+"=")
		switch {
		case full == name, isKind && named && device == "*", !named && r.annotation(full, classAnnotation) == name:
			out = append(out, full)
		case isKind && !named && strings.Contains(kind, "/"):
			return []string{full}
		}
	}
	return out
}

// annotation returns an annotation of a device, or of its spec.
func (r *Registry) annotation(full, name string) string {
	d := r.cache.GetDevice(full)
	if d == nil {
		return ""
	}
	if value, ok := d.Annotations[name]; ok {
		return value
	}
	return d.GetSpec().Annotations[name]
}

// isAutoAllowed reports whether every build may use a device.
func (r *Registry) isAutoAllowed(full string) bool {
	return r.annotation(full, autoAllowAnnotation) == "true"
}

// Inject adds devices to a container's configuration.
func (r *Registry) Inject(c *specs.Spec, names []string) error {
	if _, err := r.cache.InjectDevices(c, names...); err != nil {
		return fmt.Errorf("CDI devices %s: %w", strings.Join(names, ", "), err)
	}
	return nil
}
