package container

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// A Container is one that this process has created and waits for.
type Container struct {
	Record
	child

	setup    namespaces.Setup
	group    *cgroups.Group
	answered bool // Ready has its answer already
	lock     lock // held until the program runs, or `create` ends
	values   []cgroups.Value
	hostRoot [2]uint32  // host uid and gid of the user namespace's root, if known
	pipes    []*os.File // to the hooks that run inside, named by their JSON paths
	copiedUp int        // how many directories have been copied into a tmpfs

	targets     targetState    // the answers about a mount's target so far
	copiedLinks map[int]string // by index in mounts: what copy-symlink makes
}

// Create makes a container up to the point where only `start` is missing. After
// an error nothing of it is left.
func Create(o Options) (*Container, error) {
	c, inputs, values, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if err := c.record(inputs); err != nil {
		return nil, err
	}
	if err := c.create(inputs, values); err != nil {
		// The cause is what matters; a failed clean-up is told beside it.
		return nil, errors.Join(err, c.destroy())
	}
	return c, nil
}

// prepare does all of Create that has no side effect: it reads config.json and
// looks up what the plan and the cgroups depend on.
func prepare(o Options) (*Container, Inputs, []cgroups.Value, error) {
	bundle, err := bundlePath(o.Bundle)
	if err != nil {
		return nil, Inputs{}, nil, err
	}
	o.Bundle = bundle
	s, warnings, err := spec.Load(bundle)
	if err != nil {
		return nil, Inputs{}, nil, err
	}
	for _, w := range warnings {
		o.Warn(w)
	}
	if err := check(s, &o); err != nil {
		return nil, Inputs{}, nil, err
	}
	c := &Container{child: child{who: firstProcess, options: o, spec: s}, lock: -1}
	inputs, values, err := c.inputs()
	return c, inputs, values, err
}

// check refuses what depends on both the spec and the command line.
func check(s *specs.Spec, o *Options) error {
	if s.Process == nil {
		return &spec.Error{Path: "process", Want: "must be given to create a container"}
	}
	if o.PreserveFDs > MaxPreserveFDs {
		return fmt.Errorf("--preserve-fds %d: must not be more than %d", o.PreserveFDs, MaxPreserveFDs)
	}
	if o.PreserveFDs < 0 {
		return fmt.Errorf("--preserve-fds %d: must not be negative", o.PreserveFDs)
	}
	if o.ConsoleSocket != "" && !s.Process.Terminal {
		return &spec.Error{Path: "process.terminal", Want: "must be true for --console-socket: there is no terminal to send"}
	}
	if o.ConsoleSocket == "" && s.Process.Terminal && !o.startsAtOnce {
		return &spec.Error{Path: "process.terminal", Want: "needs --console-socket: create leaves nobody behind to keep the terminal"}
	}
	if diesWithParent(s) && !o.attends {
		return &spec.Error{Path: fmt.Sprintf("annotations[%q]", spec.AnnotationDieWithParent), Want: "is for run without --detach: else minirun ends before the container does"}
	}
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
	if s.Linux.IntelRdt != nil {
		return &spec.Error{Path: "linux.intelRdt", Want: "is not supported by minirun"}
	}
	if len(s.Linux.NetDevices) > 0 {
		return &spec.Error{Path: "linux.netDevices", Want: "is not supported by minirun"}
	}
	return nil
}

// inputs gathers everything the plan and the cgroups depend on, without a
// side effect.
func (c *Container) inputs() (Inputs, []cgroups.Value, error) {
	s, o := c.spec, &c.options
	setup := namespaces.Decide(s)
	in := Inputs{Spec: s, Namespaces: namespaces.Input{Rootless: o.rootless()}}
	var err error
	if in.Rootfs, err = rootfsInput(s, o); err != nil {
		return in, nil, err
	}
	c.copiedLinks = in.Rootfs.Links
	if !setup.Has(unix.CLONE_NEWNS) && needsMounts(s, len(in.Rootfs.Layers)) {
		if err := checkOnHost(s, o, setup); err != nil {
			return in, nil, err
		}
		in.Rootfs.OnHost = true
	}
	for i := len(in.Rootfs.Layers) - 1; i >= 0; i-- {
		c.roots = append(c.roots, in.Rootfs.Layers[i].Path)
	}
	c.roots = append(c.roots, in.Rootfs.Root)
	if in.Process, err = processInput(s, o, setup); err != nil {
		return in, nil, err
	}
	if in.Namespaces.CloneLast, err = cloneLast(s, setup); err != nil {
		return in, nil, err
	}
	if err := filterLast(s.Process, nil, &in.Process, in.Namespaces.CloneLast); err != nil {
		return in, nil, err
	}
	values, err := c.cgroupInput(&in)
	return in, values, err
}

// record makes the state directory and writes down what will be there.
func (c *Container) record(in Inputs) error {
	o := &c.options
	if err := CheckID(o.ID); err != nil {
		return err
	}
	dir := o.directory()
	// An upper directory in it takes set-user-ID programs, which no other user of the host may run.
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(o.Root, 0o700); err != nil {
			return fmt.Errorf("state directory: %w", err)
		}
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("container with ID %q exists already: choose another, or delete it: minirun delete %s", o.ID, o.ID)
		}
		return fmt.Errorf("state directory: %w", err)
	}
	if c.lock, err = lockNew(dir); err != nil {
		return errors.Join(fmt.Errorf("state directory: lock %s: %w", dir, err), os.Remove(dir))
	}
	c.Record = Record{
		Version: specs.Version, ID: o.ID, Bundle: o.Bundle, Rootfs: in.Rootfs.Root, Created: time.Now().UTC(),
		Cgroups: c.group.Paths(), Hooks: c.spec.Hooks, Annotations: c.spec.Annotations,
		NoKeyring: o.NoKeyring, Unit: c.Unit,
	}
	if p := c.spec.Linux.Seccomp; p != nil && p.ListenerPath != "" {
		c.Listener = &Listener{p.ListenerPath, p.ListenerMetadata}
	}
	for _, l := range in.Rootfs.Layers {
		c.Record.Layers = append(c.Record.Layers, l.Path)
	}
	c.Record.Upper = in.Rootfs.Upper
	if in.Rootfs.Stable {
		c.Record.Work = in.Rootfs.Work
	}
	if in.Rootfs.OnHost {
		if err := c.intendHostMount(); err != nil {
			return errors.Join(err, os.Remove(dir))
		}
	}
	if c.Hooks != nil && len(c.Hooks.Poststart) > 0 {
		c.Declared = c.spec.Version
	}
	err = c.claim()
	if err == nil {
		err = c.Record.write(dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

// claim refuses a cgroup that is another's before the record names it: undoing
// a container kills what is in its cgroup.
func (c *Container) claim() error {
	if err := c.group.RefuseUsed(); err != nil {
		return fmt.Errorf("config.json: linux.cgroupsPath: %w", err)
	}
	return nil
}

// prepareHost makes what a container has on the host before it has a process.
func (c *Container) prepareHost(in Inputs, values []cgroups.Value) error {
	if err := makeLayerDirectories(in); err != nil {
		return err
	}
	c.values, c.hostRoot = values, in.Process.HostRoot
	if c.Unit != nil {
		return nil // systemd makes the cgroup, around the process: see scope
	}
	begin := c.began()
	if err := c.group.Create(); err != nil {
		c.group = nil // it may be another's, who was faster
		return err
	}
	if dirs := c.group.Dirs(); len(dirs) > 0 {
		c.did(begin, "make the cgroup: mkdir "+strings.Join(dirs, " "), "what the container uses is counted and limited there", "linux.cgroupsPath")
	}
	begin = c.began()
	if err := c.group.Apply(values); err != nil {
		return err
	}
	c.didLimit(begin, false)
	return c.delegate()
}

// create makes everything that the record names, and accompanies the first
// process until the container is created.
func (c *Container) create(in Inputs, values []cgroups.Value) error {
	if err := c.prepareHost(in, values); err != nil {
		return err
	}
	if err := c.fork(in); err != nil {
		return err
	}
	if err := c.answerAhead(); err != nil {
		return err
	}
	if err := c.serve(); err != nil {
		return err
	}
	if err := c.noteHostMount(); err != nil {
		return err
	}
	return c.pidFile()
}

// fork brings the first process to life.
func (c *Container) fork(in Inputs) error {
	c.plan, c.setup = Compile(in)
	c.clonedLast = in.Namespaces.CloneLast
	in.Rootfs.MountNS = c.setup.Has(unix.CLONE_NEWNS)
	given, err := c.handOver(in.Process.Preserve, rootfs.ReplacesNull(c.spec, in.Rootfs))
	if err != nil {
		return err
	}
	defer given.close()
	attr := bootstrap.Attr{Files: given.fds, Cloneflags: c.setup.Cloneflags()}
	if c.Unit == nil {
		if attr.Cgroup, err = c.group.Dir(); err != nil {
			return err
		}
		defer attr.Cgroup.Close() // nil on a v1 host, which Close takes
	}
	c.Namespaces = c.setup.New
	for _, j := range c.setup.Joins {
		c.Namespaces |= j.Flag
	}
	attr.Extra, err = c.openFiles()
	defer closeAll(attr.Extra)
	if err != nil {
		return err
	}
	running := c.watched(attr.Cloneflags)
	if diesWithParent(c.spec) {
		// The kernel means the thread that is the parent. It is this goroutine's, which
		// goes on until the container has ended.
		runtime.LockOSThread()
	}
	begin := c.began()
	if c.observed != nil {
		attr.Stamps = c.observed.Stamps
	}
	if c.proc, err = bootstrap.Start(running, attr); err != nil {
		if c.group != nil && errors.Is(err, unix.EOPNOTSUPP) {
			if why := c.group.RefusesProcesses(); why != nil {
				return fmt.Errorf("config.json: linux.cgroupsPath: %w: %w", err, why)
			}
		}
		return fmt.Errorf("config.json: linux.namespaces: %w", err)
	}
	c.did(begin, fmt.Sprintf("make the process: clone(%s) = %d", plan.CloneFlags(uint64(attr.Cloneflags)|uint64(unix.SIGCHLD)), c.proc.Pid), "it is born in its new namespaces, and runs the plan", "linux.namespaces")
	if c.setup.Clones() && !c.clonedLast {
		return nil // the number of the process that goes on is not known yet
	}
	return c.adopt()
}

// adopt puts the container's first process into the record.
func (c *Container) adopt() error {
	c.Pid = c.proc.Pid
	var err error
	if c.StartTime, err = startTime(c.Pid); err != nil {
		return fmt.Errorf("the container's first process has gone: %w", err)
	}
	if err := c.Record.write(c.options.directory()); err != nil {
		return err
	}
	if adj := c.spec.Process.OOMScoreAdj; adj != nil {
		path := "/proc/" + strconv.Itoa(c.Pid) + "/oom_score_adj"
		if err := os.WriteFile(path, []byte(strconv.Itoa(*adj)), 0); err != nil {
			return fmt.Errorf("config.json: process.oomScoreAdj: %w%s", err, lacking(err, "CAP_SYS_RESOURCE", "to lower it"))
		}
	}
	return nil
}

func (c *child) pidFile() error {
	if c.options.PidFile == "" {
		return nil
	}
	// Readers wait for the file to appear, so it must appear whole.
	if err := atomicfile.Write(c.options.PidFile, []byte(strconv.Itoa(c.proc.Pid)), 0o666); err != nil {
		return fmt.Errorf("--pid-file: %w", err)
	}
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// openFiles opens what the plan wants its parent to open.
func (c *Container) openFiles() ([]*os.File, error) {
	var out []*os.File
	for _, f := range c.plan.Files {
		opened, err := c.openFile(f)
		if err != nil {
			return out, fmt.Errorf("config.json: %s: %s: %w", f.Source, f.Name, err)
		}
		out = append(out, opened)
	}
	return out, nil
}

func (c *Container) openFile(f plan.File) (*os.File, error) {
	switch f.Open {
	case plan.Pipe:
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			return nil, err
		}
		c.pipes = append(c.pipes, os.NewFile(uintptr(fds[1]), f.Source))
		return os.NewFile(uintptr(fds[0]), f.Source), nil
	case plan.MapIDs:
		return idMap(f.Maps)
	}
	for _, j := range c.setup.Joins {
		if j.Path == f.Path {
			return namespaces.OpenNamespace(f.Path, j.Flag)
		}
	}
	return os.Open(f.Path)
}
