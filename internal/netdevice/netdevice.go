// Package netdevice moves network devices of the host into the network namespace of a
// container (config-linux.md, "Network Devices"), and back if the container cannot be
// created.
//
//	Open      finds the devices and their addresses, chooses names   no side effect
//	Move      RTM_SETLINK: namespace and name; RTM_NEWADDR; up       undone on failure
//	Restore   the way back: name, addresses, routes, bridge, up
//
// message.go builds and parses rtnetlink messages, plan.go decides which ones a device
// needs; neither has side effects. socket.go exchanges them with the kernel, and
// mover.go defines the order of the steps.
//
// The kernel keeps what belongs to the device itself: MTU, hardware address, alias,
// queues. When a device changes its namespace, the kernel removes its addresses and
// takes it down. Once the container exists the device belongs to it: what happens to
// it when the namespace is destroyed is up to the kernel, which destroys virtual
// devices and returns physical ones to the first network namespace. The specification
// forbids a runtime to interfere with that.
package netdevice

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// A Device is a network device on its way into a container: its destination, and what
// is needed to return it. It is part of the container's record while the container is
// being created.
type Device struct {
	Host string `json:"host"` // its name on the host
	Name string `json:"name"` // its name in the container, without a %d

	Index     int      `json:"index"`              // on the host
	Hardware  string   `json:"hardware,omitempty"` // its hardware address, in base64
	Up        bool     `json:"up,omitempty"`
	Master    int      `json:"master,omitempty"`    // index of the bridge or bond that it is a port of
	Addresses []string `json:"addresses,omitempty"` // bodies of RTM_NEWADDR, in base64
	Routes    []string `json:"routes,omitempty"`    // bodies of RTM_NEWROUTE, in base64

	key    string // its name in linux.netDevices: that on the host, or an alternative one (ip-link(8), property)
	inside int    // its index in the container's network namespace, once this process has moved it
}

// source returns the JSON path of a device.
func (d *Device) source() string { return spec.Key("linux.netDevices", cmp.Or(d.key, d.Host)) }

// sortDevices lists the devices of linux.netDevices in the order of their names there
// (pure). Those that keep their names have none in the container yet.
func sortDevices(wanted map[string]specs.LinuxNetDevice) []Device {
	devices := make([]Device, 0, len(wanted))
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		devices = append(devices, Device{Host: key, Name: wanted[key].Name, key: key})
	}
	return devices
}

// maxName is the longest name of a network device: IFNAMSIZ without the NUL.
const maxName = 15

// chooseNames gives each device its name in the container (pure). Names are compared
// with those in the container's network namespace before any device is moved: the
// kernel checks a new name only when the device is in its new namespace, and leaves it
// there if the name is taken.
//
// A name with %d gets the lowest number that makes it unique, as the kernel would
// choose it. It is chosen here because the kernel does not report its choice.
func chooseNames(devices []Device, taken []string) error {
	used := map[string]bool{}
	for _, name := range taken {
		used[name] = true
	}
	for i := range devices {
		d := &devices[i]
		d.Name = cmp.Or(d.Name, d.Host)
		if strings.Contains(d.Name, "%d") {
			continue // once all fixed names are known
		}
		if used[d.Name] {
			return fmt.Errorf("%s: the container's network namespace already has a device named %q\n"+
				"hint: choose another name, or a template such as \"eth%%d\", in linux.netDevices", d.source(), d.Name)
		}
		used[d.Name] = true
	}
	for i := range devices {
		d := &devices[i]
		if !strings.Contains(d.Name, "%d") {
			continue
		}
		template := d.Name
		for n := 0; ; n++ {
			if d.Name = strings.Replace(template, "%d", strconv.Itoa(n), 1); !used[d.Name] {
				break
			}
		}
		if len(d.Name) > maxName {
			return fmt.Errorf("%s: no number is free for the name %q: %q would be longer than %d bytes",
				d.source(), template, d.Name, maxName)
		}
		used[d.Name] = true
	}
	return nil
}
