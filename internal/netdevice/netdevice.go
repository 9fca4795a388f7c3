// Package netdevice moves network devices of the host into the network namespace
// of a container (config-linux.md, "Network Devices"), and back if the container
// cannot be created.
//
//	Open      finds the devices and their addresses, chooses names   no effect
//	Move      RTM_SETLINK: namespace and name; RTM_NEWADDR; up       undone on failure
//	Restore   the way back: name, addresses, routes, bridge, up
//
// message.go builds and parses rtnetlink messages, plan.go decides which ones a
// device needs; neither has an effect. socket.go exchanges them with the kernel, and
// mover.go is the order of things.
//
// The kernel keeps what belongs to the device itself: MTU, hardware address, alias,
// queues. It removes the addresses when a device changes its namespace, and takes it
// down. Once the container exists the device is its own: what becomes of it when the
// namespace ends is up to the kernel, which destroys virtual devices and returns
// physical ones to the first network namespace. The specification forbids a runtime
// to interfere with that.
package netdevice

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// A Device is a network device on its way into a container: where it goes, and what
// it needs to come back. It is part of the container's record while the container is
// created.
type Device struct {
	Host string `json:"host"` // its name on the host
	Name string `json:"name"` // its name in the container, without a %d

	Index     int      `json:"index"`              // on the host
	Hardware  string   `json:"hardware,omitempty"` // its hardware address, in base64
	Up        bool     `json:"up,omitempty"`
	Master    int      `json:"master,omitempty"`    // index of the bridge or bond that it is a port of
	Addresses []string `json:"addresses,omitempty"` // bodies of RTM_NEWADDR, in base64
	Routes    []string `json:"routes,omitempty"`    // bodies of RTM_NEWROUTE, in base64

	inside int // its index in the container's network namespace, once this process has moved it
}

// source is the JSON path of a device.
func source(host string) string { return spec.Key("linux.netDevices", host) }

// maxName is the longest name of a network device: IFNAMSIZ without the NUL.
const maxName = 15

// chooseNames gives each device its name in the container (pure), in the order of the
// names on the host. Names are compared with those that the container's network
// namespace has before any device is moved: the kernel looks at a new name only once
// the device is in its new namespace, and leaves it there if the name is taken.
//
// A name with %d gets the lowest number that makes it unique, as the kernel would
// choose it. It is chosen here because the kernel does not report what it chose.
func chooseNames(wanted map[string]specs.LinuxNetDevice, taken []string) ([]Device, error) {
	hosts := slices.Sorted(maps.Keys(wanted))
	used := map[string]bool{}
	for _, name := range taken {
		used[name] = true
	}
	devices := make([]Device, len(hosts))
	for i, host := range hosts {
		name := wanted[host].Name
		if name == "" {
			name = host
		}
		devices[i] = Device{Host: host, Name: name}
		if strings.Contains(name, "%d") {
			continue // once all fixed names are known
		}
		if used[name] {
			return nil, fmt.Errorf("%s: the container's network namespace already has a device named %q\n"+
				"hint: choose another name, or a template such as \"eth%%d\", in linux.netDevices", source(host), name)
		}
		used[name] = true
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
			return nil, fmt.Errorf("%s: no number is free for the name %q: %q would be longer than %d bytes", source(d.Host), template, d.Name, maxName)
		}
		used[d.Name] = true
	}
	return devices, nil
}
