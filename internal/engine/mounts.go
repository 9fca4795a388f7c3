package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
)

// A volume is one -v flag.
type volume struct {
	source string // a path of the host, a name, or "" for an anonymous volume
	target string
	flags  []string
}

// parseVolume parses [SOURCE:]TARGET[:OPTIONS].
func parseVolume(text string) (volume, error) {
	parts := strings.Split(text, ":")
	v := volume{target: parts[0]}
	if len(parts) > 1 {
		v.source, v.target = parts[0], parts[1]
	}
	if len(parts) > 3 || len(parts) > 1 && v.source == "" || !strings.HasPrefix(v.target, "/") ||
		filepath.Clean(v.target) == "/" {
		return v, fmt.Errorf("--volume %q: must be [HOST:]CONTAINER[:OPTIONS], with a path below / in the container",
			text)
	}
	if len(parts) == 3 {
		v.flags = strings.Split(parts[2], ",")
	}
	for _, f := range v.flags {
		if !slices.Contains([]string{"ro", "rw", "rprivate", "private", "rshared", "shared", "rslave", "slave",
			"nosuid", "nodev", "noexec"}, f) {
			return v, fmt.Errorf("--volume %q: unknown option %q\n"+
				"hint: use ro, rw, nosuid, nodev, noexec, or a propagation type such as rslave", text, f)
		}
	}
	return v, nil
}

// isPath distinguishes a path of the host from a volume's name.
func (v *volume) isPath() bool {
	return strings.ContainsAny(v.source, "/") || v.source == "." || v.source == ".."
}

// mount returns the bind mount of a source.
func (v *volume) mount(source string) specs.Mount {
	options := []string{"rbind"}
	private := true
	for _, f := range v.flags {
		options = append(options, f)
		private = private && !strings.Contains(f, "shared") && !strings.Contains(f, "slave") &&
			!strings.Contains(f, "private")
	}
	if private {
		options = append(options, "rprivate")
	}
	return specs.Mount{Destination: v.target, Type: "bind", Source: source, Options: options}
}

// addMounts adds volumes, including those of the image, and tmpfs.
func (e *Engine) addMounts(c *specs.Spec, id string, layers image.Stack, ofImage map[string]struct{},
	s *Settings) error {
	targets := map[string]bool{}
	for _, text := range s.Volumes {
		v, err := parseVolume(text)
		if err != nil {
			return err
		}
		source, err := e.volumeSource(&v, id, layers)
		if err != nil {
			return fmt.Errorf("--volume %q: %w", text, err)
		}
		targets[filepath.Clean(v.target)] = true
		c.Mounts = append(c.Mounts, v.mount(source))
	}
	for _, text := range s.Tmpfs {
		target, options, _ := strings.Cut(text, ":")
		if !strings.HasPrefix(target, "/") {
			return fmt.Errorf("--tmpfs %q: must be CONTAINER[:OPTIONS]", text)
		}
		m := specs.Mount{Destination: target, Type: "tmpfs", Source: "tmpfs",
			Options: []string{"nosuid", "nodev", "noexec"}}
		if options != "" {
			m.Options = append(m.Options, strings.Split(options, ",")...)
		}
		targets[filepath.Clean(target)] = true
		c.Mounts = append(c.Mounts, m)
	}
	for _, target := range sorted(ofImage) {
		if target = filepath.Clean("/" + target); targets[target] || target == "/" {
			continue
		}
		v := volume{target: target}
		source, err := e.volumeSource(&v, id, layers)
		if err != nil {
			return fmt.Errorf("the image's volume %s: %w", target, err)
		}
		c.Mounts = append(c.Mounts, v.mount(source))
	}
	return nil
}

func sorted(set map[string]struct{}) []string {
	var out []string
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// volumeSource finds or creates the source of a volume. A path of the host must exist: one
// that Docker would create as root is usually a typing error.
func (e *Engine) volumeSource(v *volume, id string, layers image.Stack) (string, error) {
	if v.isPath() {
		path, err := filepath.Abs(v.source)
		if err != nil {
			return "", err
		}
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w\nhint: create it first with: mkdir -p %s", err, path)
		}
		return path, nil
	}
	dir := filepath.Join(e.Store.Dir, "volumes", v.source)
	if v.source == "" { // an anonymous volume
		dir = filepath.Join(e.Store.Container(id), "volumes", strings.ReplaceAll(strings.Trim(v.target, "/"), "/", "+"))
	} else if strings.Trim(v.source, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != "" ||
		v.source[0] == '.' {
		return "", fmt.Errorf("%q is not a valid volume name: only letters, digits and _ . - are allowed", v.source)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return "", err
	}
	return dir, e.fillVolume(dir, v.target, layers)
}

// fillVolume fills a new volume with the image's content at its target.
func (e *Engine) fillVolume(dir, target string, layers image.Stack) error {
	_, st, err := layers.Resolve(target)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return err
	}
	return e.help(append([]string{"seed", dir, target}, layers...)...)
}
