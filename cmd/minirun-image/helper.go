package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containernetworking/cni/libcni"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/regularfile"
)

// helperCommands returns the commands that `minirun run IMAGE` executes. They are not intended for
// users.
func helperCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "seed", Hidden: true, ArgsUsage: "DIR PATH LAYER…", Action: seed},
		{Name: "remove-files", Hidden: true, ArgsUsage: "ID", Action: removeFiles},
		{Name: "network", Hidden: true, ArgsUsage: "add|del [PORT…]", Action: network},
	}
}

// seed copies the content of a path in the layers to a new directory, as the initial content of a
// volume.
func seed(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 3, cmdline.Unlimited); err != nil {
		return err
	}
	dir, path, layers := ctx.Args().Get(0), ctx.Args().Get(1), ctx.Args().Slice()[2:]
	tree, err := overlay.Open(layers, namespaces.Unprivileged())
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }()
	// The image controls the path and the links in it: they are resolved in its root.
	from, err := regularfile.OpenPathIn(int(tree.Fd()), path, unix.O_DIRECTORY, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return &os.PathError{Op: "open in the image", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(from) }()
	aside := dir + ".new"
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	if err := copyTree(aside, fmt.Sprintf("/proc/self/fd/%d/.", from)); err != nil {
		return errors.Join(err, os.RemoveAll(aside))
	}
	return os.Rename(aside, dir)
}

// removeFiles removes a container's directory, even if other users own files in it.
func removeFiles(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	id := ctx.Args().First()
	if id == "" || strings.ContainsRune(id, '/') || strings.HasPrefix(id, ".") {
		return fmt.Errorf("remove-files: %q is no container", id)
	}
	return os.RemoveAll((&image.Store{Dir: ctx.String("store")}).Container(id))
}

// The network of containers with --network bridge.
const (
	networkName = "minirun"
	bridgeName  = "minirun0"
	subnet      = "10.89.0.0/16"
	networkDir  = "/run/minirun-cni"
)

// pluginDirs lists where distributions install the CNI plugins.
var pluginDirs = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// network connects a container to the network as a createRuntime hook, or disconnects it as a
// poststop hook. The state is read from standard input (runtime.md, "Hooks").
func network(ctx *cli.Context) error {
	var state specs.State
	if err := json.NewDecoder(io.LimitReader(os.Stdin, 1<<20)).Decode(&state); err != nil {
		return fmt.Errorf("network: the container's state: %w", err)
	}
	list, err := networkConfig()
	if err != nil {
		return err
	}
	cni := libcni.NewCNIConfigWithCacheDir(pluginDirs, networkDir, nil)
	pin := filepath.Join(networkDir, "namespaces", state.ID)
	rt := &libcni.RuntimeConf{ContainerID: state.ID, NetNS: pin, IfName: "eth0"}
	ports, err := portMappings(ctx.Args().Tail())
	if err != nil {
		return err
	}
	if len(ports) > 0 {
		rt.CapabilityArgs = map[string]any{"portMappings": ports}
	}
	switch verb := ctx.Args().First(); verb {
	case "add":
		if err := pinNamespace(pin, state.Pid); err != nil {
			return err
		}
		if _, err := cni.AddNetworkList(context.Background(), list, rt); err != nil {
			return errors.Join(fmt.Errorf("connect to the bridge %s: %w: the plugins are those of the package containernetworking-plugins, and need iptables", bridgeName, err), cni.DelNetworkList(context.Background(), list, rt), unpinNamespace(pin))
		}
	case "del":
		err := cni.DelNetworkList(context.Background(), list, rt)
		if err = errors.Join(err, unpinNamespace(pin)); err != nil {
			return fmt.Errorf("disconnect from the bridge %s: %w", bridgeName, err)
		}
	default:
		return fmt.Errorf("network %q: must be add or del", verb)
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
	if err := unix.Unmount(pin, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
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
					"type": "host-local", "dataDir": networkDir + "/addresses", "routes": []any{map[string]string{"dst": "0.0.0.0/0"}},
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

// portMappings converts --publish to the configuration of the portmap plugin.
func portMappings(given []string) ([]map[string]any, error) {
	var out []map[string]any
	for _, text := range given {
		ports, protocol, _ := strings.Cut(text, "/")
		if protocol == "" {
			protocol = "tcp"
		}
		ip := ""
		parts := strings.Split(ports, ":")
		if len(parts) > 2 {
			ip = strings.Trim(strings.Join(parts[:len(parts)-2], ":"), "[]")
			if net.ParseIP(ip) == nil {
				return nil, fmt.Errorf("--publish %q: %q is no address", text, ip)
			}
			parts = parts[len(parts)-2:]
		}
		inside, err := strconv.ParseUint(parts[len(parts)-1], 10, 16)
		if err != nil || inside == 0 {
			return nil, fmt.Errorf("--publish %q: %q is no port", text, parts[len(parts)-1])
		}
		outside, err := strconv.ParseUint(parts[0], 10, 16)
		if err != nil || outside == 0 {
			return nil, fmt.Errorf("--publish %q: %q is no port", text, parts[0])
		}
		m := map[string]any{"hostPort": outside, "containerPort": inside, "protocol": protocol}
		if ip != "" {
			m["hostIP"] = ip
		}
		out = append(out, m)
	}
	return out, nil
}

// initStore creates a store if there is none.
func initStore(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 0); err != nil {
		return err
	}
	_, err := store.Open(ctx.String("store"))
	return err
}
