package engine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// configure creates config.json.
func (e *Engine) configure(i *image.Image, layers image.Stack, p *connection.Plan, s *Settings) (*specs.Spec, error) {
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
	if err := s.apply(c, knownCapabilities, p.Mode, unified); err != nil {
		return nil, err
	}
	addHostname(c)
	if namespaces.Unprivileged() {
		uids, gids := namespaces.Ranges()
		if err := image.Unprivileged(c, uids, gids, p.Mode == network.Host); err != nil {
			return nil, err
		}
	}
	dir := e.Store.Container(s.Name)
	upper := filepath.Join(dir, "upper")
	image.SetLayers(c, layers, upper)
	c.Annotations[spec.AnnotationVolatile] = "true"
	if err := e.addMounts(c, s.Name, layers, i.Config.Config.Volumes, s); err != nil {
		return nil, err
	}
	return c, e.connect(c, p, s.Name)
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
