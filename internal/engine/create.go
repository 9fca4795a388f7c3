package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/pull"
	"github.com/minirun/minirun/internal/fileattr"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// Create creates a container from an image: its directory with config.json. Nothing
// runs yet. After an error nothing is left.
func (e *Engine) Create(name string, s *Settings) (*Record, error) {
	plan, err := s.Connection.Plan(s.Hostname)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(e.Store.Dir, "containers")); err != nil {
		if err := e.help("store", "init"); err != nil {
			return nil, err
		}
	}
	lock, err := e.Store.LockShared(context.Background()) // so that prune keeps the layers until the record names them
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	i, layers, err := e.images().Open(name, pull.Options{When: s.Pull, Platform: s.Platform, Quiet: s.Quiet})
	if err != nil {
		return nil, err
	}
	health, err := s.health(i.Config.Config.Healthcheck)
	if err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = generateName(i.Name)
	}
	if err := e.completeConnection(plan, s.Name, i); err != nil {
		return nil, err
	}
	dir, err := e.createDirectory(s.Name)
	if err != nil {
		return nil, err
	}
	r, err := e.createBundle(bundle{dir, i, layers, plan}, s)
	if err == nil { // here and not only at each start: `step` starts it without the engine
		err = loadProfile(r)
	}
	if err == nil && len(s.CDI) > 0 {
		err = e.help(append([]string{"add-devices", dir}, s.CDI...)...)
	}
	if err == nil {
		r.Health, r.Manager = health, e.manager()
		err = e.record(r)
	}
	if err == nil && s.CIDFile != "" {
		if err = atomicfile.CreateNew(s.CIDFile, []byte(s.Name), 0o644); err != nil {
			err = fmt.Errorf("--cidfile: %w", err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, e.removeAnonymous(r), os.RemoveAll(dir))
	}
	return r, nil
}

func (e *Engine) images() *pull.Images {
	return &pull.Images{Store: e.Store, Help: e.help, Warn: e.Warn}
}

// manager returns the value of --cgroup-manager, "" for the default.
func (e *Engine) manager() string {
	switch {
	case e.NoCgroup:
		return "disabled"
	case e.Systemd:
		return "systemd"
	}
	return ""
}

// record makes a bundle a container.
func (e *Engine) record(r *Record) error {
	if err := os.WriteFile(e.file(r.Container, attendedFile), nil, 0o600); err != nil {
		return err
	}
	return writeJSON(e.file(r.Container, recordFile), r)
}

// createDirectory creates the directory of a container with a new name.
func (e *Engine) createDirectory(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	dir := e.Store.Container(name)
	for deadline := time.Now().Add(time.Second); ; time.Sleep(pollInterval) {
		err := os.Mkdir(dir, 0o711)
		if !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
		if _, err := e.Record(name); err == nil || time.Now().After(deadline) {
			return "", errExists(name)
		} // it is being removed
	}
}

func checkName(name string) error {
	if err := record.CheckID(name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "-") { // the monitor and `exec` would parse it as an option
		return fmt.Errorf("--name %q: must not begin with -", name)
	}
	return nil
}

func errExists(name string) error {
	return fmt.Errorf("container %s already exists\n"+
		"hint: remove it with: minirun rm %[1]s, or choose another name", name)
}

// A bundle is what a container is created from.
type bundle struct {
	dir        string
	image      *image.Image
	layers     image.Stack
	connection *connection.Plan
}

// createBundle writes config.json, and creates the directories that it names. With an error, it returns
// a record with the volumes that were created.
func (e *Engine) createBundle(b bundle, s *Settings) (*Record, error) {
	dir, layers := b.dir, b.layers
	if len(layers) == 0 { // overlayfs needs at least one
		layers = image.Stack{filepath.Join(dir, "empty")}
		if err := os.Mkdir(layers[0], 0o755); err != nil {
			return nil, err
		}
	}
	c, uses, err := e.configure(b.image, layers, b.connection, s)
	if err != nil {
		return &Record{Volumes: uses}, err
	}
	r := newRecord(b.image, c, b.connection, s)
	r.Volumes = uses
	return r, writeBundle(dir, c, layers)
}

// writeBundle writes a bundle into a directory.
func writeBundle(dir string, c *specs.Spec, layers image.Stack) error {
	for _, d := range []string{"rootfs", "upper"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := copyRootOwner(filepath.Join(dir, "upper"), layers); err != nil && !namespaces.Unprivileged() {
		return err
	}
	text, err := spec.Compact(c)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
}

// newRecord returns the record of a container created from an image.
func newRecord(i *image.Image, c *specs.Spec, p *connection.Plan, s *Settings) *Record {
	r := &Record{
		Origin:    image.Origin{Name: i.Name, ID: i.ID, Manifest: i.Manifest},
		Container: s.Name, Command: c.Process.Args, Created: time.Now().UTC(), Remove: s.Remove, Terminal: s.Terminal,
		Restart: s.Restart, Flags: s.MonitorFlags, NoLog: s.NoLog, Namespaces: s.Namespaces, StopTimeout: s.StopTimeout,
		StopSignal: s.StopSignal, Shell: i.Config.Config.Shell,
		Interactive: s.Interactive, AppArmor: c.Process.ApparmorProfile,
		Network: p.Names(), StandardNetwork: p.IsStandard, Ports: p.Mappings, Exposed: p.ExposedTexts(),
	}
	if r.StopSignal == "" {
		r.StopSignal = i.Config.Config.StopSignal
	}
	return r
}

// copyRootOwner gives the upper directory the owner and mode of the image's root: the
// container's root is the topmost directory.
func copyRootOwner(upper string, layers image.Stack) error {
	if len(layers) == 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(layers[len(layers)-1], &st); err != nil {
		return err
	}
	return fileattr.SetOwnerAndMode(upper, &st)
}

// generateName returns the image's name with a random number.
func generateName(name string) string {
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
