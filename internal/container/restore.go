package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/container/record"

	"github.com/minirun/minirun/internal/container/hostfacts"

	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/hooks"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/ownthread"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/spec"
)

// RestoreOptions are the flags of `restore`; most of them are passed to criu(8).
type RestoreOptions struct {
	RunOptions
	ImagePath, WorkPath       string // "" is ./checkpoint, the image path
	TCPEstablished, ExtUnixSk bool
	ShellJob, FileLocks       bool
	AutoDedup, LazyPages      bool
	LinkRemap                 bool
	ManageCgroups             string // soft, full, strict, ignore; "" is soft
	EmptyNS                   []string
	LSMProfile, LSMContext    string
}

const restoreLog = "restore.log"

// Restore creates a container from images that checkpoint has written, with the
// bundle's mounts, limits and hooks, and continues as Run does. criu handles what is
// inside; the record, the cgroup and the clean-up are those of any container.
func Restore(o Options, how RestoreOptions) (int, error) {
	if how.ImagePath == "" {
		how.ImagePath = "checkpoint"
	}
	var err error
	if how.ImagePath, err = filepath.Abs(how.ImagePath); err != nil {
		return 0, err
	}
	p := purpose{starts: true, attends: !how.Detach}
	if p.attends {
		if p.signals, err = signals.Catch(); err != nil {
			return 0, err
		}
	}
	manager := o.NotifySocket
	o.NotifySocket = "" // the images determine whether the container has the mount
	c, inputs, err := prepare(o, p)
	if err != nil {
		return 0, err
	}
	if err := checkRestore(c.spec, len(inputs.Rootfs.Layers) > 0 && !inputs.Rootfs.Stable); err != nil {
		return 0, err
	}
	if err := errors.Join(c.findTerminal(), checkPidfd(), c.notifyRestored(manager)); err != nil {
		return 0, err
	}
	before, err := record.ProcessParents()
	if err != nil {
		return 0, err
	}
	if err := c.record(inputs); err != nil {
		return 0, err
	}
	if err := c.restoreRecorded(inputs, &how); err != nil {
		made := c.proc != nil
		err = errors.Join(err, c.destroy())
		if !made {
			err = errors.Join(err, endDescendants(before))
		}
		return 0, err
	}
	if err := c.poststart(); err != nil {
		return 0, errors.Join(err, c.destroy())
	}
	c.forgetDevices()
	if how.Detach {
		c.awaitReady()
		c.Close()
		return 0, nil
	}
	c.notifier.Forward(c.Pid, o.Warn)
	return c.accompany(how.Keep)
}

// checkRestore refuses what criu could not restore. loses is true if writes to layers
// are in the state directory, which is deleted with the container.
func checkRestore(s *specs.Spec, loses bool) error {
	switch {
	case hostfacts.DiesWithParent(s):
		return &spec.Error{Path: fmt.Sprintf("annotations[%q]", spec.AnnotationDieWithParent), Want: "cannot be restored: only a process itself can request it"}
	case !namespaces.Decide(s).Has(unix.CLONE_NEWNS):
		return &spec.Error{Path: "linux.namespaces", Want: "must have a mount namespace to restore"}
	case loses:
		return &spec.Error{Path: fmt.Sprintf("annotations[%q]", spec.AnnotationUpper), Want: "must be given to restore a container with layers: its writes to the default directory were deleted"}
	}
	return nil
}

// restoreRecorded has criu restore the container's processes.
func (c *Container) restoreRecorded(in compile.Inputs, how *RestoreOptions) error {
	if err := c.prepareHost(in); err != nil {
		return err
	}
	leave, err := c.scopeForCRIU()
	if err != nil {
		return err
	}
	defer leave()
	list := c.spec.Hooks
	hasHooks := list != nil && len(list.Prestart)+len(list.CreateRuntime) > 0
	// A joined network namespace still has its devices; those of a new one are moved
	// again.
	moves := len(c.spec.Linux.NetDevices) > 0 && !namespaces.Decide(c.spec).Joined(unix.CLONE_NEWNET)
	stopped := hasHooks || moves
	pidFile := filepath.Join(c.options.directory(), "restored.pid")
	args, files, err := c.restoreArgs(how, pidFile, stopped, in.Rootfs.Cgroup)
	defer func() { closeAll(files) }()
	if err != nil {
		return err
	}
	logDir := how.WorkPath
	if logDir == "" {
		logDir = how.ImagePath
	}
	err = c.signals.Run(func(ctx context.Context) error {
		return withRootMounted(in, c.spec.Root.Readonly, func() error {
			return criuRun(criu(ctx, args, files), filepath.Join(logDir, restoreLog))
		})
	})
	if err != nil {
		return err
	}
	if err := c.restored(pidFile); err != nil {
		return err
	}
	if err := errors.Join(c.checkConfined(), c.joinRdtRestored()); err != nil {
		return err
	}
	if moves {
		if err := c.moveDevices(); err != nil {
			return err
		}
		c.handOverDevices()
		if err := c.Record.Write(c.options.directory()); err != nil {
			return err
		}
	}
	if hasHooks {
		// Hooks that set up the container's network come before it continues.
		if err := c.runHooks(hooks.List("prestart", list.Prestart), specs.StateCreated); err != nil {
			return err
		}
		if err := c.runHooks(hooks.List("createRuntime", list.CreateRuntime), specs.StateCreating); err != nil {
			return err
		}
	}
	if stopped {
		if err := c.SignalAll(unix.SIGCONT, true); err != nil {
			return err
		}
	}
	return errors.Join(c.group.ApplyLate(c.values), c.sendConsole(), c.pidFile())
}

// restoreArgs returns criu's command line, and the files that it refers to: the joined
// namespaces, then standard descriptors.
func (c *Container) restoreArgs(how *RestoreOptions, pidFile string, stopped bool, shown []rootfs.Cgroup) (args []string, files []*os.File, err error) {
	args = []string{
		"restore", "--images-dir", how.ImagePath, "--root", c.Rootfs, "--log-file", restoreLog, "-v4",
		"--restore-detached", "--restore-sibling", "--pidfile", pidFile,
	}
	for _, f := range [...]struct {
		on   bool
		args []string
	}{
		{how.WorkPath != "", []string{"--work-dir", how.WorkPath}},
		{stopped, []string{"--leave-stopped"}},
		{how.TCPEstablished, []string{"--tcp-established"}},
		{how.ExtUnixSk, []string{"--ext-unix-sk"}},
		{how.ShellJob, []string{"--shell-job"}},
		{how.FileLocks, []string{"--file-locks"}},
		{how.AutoDedup, []string{"--auto-dedup"}},
		{how.LinkRemap, []string{"--link-remap"}},
		{how.LazyPages, []string{"--lazy-pages"}},
		{how.LSMProfile != "", []string{"--lsm-profile", how.LSMProfile}},
		{how.LSMContext != "", []string{"--lsm-mount-context", how.LSMContext}},
	} {
		if f.on {
			args = append(args, f.args...)
		}
	}
	mode, err := manageCgroups(how.ManageCgroups)
	if err != nil {
		return nil, nil, err
	}
	empty, err := emptyNamespaces(how.EmptyNS, c.spec)
	if err != nil {
		return nil, nil, err
	}
	host, err := cgroups.Detect()
	if err != nil {
		return nil, nil, err
	}
	args = append(append(append(args, mode), empty...), criuConfig(c.Annotations, criuConfigFile)...)
	names := c.group.Names(host)
	for _, controllers := range slices.Sorted(maps.Keys(names)) {
		where := names[controllers]
		if controllers != "" {
			where = controllers + ":" + where
		}
		args = append(args, "--cgroup-root", where)
	}
	external, err := c.externalAtRestore(how.ImagePath, shown)
	if err != nil {
		return nil, nil, err
	}
	return c.restoreFiles(append(args, external...), how.ImagePath)
}

// restoreFiles adds what is passed to criu by descriptor.
func (c *Container) restoreFiles(args []string, images string) (_ []string, files []*os.File, err error) {
	const first = 3 // os/exec's first
	setup := namespaces.Decide(c.spec)
	for _, n := range joinedNames {
		if j := setup.Join(n.flag); j != nil {
			f, err := namespaces.OpenNamespace(j.Path, j.Flag)
			if err != nil {
				return nil, files, err
			}
			args = append(args, "--inherit-fd", fmt.Sprintf("fd[%d]:%s", first+len(files), n.key))
			files = append(files, f)
		}
	}
	pipes, own, err := c.inheritedPipes(images, first+len(files))
	files = append(files, own...)
	if err != nil {
		return nil, files, err
	}
	terminal, slave, err := c.terminalAtRestore(images, first+len(files))
	return slices.Concat(args, pipes, terminal), append(files, slave...), err
}

// withRootMounted calls do on a thread that has its own mount namespace, in which the
// root file system is a mount, as criu requires: the host never has it. Then the
// thread leaves the namespace, and stays: it is the parent of what criu restores,
// which may have requested a signal when its parent dies (PR_SET_PDEATHSIG).
func withRootMounted(in compile.Inputs, readonly bool, do func() error) error {
	return ownthread.RunAndStay(func() (err error) {
		host, err := os.Open("/proc/thread-self/ns/mnt")
		if err != nil {
			return err
		}
		defer host.Close()
		defer func() { err = errors.Join(err, unix.Setns(int(host.Fd()), unix.CLONE_NEWNS)) }()
		err = mountRoot(in)
		if err == nil && readonly {
			// criu keeps the flags of all mounts except the root's.
			err = unix.MountSetattr(-1, in.Rootfs.Root, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		}
		if err != nil {
			return fmt.Errorf("config.json: root.path: %w", err)
		}
		return do()
	})
}

func mountRoot(in compile.Inputs) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make / a slave: %w", err)
	}
	root := in.Rootfs.Root
	if len(in.Rootfs.Layers) > 0 {
		return mountOverlay(in.Rootfs)
	}
	if err := unix.Mount(root, root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s on itself: %w", root, err)
	}
	return nil
}

// mountOverlay mounts the layers on the root.
func mountOverlay(in rootfs.Input) error {
	here, err := os.Open(".")
	if err != nil {
		return err
	}
	defer here.Close()
	dir, options := rootfs.OverlayOptions(in)
	if err := unix.Chdir(dir); err != nil { // only this thread's, which has its own mount namespace
		return fmt.Errorf("chdir %s: %w", dir, err)
	}
	if err := unix.Mount("overlay", in.Root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount overlay on %s: %w", in.Root, err)
	}
	return here.Chdir()
}

// checkConfined checks for what some versions of criu do not restore: Debian 12's 3.17
// drops no_new_privs, and only the process itself can set it.
func (c *Container) checkConfined() error {
	if !c.spec.Process.NoNewPrivileges {
		return nil
	}
	pids, err := c.Processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
			return err
		}
		if strings.Contains(string(status), "\nNoNewPrivs:\t0\n") {
			return &spec.Error{Path: "process.noNewPrivileges", Want: fmt.Sprintf("is lost: this criu(8) does not restore it (process %d); a newer one may", pid)}
		}
	}
	return nil
}

// restored adds the container's first process, which is this one's child, to the
// record.
func (c *Container) restored(pidFile string) error {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return fmt.Errorf("criu restore: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("criu restore: %s: %w", pidFile, err)
	}
	if c.proc, err = bootstrap.Adopt(pid); err != nil {
		return err
	}
	c.setup = namespaces.Decide(c.spec)
	c.noteNamespaces()
	return c.adopt()
}
