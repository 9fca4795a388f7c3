package engine

import (
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/apparmor"
	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/engine/volumes"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// configure creates config.json, and returns the volumes that the container uses.
func (e *Engine) configure(i *image.Image, layers image.Stack, p *connection.Plan, s *Settings) (*specs.Spec,
	[]volumes.Use, error) {
	c, err := e.convert(i, layers, p, s)
	if err != nil {
		return nil, nil, err
	}
	if namespaces.Unprivileged() {
		uids, gids := namespaces.Ranges()
		if err := image.Unprivileged(c, uids, gids, p.Mode == network.Host); err != nil {
			return nil, nil, err
		}
	}
	dir := e.Store.Container(s.Name)
	upper := filepath.Join(dir, "upper")
	image.SetLayers(c, layers, upper)
	c.Annotations[spec.AnnotationVolatile] = "true"
	if s.Init {
		c.Annotations[spec.AnnotationInit] = "true"
	}
	uses, err := e.addMounts(c, layers, i.Config.Config.Volumes, s)
	if err != nil {
		return nil, uses, err
	}
	return c, uses, e.connect(c, p, s.Name)
}

// convert combines the image's configuration and the flags.
func (e *Engine) convert(i *image.Image, layers image.Stack, p *connection.Plan, s *Settings) (*specs.Spec, error) {
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
	c, err := image.Convert(i.Config, s.Wishes, user)
	if err != nil {
		return nil, err
	}
	c.Linux.MaskedPaths = append(c.Linux.MaskedPaths, spec.HostMasks("/")...)
	var fs unix.Statfs_t // not cgroups.Detect, which the runtime will call, and which does more
	unified := unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
	if err := s.Apply(c, config.Host{Network: p.Mode, Unified: unified, Capabilities: config.Capabilities,
		Devices: config.HostDevices, ProcessOf: e.processOf, Systemd: e.Systemd,
		AppArmor: defaultProfile()}); err != nil {
		return nil, err
	}
	addHostname(c)
	return c, nil
}

// defaultProfile returns the AppArmor profile of containers without --security-opt apparmor, "" where they
// cannot have it. Only root can load it, and only root's containers need it: a user may not do what it forbids.
func defaultProfile() string {
	if namespaces.Unprivileged() || !apparmor.Available() {
		return ""
	}
	return apparmor.Default
}

// loadProfile loads the default AppArmor profile if the container has it.
func loadProfile(r *Record) error {
	if r.AppArmor != apparmor.Default {
		return nil
	}
	return apparmor.Load()
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
