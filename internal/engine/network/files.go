package network

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
	"github.com/minirun/minirun/internal/flock"
)

// A Store has the networks of a store of images, and its containers' connections.
type Store struct{ Dir string }

const suffix = ".conflist"

func (s Store) networks() string { return filepath.Join(s.Dir, "networks") }

func (s Store) file(name string) string { return filepath.Join(s.networks(), name+suffix) }

func (s Store) container(id string) string { return filepath.Join(s.Dir, "containers", id) }

// Lock keeps others from creating and removing networks, and from changing connections, until the
// file is closed.
func (s Store) Lock() (*os.File, error) {
	if err := os.MkdirAll(s.networks(), 0o711); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.networks(), "lock"), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock.Lock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Open returns a network by its name, its ID, or the beginning of its ID.
func (s Store) Open(name string) (*Network, error) {
	all, err := s.All()
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if n.Name == name || n.ID == name {
			return n, nil
		}
	}
	matching := slices.DeleteFunc(slices.Clone(all),
		func(n *Network) bool { return name == "" || !strings.HasPrefix(n.ID, name) || IsPredefined(n.Name) })
	if len(matching) == 1 {
		return matching[0], nil
	}
	return nil, notFound(name, all)
}

// ConfigList returns the configuration list of a network, which may have been edited.
func (s Store) ConfigList(n *Network) ([]byte, error) {
	if n.Name == Bridge {
		return n.ConfigList()
	}
	return os.ReadFile(s.file(n.Name))
}

// All returns all networks, the predefined ones first.
func (s Store) All() ([]*Network, error) {
	all := Predefined()
	entries, err := os.ReadDir(s.networks())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		text, err := os.ReadFile(s.file(name))
		if errors.Is(err, fs.ErrNotExist) { // just removed
			continue
		}
		if err != nil {
			return nil, err
		}
		var list struct{ Minirun *Network }
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("network %s: %s: %w", name, s.file(name), err)
		}
		if list.Minirun == nil || list.Minirun.Name != name {
			return nil, fmt.Errorf("network %s: %s has no field \"minirun\" with this name", name, s.file(name))
		}
		all = append(all, list.Minirun)
	}
	return all, nil
}

// Create creates a network. Missing subnets are chosen.
func (s Store) Create(n *Network, ipv6 bool) error {
	lock, err := s.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	all, err := s.All()
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Name == n.Name {
			return fmt.Errorf("network %s already exists\nhint: remove it with: minirun network rm %[1]s", n.Name)
		}
	}
	if err := n.complete(all, ipv6); err != nil {
		return err
	}
	text, err := n.ConfigList()
	if err != nil {
		return err
	}
	return atomicfile.Write(s.file(n.Name), append(text, '\n'), 0o644)
}

// complete sets what was not given.
func (n *Network) complete(others []*Network, ipv6 bool) error {
	var random [6]byte
	if _, err := unix.Getrandom(random[:], 0); err != nil {
		return err
	}
	n.ID, n.Created = fmt.Sprintf("%x", random), time.Now().UTC()
	if n.Device == "" {
		n.Device = "mr-" + n.ID
	}
	return n.chooseSubnets(others, ipv6)
}

// Remove removes a network that no container is connected to. Then it calls cleanup, which removes
// the bridge.
func (s Store) Remove(name string, cleanup func(*Network) error) error {
	lock, err := s.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	n, err := s.Open(name)
	if err != nil {
		return err
	}
	if IsPredefined(n.Name) {
		return fmt.Errorf("network %s is predefined and cannot be removed", n.Name)
	}
	users, err := s.Users(n.Name)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return fmt.Errorf("network %s is in use by %s\nhint: stop the containers, or disconnect them with: "+
			"minirun network disconnect %s %s", n.Name, strings.Join(users, ", "), n.Name, users[0])
	}
	if err := cleanup(n); err != nil {
		return err
	}
	return os.Remove(s.file(n.Name))
}
