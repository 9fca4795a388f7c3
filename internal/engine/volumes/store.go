package volumes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
)

// ErrNotFound is the cause if a volume does not exist.
var ErrNotFound = errors.New("no such volume")

// A Store is the directory with the volumes. The lock of the image store is held exclusively while
// volumes are removed, and shared while containers are created.
type Store struct{ Dir string }

// An Info is what is known about a volume, with the names of docker volume inspect.
type Info struct {
	Name       string
	Driver     string
	Mountpoint string
	CreatedAt  time.Time
	Labels     map[string]string
	Options    map[string]string
	Scope      string
	Anonymous  bool `json:",omitempty"`
}

// configDir is where the labels and options are. It is not a valid name of a volume.
const configDir = ".config"

// Path returns the directory of a volume.
func (s Store) Path(name string) string { return filepath.Join(s.Dir, name) }

func (s Store) config(name string) string { return filepath.Join(s.Dir, configDir, name+".json") }

// Open returns a volume.
func (s Store) Open(name string) (*Info, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	dir, err := os.Stat(s.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	if err != nil {
		return nil, err
	}
	i := &Info{Name: name, CreatedAt: dir.ModTime().UTC()}
	text, err := os.ReadFile(s.config(name))
	switch {
	case err == nil:
		if err := json.Unmarshal(text, i); err != nil {
			return nil, fmt.Errorf("%s: %w", s.config(name), err)
		}
	case !errors.Is(err, fs.ErrNotExist): // a volume of an older minirun has none
		return nil, err
	}
	i.Name, i.Driver, i.Scope, i.Mountpoint = name, "local", "local", s.Path(name)
	return i, nil
}

// Create creates a volume, unless it exists with the same options. fill fills its new directory; nil
// leaves it empty.
func (s Store) Create(i *Info, fill func(dir string) error) (*Info, error) {
	existing, err := s.Open(i.Name)
	if err == nil {
		if len(i.Options) > 0 && !sameOptions(i.Options, existing.Options) {
			return nil, fmt.Errorf("volume %s exists with other options\nhint: minirun volume inspect %[1]s", i.Name)
		}
		return existing, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if err := checkOptions(i.Options); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, configDir), 0o711); err != nil {
		return nil, err
	}
	i.CreatedAt = time.Now().UTC().Truncate(time.Second)
	text, err := json.Marshal(i)
	if err == nil {
		err = atomicfile.Write(s.config(i.Name), append(text, '\n'), 0o600)
	}
	if err != nil {
		return nil, err
	}
	if err := s.createDirectory(i.Name, fill); err != nil {
		return nil, errors.Join(err, os.Remove(s.config(i.Name)))
	}
	return s.Open(i.Name)
}

// createDirectory creates the directory of a volume, complete under its name. Another process may be
// faster.
func (s Store) createDirectory(name string, fill func(dir string) error) error {
	temporary, err := os.MkdirTemp(filepath.Join(s.Dir, configDir), "new-")
	if err != nil {
		return err
	}
	dir := filepath.Join(temporary, "data")
	if fill == nil {
		err = os.Mkdir(dir, 0o755)
	} else {
		err = fill(dir)
	}
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, s.Path(name), unix.RENAME_NOREPLACE)
		if err == unix.EEXIST {
			err = nil
		}
	}
	return errors.Join(err, os.RemoveAll(temporary))
}

// Fill fills an empty volume that no container uses.
func (s Store) Fill(name string, fill func(dir string) error) error {
	temporary, err := os.MkdirTemp(filepath.Join(s.Dir, configDir), "new-")
	if err != nil {
		return err
	}
	dir := filepath.Join(temporary, "data")
	if err = fill(dir); err == nil {
		err = unix.Rename(dir, s.Path(name)) // replaces an empty directory, which os.Rename refuses
	}
	return errors.Join(err, os.RemoveAll(temporary))
}

// List returns all volumes by name.
func (s Store) List() (list []Info, err error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		i, err := s.Open(e.Name())
		if errors.Is(err, ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, *i)
	}
	return list, nil
}

// Remove removes a volume. removeAll removes a directory with files that may belong to other users.
func (s Store) Remove(name string, removeAll func(dir string) error) error {
	if _, err := s.Open(name); err != nil {
		return err
	}
	if err := removeAll(s.Path(name)); err != nil {
		return err
	}
	if err := os.Remove(s.config(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// IsEmpty reports whether a volume has no files.
func (s Store) IsEmpty(name string) bool {
	entries, err := os.ReadDir(s.Path(name))
	return err == nil && len(entries) == 0
}

func sameOptions(a, b map[string]string) bool {
	for _, m := range []map[string]string{a, b} {
		for k := range m {
			if a[k] != b[k] {
				return false
			}
		}
	}
	return true
}

// checkOptions checks options of the driver local.
func checkOptions(options map[string]string) error {
	for name := range options {
		if !slices.Contains([]string{"type", "device", "o"}, name) {
			return fmt.Errorf("option %s of a volume: must be type, device or o\n"+
				"hint: for example --opt type=tmpfs --opt device=tmpfs --opt o=size=100m", name)
		}
	}
	kind, device, o := options["type"], options["device"], options["o"]
	isBind := slices.ContainsFunc(strings.Split(o, ","), func(x string) bool { return x == "bind" || x == "rbind" })
	switch {
	case o != "" && kind == "" && device == "":
		return errors.New("option o of a volume has no effect without type and device")
	case kind != "" && kind != Tmpfs && device == "":
		return fmt.Errorf("option type=%s of a volume needs device", kind)
	case (kind == "" || kind == "none") && device != "" && !isBind:
		return errors.New("option device of a volume needs type, or o=bind for a directory of the host")
	case isBind && !filepath.IsAbs(device):
		return fmt.Errorf("option device=%s of a volume: must be an absolute path", device)
	case isBind:
		if _, err := os.Stat(device); err != nil {
			return fmt.Errorf("option device of a volume: %w", err)
		}
	}
	return nil
}
