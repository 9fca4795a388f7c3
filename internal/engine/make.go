package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/container/record"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// open finds an image and its layers; missing ones are pulled and unpacked.
func (e *Engine) open(name, pull string) (*image.Image, image.Stack, error) {
	pulled := pull == "always"
	if pulled {
		if err := e.help("pull", name); err != nil {
			return nil, nil, err
		}
	}
	i, err := e.Store.Open(name)
	if errors.Is(err, image.ErrNotFound) && pull != "never" {
		pulled = true
		if err := e.help("pull", name); err != nil {
			return nil, nil, err
		}
		i, err = e.Store.Open(name)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := e.checkPlatform(name, &i.Config, pulled); err != nil {
		return nil, nil, err
	}
	layers, err := e.Store.Layers(i.ID)
	if errors.Is(err, image.ErrNotUnpacked) {
		if err := e.help("unpack", name); err != nil {
			return nil, nil, err
		}
		layers, err = e.Store.Layers(i.ID)
	}
	return i, layers, err
}

// checkPlatform warns about an image for another architecture, unless the pull did,
// and refuses one for another operating system.
func (e *Engine) checkPlatform(name string, c *image.Config, warned bool) error {
	platform := image.ForeignPlatform(c.OS, c.Architecture)
	switch {
	case platform == "":
	case c.OS != "" && c.OS != "linux":
		return fmt.Errorf("image %s is for %s: this machine runs images for linux only", name, platform)
	case !warned:
		e.Warn(image.PlatformWarning(name, platform))
	}
	return nil
}

// help runs minirun-image.
func (e *Engine) help(args ...string) error {
	if e.Helper == "" {
		return fmt.Errorf("%s: needs minirun-image, which is not installed next to minirun", args[0])
	}
	cmd := exec.Command(e.Helper, append([]string{"--store", e.Store.Dir}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("minirun %s failed (see above): %w", args[0], err)
	}
	return nil
}

// Make creates a container from an image: its directory with config.json. Nothing runs
// yet. After an error nothing is left.
func (e *Engine) Make(name string, s *Settings) (r *Record, err error) {
	if _, err := os.Stat(filepath.Join(e.Store.Dir, "containers")); err != nil {
		if err := e.help("store", "init"); err != nil {
			return nil, err
		}
	}
	lock, err := e.Store.Share(context.Background()) // so that prune keeps the layers until the record names them
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	i, layers, err := e.open(name, s.Pull)
	if err != nil {
		return nil, err
	}
	health, err := s.health(i.Config.Config.Healthcheck)
	if err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = madeUpName(i.Name)
	}
	if err := record.CheckID(s.Name); err != nil {
		return nil, err
	}
	if strings.HasPrefix(s.Name, "-") { // the monitor and `exec` would parse it as an option
		return nil, fmt.Errorf("--name %q: must not begin with -", s.Name)
	}
	dir := e.Store.Container(s.Name)
	if err := os.Mkdir(dir, 0o711); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("container %s exists: remove it with minirun rm %s, or give another --name", s.Name, s.Name)
		}
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if len(layers) == 0 { // overlayfs needs at least one
		layers = image.Stack{filepath.Join(dir, "empty")}
		if err := os.Mkdir(layers[0], 0o755); err != nil {
			return nil, err
		}
	}
	network, err := s.network()
	if err != nil {
		return nil, err
	}
	c, err := e.configure(i, layers, network, s)
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"rootfs", "upper"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	if err := likeRoot(filepath.Join(dir, "upper"), layers); err != nil && !namespaces.Unprivileged() {
		return nil, err
	}
	text, err := spec.Compact(c)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		return nil, err
	}
	r = e.recordOf(i, c, network, s)
	r.Health = health
	return r, writeJSON(e.file(s.Name, recordFile), r)
}

func (e *Engine) recordOf(i *image.Image, c *specs.Spec, network string, s *Settings) *Record {
	r := &Record{
		Origin:    image.Origin{Name: i.Name, ID: i.ID, Manifest: i.Manifest},
		Container: s.Name, Command: c.Process.Args, Created: time.Now().UTC(), Remove: s.Remove, Terminal: s.Terminal,
		StopSignal: s.StopSignal, Network: network, Ports: s.Publish, Shell: i.Config.Config.Shell,
	}
	if r.StopSignal == "" {
		r.StopSignal = i.Config.Config.StopSignal
	}
	return r
}

// likeRoot gives the upper directory the owner and mode of the image's root: the
// container's root is the topmost directory.
func likeRoot(upper string, layers image.Stack) error {
	if len(layers) == 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(layers[len(layers)-1], &st); err != nil {
		return err
	}
	if err := os.Lchown(upper, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Chmod(upper, st.Mode&0o7777)
}

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
	if err := e.mounts(c, s.Name, layers, i.Config.Config.Volumes, s); err != nil {
		return nil, err
	}
	if err := e.hostFiles(c, s.Name, network); err != nil {
		return nil, err
	}
	if network == "bridge" {
		err = e.bridge(c, s)
	}
	return c, err
}

// bridge registers minirun-image as a hook that connects the network namespace when it
// exists, and disconnects it when the container is deleted.
func (e *Engine) bridge(c *specs.Spec, s *Settings) error {
	if e.Helper == "" {
		return errors.New("--network bridge: needs minirun-image, which is not installed next to minirun")
	}
	for _, p := range s.Publish {
		if err := CheckPort(p); err != nil {
			return err
		}
	}
	timeout := 30
	hook := func(verb string) specs.Hook {
		return specs.Hook{Path: e.Helper, Args: append([]string{"minirun-image", "network", verb}, s.Publish...), Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Timeout: &timeout}
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

// madeUpName returns the image's name with a random number.
func madeUpName(name string) string {
	base := "container"
	if n, err := image.ParseName(name); err == nil {
		base = n.Repository[strings.LastIndexByte(n.Repository, '/')+1:]
	}
	var random [3]byte
	for {
		if n, err := unix.Getrandom(random[:], 0); err == nil && n == len(random) {
			return fmt.Sprintf("%s-%x", base, random)
		}
	}
}
