// Package newbundle writes bundles for a start: a default config.json, and a root file
// system with busybox.
//
//	newbundle.go  config.json
//	busybox.go    the root file system
package newbundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// Settings describe the config.json of a bundle.
type Settings struct {
	Rootless bool     // for the user who runs this process
	Unified  bool     // for a host with only cgroup version 2
	Terminal bool     // the program has a terminal
	Args     []string // the program with its arguments; nil: sh
}

// Config returns config.json.
func (s Settings) Config() *specs.Spec {
	c := spec.Default(s.Unified)
	if s.Rootless {
		c = spec.DefaultRootless(os.Geteuid(), os.Getegid(), s.Unified)
	}
	c.Linux.MaskedPaths = append(c.Linux.MaskedPaths, spec.HostMasks("/")...)
	c.Process.Terminal = s.Terminal
	if len(s.Args) > 0 {
		c.Process.Args = s.Args
	}
	return c
}

// Write writes config.json to a directory that exists. It replaces no file.
func (s Settings) Write(dir string) error {
	data, err := spec.Marshal(s.Config())
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "config.json")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s already exists\nhint: remove it first with: rm %[1]s", path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("directory %s does not exist\nhint: mkdir -p %[1]s", dir)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// WriteBusybox creates a bundle: config.json, and a root file system with the host's
// busybox under the names of its programs. After an error nothing is left.
func (s Settings) WriteBusybox(dir string) error {
	program, err := FindBusybox()
	if err != nil {
		return err
	}
	for _, name := range []string{"config.json", "rootfs"} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s already exists\nhint: choose a new directory", path)
		}
	}
	_, existed := os.Lstat(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err = makeRootfs(filepath.Join(dir, "rootfs"), program)
	if err == nil {
		err = s.Write(dir)
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, "rootfs")))
		if errors.Is(existed, fs.ErrNotExist) {
			err = errors.Join(err, os.Remove(dir))
		}
	}
	return err
}
