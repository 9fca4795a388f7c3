// Package volumes reads docker's flags for mounts, and manages the volumes in the image store.
//
//	mount.go      Mount; --volume (pure)
//	mountflag.go  --mount (pure)
//	tmpfs.go      --tmpfs (pure)
//	spec.go       a Mount → mounts of config.json (pure)
//	store.go      volumes: create, list, remove
//
// A volume is a directory STORE/volumes/NAME, with its labels and options in
// STORE/volumes/.config/NAME.json. Which containers use it is recorded with the containers.
package volumes

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The types of a mount.
const (
	Bind   = "bind"
	Volume = "volume"
	Tmpfs  = "tmpfs"
)

// A Mount is one --volume, --mount or --tmpfs.
type Mount struct {
	Flag     string // the flag with its value, for messages
	Type     string
	Source   string // a path of the host, a volume's name, or "" for an anonymous volume
	Target   string // an absolute path in the container
	ReadOnly bool
	Options  []string // other options of the mount

	NonRecursive     bool              // bind: without the mounts below the source
	WritableChildren bool              // bind: only the topmost mount is read-only
	NoCopy           bool              // volume: do not fill it with the image's files
	Labels           map[string]string // of a new volume
	DriverOptions    map[string]string // of a new volume
}

// wrong returns an error about the flag.
func (m *Mount) wrong(format string, args ...any) error {
	return fmt.Errorf("%s: %s", m.Flag, fmt.Sprintf(format, args...))
}

var propagations = [...]string{"rprivate", "private", "rshared", "shared", "rslave", "slave"}

// ParseVolume parses [SOURCE:]TARGET[:OPTIONS], the value of --volume. hasSELinux is whether the host
// uses SELinux.
func ParseVolume(text string, hasSELinux bool) (Mount, error) {
	parts := strings.Split(text, ":")
	m := Mount{Flag: fmt.Sprintf("--volume %q", text), Type: Volume, Target: parts[0]}
	if len(parts) > 1 {
		m.Source, m.Target = parts[0], parts[1]
	}
	if len(parts) > 3 || len(parts) > 1 && m.Source == "" {
		return m, m.wrong("must be [HOST:]CONTAINER[:OPTIONS], with a path below / in the container")
	}
	if isPath(m.Source) {
		m.Type = Bind
	}
	if err := m.check(); err != nil {
		return m, err
	}
	if len(parts) < 3 {
		return m, nil
	}
	for o := range strings.SplitSeq(parts[2], ",") {
		if err := m.addOption(o, hasSELinux); err != nil {
			return m, err
		}
	}
	return m, m.checkOptions(strings.Split(parts[2], ","))
}

// isPath distinguishes a path of the host from a volume's name.
func isPath(source string) bool {
	return strings.Contains(source, "/") || source == "." || source == ".."
}

// addOption applies one option of --volume. An option that would have no effect is an error.
func (m *Mount) addOption(o string, hasSELinux bool) error {
	switch {
	case o == "ro":
		m.ReadOnly = true
	case o == "rw":
	case o == "z" || o == "Z":
		if hasSELinux {
			return m.wrong("option %q: minirun does not change SELinux labels\n"+
				"hint: omit it and run: chcon -R -t container_file_t %s", o, m.Source)
		}
	case o == "nocopy":
		if m.Type != Volume {
			return m.wrong("option nocopy is for volumes, and %s is a path of the host, which is never filled", m.Source)
		}
		m.NoCopy = true
	case slices.Contains(propagations[:], o):
		if m.Type != Bind {
			return m.wrong("option %q is for a path of the host: nothing is mounted below a volume", o)
		}
		m.Options = append(m.Options, o)
	case o == "nosuid" || o == "nodev" || o == "noexec":
		m.Options = append(m.Options, o)
	case o == "cached" || o == "delegated" || o == "consistent":
		return m.wrong("option %q has an effect only on macOS\nhint: omit it", o)
	default:
		return m.wrong("unknown option %q\n"+
			"hint: use ro, rw, nocopy, nosuid, nodev, noexec, or a propagation type such as rslave", o)
	}
	return nil
}

// checkOptions refuses options that exclude each other.
func (m *Mount) checkOptions(given []string) error {
	found := map[string]string{}
	for _, o := range given {
		kind := o
		switch {
		case o == "ro" || o == "rw":
			kind = "access"
		case slices.Contains(propagations[:], o):
			kind = "propagation"
		case o == "z" || o == "Z":
			kind = "label"
		}
		if other, ok := found[kind]; ok {
			return m.wrong("options %q and %q exclude each other", other, o)
		}
		found[kind] = o
	}
	return nil
}

// check checks the target, and the name of a volume.
func (m *Mount) check() error {
	switch {
	case m.Target == "":
		return m.wrong("the path in the container is missing")
	case !path.IsAbs(m.Target) || path.Clean(m.Target) == "/":
		return m.wrong("%q: must be an absolute path below / in the container", m.Target)
	case m.Type == Volume && m.Source != "":
		if err := CheckName(m.Source); err != nil {
			return m.wrong("%v", err)
		}
	}
	return nil
}

// FindSource replaces the source of a bind mount by its absolute path. It must exist: a directory that
// Docker would create as root is usually a typing error.
func (m *Mount) FindSource() error {
	source, err := filepath.Abs(m.Source)
	if err != nil {
		return m.wrong("%v", err)
	}
	if _, err := os.Stat(source); err != nil {
		return fmt.Errorf("%s: %w\nhint: create it first with: mkdir -p %s", m.Flag, err, source)
	}
	m.Source = source
	return nil
}

// CheckTargets refuses two mounts on one path.
func CheckTargets(mounts []Mount) error {
	for i, m := range mounts {
		for _, other := range mounts[:i] {
			if path.Clean(m.Target) == path.Clean(other.Target) {
				return m.wrong("%s is already the target of %s", m.Target, other.Flag)
			}
		}
	}
	return nil
}

// CheckName checks the name of a volume, with Docker's rules.
func CheckName(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if name == "" || len(name) > 255 || strings.Trim(name, letters+"_.-") != "" ||
		strings.Trim(name[:1], letters+"_") != "" {
		return fmt.Errorf("%q is not a valid volume name: only letters, digits and _ . - are allowed, "+
			"and a letter or digit first", name)
	}
	return nil
}
