// Package cni connects containers to a bridge on this host with CNI plugins, for --network bridge.
package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/containernetworking/cni/libcni"
	"golang.org/x/sys/unix"
)

// The network that all containers share.
const (
	networkName = "minirun"
	bridgeName  = "minirun0"
	subnet      = "10.89.0.0/16"
	networkDir  = "/run/minirun-cni"
)

// pluginDirs lists where distributions install the CNI plugins.
var pluginDirs = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// A Container is a container to connect or disconnect.
type Container struct {
	ID    string
	PID   int      // a process in the network namespace; not needed to disconnect
	Ports []string // the values of --publish
}

// runtimeConf returns the plugins' view of a container, and the path that keeps its namespace.
func (c Container) runtimeConf() (*libcni.RuntimeConf, error) {
	pin := filepath.Join(networkDir, "namespaces", c.ID)
	rt := &libcni.RuntimeConf{ContainerID: c.ID, NetNS: pin, IfName: "eth0"}
	ports, err := portMappings(c.Ports)
	if err == nil && len(ports) > 0 {
		rt.CapabilityArgs = map[string]any{"portMappings": ports}
	}
	return rt, err
}

// Connect connects a container to the bridge.
func (c Container) Connect(ctx context.Context) error {
	list, err := networkConfig()
	if err != nil {
		return err
	}
	rt, err := c.runtimeConf()
	if err != nil {
		return err
	}
	if err := pinNamespace(rt.NetNS, c.PID); err != nil {
		return err
	}
	plugins := libcni.NewCNIConfigWithCacheDir(pluginDirs, networkDir, nil)
	if _, err := plugins.AddNetworkList(ctx, list, rt); err != nil {
		err = errors.Join(err, plugins.DelNetworkList(ctx, list, rt), unpinNamespace(rt.NetNS))
		return fmt.Errorf("cannot connect the container to the bridge %s: %w"+
			"\nhint: install the CNI plugins and iptables: on Debian, apt-get install containernetworking-plugins "+
			"iptables", bridgeName, err)
	}
	return nil
}

// Disconnect removes what Connect created, also if it was interrupted.
func (c Container) Disconnect(ctx context.Context) error {
	list, err := networkConfig()
	if err != nil {
		return err
	}
	rt, err := c.runtimeConf()
	if err != nil {
		return err
	}
	err = libcni.NewCNIConfigWithCacheDir(pluginDirs, networkDir, nil).DelNetworkList(ctx, list, rt)
	if err = errors.Join(err, unpinNamespace(rt.NetNS)); err != nil {
		return fmt.Errorf("cannot disconnect the container from the bridge %s: %w", bridgeName, err)
	}
	return nil
}

// pinNamespace keeps a network namespace after its last process has exited. The plugins need it to
// remove what they created outside of it.
func pinNamespace(pin string, pid int) error {
	if err := os.MkdirAll(filepath.Dir(pin), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(pin, nil, 0o600); err != nil {
		return err
	}
	from := "/proc/" + strconv.Itoa(pid) + "/ns/net"
	if err := unix.Mount(from, pin, "", unix.MS_BIND, ""); err != nil {
		return errors.Join(&os.PathError{Op: "bind " + from + " to", Path: pin, Err: err}, os.Remove(pin))
	}
	return nil
}

func unpinNamespace(pin string) error {
	if err := unix.Unmount(pin, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) &&
		!errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unmount", Path: pin, Err: err}
	}
	if err := os.Remove(pin); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// networkConfig returns a bridge with its own addresses, masquerading, and ports.
func networkConfig() (*libcni.NetworkConfigList, error) {
	text, err := json.Marshal(map[string]any{
		"cniVersion": "0.4.0", "name": networkName,
		"plugins": []any{
			map[string]any{
				"type": "bridge", "bridge": bridgeName, "isGateway": true, "ipMasq": true, "hairpinMode": true,
				"ipam": map[string]any{
					"type": "host-local", "dataDir": networkDir +
						"/addresses", "routes": []any{map[string]string{"dst": "0.0.0.0/0"}},
					"ranges": []any{[]any{map[string]string{"subnet": subnet}}},
				},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	})
	if err != nil {
		return nil, err
	}
	return libcni.ConfListFromBytes(text)
}
