package container

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/notify"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
)

// notifyDirectory returns the directory that is bound into the container.
func notifyDirectory(stateDir string) string { return filepath.Join(stateDir, "notify") }

// addNotify adds the mount and the variable to the container. It comes after the
// mounts of config.json: one of them may cover /run.
func (c *Container) addNotify(in *compile.Inputs) {
	o, s := &c.options, c.Spec
	if o.NotifySocket == "" {
		return
	}
	if !in.Rootfs.OnHost && !namespaces.Decide(s).Has(unix.CLONE_NEWNS) {
		o.ignoreNotify()
		return
	}
	number, kind := len(s.Mounts), in.Rootfs.SourceKind
	s.Mounts = append(s.Mounts, notify.Mount(notifyDirectory(o.directory())))
	in.Rootfs.SourceKind = func(i int) rootfs.Kind {
		if i == number {
			return rootfs.Directory
		}
		return kind(i)
	}
	s.Process.Env = append(s.Process.Env, notify.Environment())
}

// ignoreNotify is for a container that mounts nothing.
func (o *Options) ignoreNotify() {
	o.Warn(notify.Variable + " has no effect: the container has no mount namespace to mount the socket in")
	o.NotifySocket = ""
}

// createNotifySocket creates the directory, and the socket if this process starts the program.
func (c *Container) createNotifySocket() error {
	if c.options.NotifySocket == "" {
		return nil
	}
	dir := notifyDirectory(c.options.directory())
	err := notify.MakeDirectory(dir)
	if err == nil && c.purpose.starts {
		c.notifier, err = notify.Listen(dir, c.options.NotifySocket)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", notify.Variable, err)
	}
	return nil
}

// openNotify creates the socket for a container that another minirun created.
func (c *Container) openNotify() error {
	if c.options.NotifySocket == "" {
		return nil
	}
	if c.OnHost == nil && c.Namespaces&unix.CLONE_NEWNS == 0 {
		c.options.ignoreNotify()
		return nil
	}
	notifier, err := notify.Listen(notifyDirectory(c.options.directory()), c.options.NotifySocket)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s: the container was created without it, so its program cannot report that it is ready\n"+
			"hint: set it for create too, or start with: env -u %s", notify.Variable, notify.Variable)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", notify.Variable, err)
	}
	c.notifier = notifier
	return nil
}

// prepareNotifier prepares to report that a restored container is ready.
func (c *Container) prepareNotifier(socket string) (err error) {
	if socket == "" {
		return nil
	}
	if c.notifier, err = notify.New(socket); err != nil {
		return fmt.Errorf("%s: %w", notify.Variable, err)
	}
	return nil
}

// awaitReady waits until the program is ready, or has exited, and reports it.
func (c *Container) awaitReady() {
	c.notifier.AwaitReady(int(c.Proc.PidFD.Fd()), c.Pid, c.options.Warn)
	c.notifier = nil
}
