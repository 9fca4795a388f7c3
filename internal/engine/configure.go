package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/engine/volumes"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// configure creates config.json, and returns the volumes that the container uses.
func (e *Engine) configure(i *image.Image, layers image.Stack, network string, s *Settings) (*specs.Spec,
	[]volumes.Use, error) {
	c, err := e.convert(i, layers, network, s)
	if err != nil {
		return nil, nil, err
	}
	if namespaces.Unprivileged() {
		uids, gids := namespaces.Ranges()
		if err := image.Unprivileged(c, uids, gids, network == "host"); err != nil {
			return nil, nil, err
		}
	}
	dir := e.Store.Container(s.Name)
	upper := filepath.Join(dir, "upper")
	image.SetLayers(c, layers, upper)
	c.Annotations[spec.AnnotationVolatile] = "true"
	uses, err := e.addMounts(c, layers, i.Config.Config.Volumes, s)
	if err != nil {
		return nil, uses, err
	}
	if err := e.createHostFiles(c, s.Name, network); err != nil {
		return nil, uses, err
	}
	if network == "bridge" {
		err = e.addBridge(c, s)
	}
	return c, uses, err
}

// convert combines the image's configuration and the flags.
func (e *Engine) convert(i *image.Image, layers image.Stack, network string, s *Settings) (*specs.Spec, error) {
	who := s.User
	if who == "" {
		who = i.Config.Config.User
	}
	user, err := image.LookUp(layers, who)
	if err != nil {
		return nil, err
	}
	if user.AdditionalGids, err = image.AddGroups(layers, user.AdditionalGids, s.Groups); err != nil {
		return nil, err
	}
	of := i.Config
	of.Config.Expose(s.Expose)
	c, err := image.Convert(of, s.Wishes, user)
	if err != nil {
		return nil, err
	}
	c.Linux.MaskedPaths = append(c.Linux.MaskedPaths, spec.HostMasks("/")...)
	var fs unix.Statfs_t // not cgroups.Detect, which the runtime will call, and which does more
	unified := unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
	if err := s.Apply(c, config.Host{Network: network, Unified: unified, Capabilities: config.Capabilities,
		Devices: config.HostDevices, ProcessOf: e.processOf, Systemd: e.Systemd}); err != nil {
		return nil, err
	}
	addHostname(c)
	return c, nil
}

// addHostname sets HOSTNAME, as Docker does, unless the image or the user does. The program sees the
// same name with gethostname(2), but scripts read the variable.
func addHostname(c *specs.Spec) {
	for _, e := range c.Process.Env {
		if strings.HasPrefix(e, "HOSTNAME=") {
			return
		}
	}
	c.Process.Env = append(c.Process.Env, "HOSTNAME="+c.Hostname)
}

// addBridge registers minirun-image as a hook that connects the network namespace when it
// exists, and disconnects it when the container is deleted.
func (e *Engine) addBridge(c *specs.Spec, s *Settings) error {
	if e.Helper == "" {
		return errors.New("--network bridge needs minirun-image, which is not installed next to minirun\n" +
			installHint)
	}
	timeout := 30
	hook := func(verb string) specs.Hook {
		return specs.Hook{Path: e.Helper, Args: append([]string{"minirun-image", "network", verb}, s.Publish...),
			Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Timeout: &timeout}
	}
	c.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{hook("add")}, Poststop: []specs.Hook{hook("del")}}
	return nil
}

// CheckPort refuses a port that is not [[IP:]HOST:]CONTAINER[/PROTOCOL].
func CheckPort(text string) error {
	ports, protocol, _ := strings.Cut(text, "/")
	if protocol != "" && protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return fmt.Errorf("--publish %q: protocol %q: must be tcp, udp or sctp", text, protocol)
	}
	parts := strings.Split(ports, ":")
	for n := max(0, len(parts)-2); n < len(parts); n++ {
		if p := parts[n]; p == "" || strings.Trim(p, "0123456789") != "" || len(p) > 5 {
			return fmt.Errorf("--publish %q: must be [[IP:]HOST:]CONTAINER[/PROTOCOL]", text)
		}
	}
	return nil
}
