package volumes

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Use is a volume or a directory of the host that a container uses.
type Use struct {
	Name      string `json:"name,omitempty"`   // of the volume
	Source    string `json:"source,omitempty"` // the directory of the host
	Target    string `json:"target"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
	Anonymous bool   `json:"anonymous,omitempty"` // it is removed with --rm or rm -v
}

// A Resolver finds the sources of a container's mounts, and creates volumes that do not exist.
type Resolver struct {
	Store   Store
	Fill    func(dir, target string) error // creates a directory with the image's files at target
	Users   func() (map[string][]string, error)
	NewName func() string // of an anonymous volume; nil: a random one
}

// Resolve returns the mount of config.json, and the volume that it uses, also with an error.
func (r *Resolver) Resolve(m *Mount) (specs.Mount, *Use, error) {
	switch m.Type {
	case Tmpfs:
		return m.SpecOf(""), nil, nil
	case Bind:
		return m.SpecOf(m.Source), &Use{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}, nil
	}
	info := &Info{Name: m.Source, Labels: m.Labels, Options: m.DriverOptions}
	if m.Source == "" {
		info.Name, info.Anonymous = r.newName(), true
	}
	use := &Use{Name: info.Name, Target: m.Target, ReadOnly: m.ReadOnly, Anonymous: info.Anonymous}
	var fill func(string) error
	if _, isDriver := m.DriverMount(m.DriverOptions); !m.NoCopy && !isDriver {
		fill = func(dir string) error { return r.Fill(dir, m.Target) }
	}
	_, err := r.Store.Open(info.Name)
	existed := err == nil
	if info, err = r.Store.Create(info, fill); err != nil {
		return specs.Mount{}, use, err
	}
	use.Source, use.Anonymous = info.Mountpoint, info.Anonymous
	if mount, ok := m.DriverMount(info.Options); ok {
		return mount, use, nil
	}
	if existed && fill != nil && r.Store.IsEmpty(info.Name) {
		if users, err := r.Users(); err == nil && len(users[info.Name]) == 0 {
			if err := r.Store.Fill(info.Name, fill); err != nil {
				return specs.Mount{}, use, err
			}
		}
	}
	return m.SpecOf(use.Source), use, nil
}

func (r *Resolver) newName() string {
	if r.NewName != nil {
		return r.NewName()
	}
	return RandomName()
}

// RandomName returns a name for an anonymous volume.
func RandomName() string {
	var random [32]byte
	for {
		if n, err := unix.Getrandom(random[:], 0); err == nil && n == len(random) {
			return fmt.Sprintf("%x", random)
		}
	}
}

// Removable returns the anonymous volumes of a container that no other container uses.
func Removable(container string, uses []Use, users map[string][]string) (names []string) {
	for _, u := range uses {
		isOther := func(id string) bool { return id != container }
		if u.Anonymous && !slices.ContainsFunc(users[u.Name], isOther) {
			names = append(names, u.Name)
		}
	}
	return names
}
