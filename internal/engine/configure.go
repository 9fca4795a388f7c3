package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// configure creates config.json.
func (e *Engine) configure(i *image.Image, layers image.Stack, network string, s *Settings) (*specs.Spec, error) {
	who := s.User
	if who == "" {
		who = i.Config.Config.User
	}
	user, err := image.LookUp(layers, who)
	if err != nil {
		return nil, err
	}
	c, err := image.Convert(i.Config, s.Wishes, user)
	if err != nil {
		return nil, err
	}
	c.Linux.MaskedPaths = append(c.Linux.MaskedPaths, spec.HostMasks("/")...)
	var fs unix.Statfs_t // not cgroups.Detect, which the runtime will call, and which does more
	unified := unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
	if err := s.apply(c, knownCapabilities, network, unified); err != nil {
		return nil, err
	}
	if namespaces.Unprivileged() {
		uids, gids := namespaces.Ranges()
		if err := image.Unprivileged(c, uids, gids, network == "host"); err != nil {
			return nil, err
		}
	}
	dir := e.Store.Container(s.Name)
	upper := filepath.Join(dir, "upper")
	image.SetLayers(c, layers, upper)
	c.Annotations[spec.AnnotationVolatile] = "true"
	if s.Init {
		c.Annotations[spec.AnnotationInit] = "true"
	}
	if err := e.addMounts(c, s.Name, layers, i.Config.Config.Volumes, s); err != nil {
		return nil, err
	}
	if err := e.createHostFiles(c, s.Name, network); err != nil {
		return nil, err
	}
	if network == "bridge" {
		err = e.addBridge(c, s)
	}
	return c, err
}

// addBridge registers minirun-image as a hook that connects the network namespace when it
// exists, and disconnects it when the container is deleted.
func (e *Engine) addBridge(c *specs.Spec, s *Settings) error {
	if e.Helper == "" {
		return errors.New("--network bridge needs minirun-image, which is not installed next to minirun\n" +
			installHint)
	}
	for _, p := range s.Publish {
		if err := CheckPort(p); err != nil {
			return err
		}
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

// knownCapabilities returns the names of the capabilities that the kernel has.
func knownCapabilities() []string {
	known := spec.CapabilityNames()
	text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return known
	}
	last, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || last >= len(known) {
		return known
	}
	return known[:last+1]
}
