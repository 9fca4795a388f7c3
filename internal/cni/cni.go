// Package cni connects containers to networks with CNI plugins.
package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/containernetworking/cni/libcni"
	current "github.com/containernetworking/cni/pkg/types/100"
	"golang.org/x/sys/unix"
)

// Plugins executes plugins.
type Plugins struct {
	Dirs     []string // where they are
	StateDir string   // what they remember, and the network namespaces of containers
}

// An Attachment connects a container to a network.
type Attachment struct {
	Sandbox string // the container's name, unique on this host
	Device  string // in the container
	List    []byte // the network's configuration list

	// Only to connect it:
	IPs   []netip.Addr // addresses that are asked for
	MAC   string
	Ports []Port
}

// A Port is forwarded to the container, in the form of the plugin portmap.
type Port struct {
	HostPort      uint16 `json:"hostPort"`
	ContainerPort uint16 `json:"containerPort"`
	Protocol      string `json:"protocol"`
	HostIP        string `json:"hostIP"`
}

// A Result is what a container got.
type Result struct {
	Addresses []netip.Prefix
	Gateway   netip.Addr
	MAC       string
}

func (p Plugins) namespace(sandbox string) string {
	return filepath.Join(p.StateDir, "namespaces", sandbox)
}

// config returns the plugins' view of an attachment.
func (p Plugins) config(a *Attachment) *libcni.RuntimeConf {
	rt := &libcni.RuntimeConf{ContainerID: a.Sandbox, NetNS: p.namespace(a.Sandbox), IfName: a.Device,
		CapabilityArgs: map[string]any{}}
	if len(a.Ports) > 0 {
		rt.CapabilityArgs["portMappings"] = a.Ports
	}
	if len(a.IPs) > 0 {
		rt.CapabilityArgs["ips"] = a.IPs
	}
	if a.MAC != "" {
		rt.CapabilityArgs["mac"] = a.MAC
	}
	return rt
}

// Connect connects a container. After an error nothing is left of the attachment.
func (p Plugins) Connect(ctx context.Context, a *Attachment) (*Result, error) {
	list, err := libcni.ConfListFromBytes(a.List)
	if err != nil {
		return nil, err
	}
	rt := p.config(a)
	plugins := libcni.NewCNIConfigWithCacheDir(p.Dirs, p.StateDir, nil)
	answer, err := plugins.AddNetworkList(ctx, list, rt)
	if err != nil {
		return nil, errors.Join(err, plugins.DelNetworkList(ctx, list, rt))
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return parseResult(text, a.Device)
}

// parseResult reads the answer of the plugins: its version is the one of the configuration list.
func parseResult(text []byte, device string) (*Result, error) {
	var answer struct {
		Interfaces []*current.Interface
		IPs        []struct {
			Address string
			Gateway netip.Addr
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	r := &Result{}
	for _, ip := range answer.IPs {
		address, err := netip.ParsePrefix(ip.Address)
		if err != nil {
			return nil, err
		}
		r.Addresses = append(r.Addresses, address)
		if !r.Gateway.IsValid() {
			r.Gateway = ip.Gateway
		}
	}
	for _, i := range answer.Interfaces {
		if i.Name == device && i.Sandbox != "" {
			r.MAC = i.Mac
		}
	}
	return r, nil
}

// Disconnect removes what Connect created, also if it was interrupted.
func (p Plugins) Disconnect(ctx context.Context, a *Attachment) error {
	rt := p.config(a)
	plugins := libcni.NewCNIConfigWithCacheDir(p.Dirs, p.StateDir, nil)
	list, err := libcni.ConfListFromBytes(a.List)
	if err != nil {
		return err
	}
	// The list may have been edited since.
	if text, cached, err := plugins.GetNetworkListCachedConfig(list, rt); err == nil && text != nil {
		if old, err := libcni.ConfListFromBytes(text); err == nil {
			list, rt = old, cached
		}
	}
	return plugins.DelNetworkList(ctx, list, rt)
}

// DisconnectAll removes what Connect has created for a container, on all networks.
func (p Plugins) DisconnectAll(ctx context.Context, sandbox string) error {
	plugins := libcni.NewCNIConfigWithCacheDir(p.Dirs, p.StateDir, nil)
	attachments, err := plugins.GetCachedAttachments(sandbox)
	if err != nil {
		return err
	}
	for _, a := range attachments {
		list, err := libcni.ConfListFromBytes(a.Config)
		if err != nil {
			return err
		}
		err = plugins.DelNetworkList(ctx, list, &libcni.RuntimeConf{ContainerID: a.ContainerID, NetNS: a.NetNS,
			IfName: a.IfName, Args: a.CniArgs, CapabilityArgs: a.CapabilityArgs})
		if err != nil {
			return fmt.Errorf("cannot disconnect the container from network %s: %w", a.Network, err)
		}
	}
	return nil
}

// Pin keeps the network namespace of a process after its last process has exited. The plugins need
// it to remove what they created outside of it.
func (p Plugins) Pin(sandbox string, pid int) error {
	pin := p.namespace(sandbox)
	if err := os.MkdirAll(filepath.Dir(pin), 0o700); err != nil {
		return err
	}
	if err := p.Unpin(sandbox); err != nil { // of a container that ended with the machine
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

// Unpin undoes Pin.
func (p Plugins) Unpin(sandbox string) error {
	pin := p.namespace(sandbox)
	if err := unix.Unmount(pin, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) &&
		!errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unmount", Path: pin, Err: err}
	}
	if err := os.Remove(pin); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
