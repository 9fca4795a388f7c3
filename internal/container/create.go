package container

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/container/notify"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/netdevice"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/resctrl"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// A Container is one that this process has created and waits for.
type Container struct {
	record.Record
	child.Process

	options  Options
	purpose  purpose
	setup    namespaces.Setup
	group    *group.Group
	answered bool        // Ready has already been answered
	lock     record.Lock // held until the program runs, or `create` exits
	unlocked int         // a second descriptor of the state directory, for relock; -1: not open
	values   []resources.Value
	hostRoot [2]uint32        // host uid and gid of the user namespace's root, if known
	inside   hooks.Inside     // the files of the hooks that run inside
	notifier *notify.Notifier // nil if no service manager waits for the program to be ready
	copiedUp int              // number of directories that were copied into a tmpfs

	targets     targetState      // the answers about a mount's target so far
	copiedLinks map[int]string   // by index in mounts: the links for copy-symlink
	devices     *netdevice.Mover // the way back for linux.netDevices, until the program runs
	rdt         *resctrl.Plan    // of linux.intelRdt
}

// Create creates a container up to the point where only `start` is missing. After an
// error nothing of it is left.
func Create(o Options) (*Container, error) { return create(o, purpose{}) }

func create(o Options, p purpose) (*Container, error) {
	c, inputs, err := prepare(o, p)
	if err != nil {
		return nil, err
	}
	if err := c.findTerminal(); err != nil {
		return nil, err
	}
	if err := record.CheckPidfd(); err != nil {
		return nil, err
	}
	if err := c.createRecord(inputs); err != nil {
		return nil, err
	}
	if err := c.createRecorded(inputs); err != nil {
		// The cause is what matters; a failed clean-up is reported in addition.
		return nil, errors.Join(err, c.destroy())
	}
	return c, nil
}

// prepare does the part of Create that has no side effect: it reads config.json and
// looks up everything that the plan and the cgroups depend on.
func prepare(o Options, p purpose) (*Container, compile.Inputs, error) {
	bundle, err := hostfacts.FindBundle(o.Bundle)
	if err != nil {
		return nil, compile.Inputs{}, err
	}
	o.Bundle = bundle
	debuglog.Printf("read %s/config.json", bundle)
	s, warnings, err := spec.Load(bundle)
	if err != nil {
		return nil, compile.Inputs{}, err
	}
	for _, w := range warnings {
		o.Warn(w)
	}
	if err := checkOptions(s, &o, &p); err != nil {
		return nil, compile.Inputs{}, err
	}
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
	c := newContainer(o, p)
	c.Spec = s
	inputs, err := c.gatherInputs()
	return c, inputs, err
}

// newContainer returns a container that does not exist yet.
func newContainer(o Options, p purpose) *Container {
	c := &Container{options: o, purpose: p, lock: -1, unlocked: -1, inside: hooks.Inside{Directory: o.directory()}}
	c.Process = child.Process{Description: child.FirstProcess, Signals: wait.Signals{Queue: p.signals},
		Settings: child.Settings{
			ID: o.ID, PidFile: o.PidFile, ConsoleSocket: o.ConsoleSocket, PidFDSocket: o.PidFDSocket, Inherited: o.Inherited,
			Attended: p.attends, Observer: o.Watch, Warn: o.Warn,
		}}
	return c
}

// errNoTerminalHolder is the error for create, and for a detached container.
var errNoTerminalHolder = &spec.Error{Path: "process.terminal",
	Want: "needs --console-socket: minirun exits, and no process would hold the terminal's master"}

// checkOptions refuses combinations of the spec and the command line.
func checkOptions(s *specs.Spec, o *Options, p *purpose) error {
	if s.Process == nil {
		return &spec.Error{Path: "process", Want: "must be given to create a container"}
	}
	if o.PreserveFDs > child.MaxPreserveFDs {
		return fmt.Errorf("--preserve-fds %d: must not be more than %d", o.PreserveFDs, child.MaxPreserveFDs)
	}
	if o.PreserveFDs < 0 {
		return fmt.Errorf("--preserve-fds %d: must not be negative", o.PreserveFDs)
	}
	if o.ConsoleSocket != "" && !s.Process.Terminal {
		return &spec.Error{Path: "process.terminal",
			Want: "must be true for --console-socket: without it minirun has no terminal to send"}
	}
	if o.ConsoleSocket == "" && s.Process.Terminal && !p.starts {
		return errNoTerminalHolder
	}
	if hostfacts.DiesWithParent(s) && !p.attends {
		return &spec.Error{Path: fmt.Sprintf("annotations[%q]", spec.AnnotationDieWithParent),
			Want: "is for run without --detach: otherwise minirun exits before the container"}
	}
	return nil
}

// gatherInputs gathers everything that the plan and the cgroups depend on, without a side
// effect.
func (c *Container) gatherInputs() (compile.Inputs, error) {
	s, facts := c.Spec, c.factsQuery()
	setup := namespaces.Decide(s)
	in := compile.Inputs{Spec: s, Namespaces: namespaces.Input{Rootless: facts.Rootless()}}
	var err error
	if in.Rootfs, err = facts.RootFS(); err != nil {
		return in, err
	}
	c.copiedLinks = in.Rootfs.Links
	if !setup.Has(unix.CLONE_NEWNS) && needsMounts(s, len(in.Rootfs.Layers)) {
		if err := checkOnHost(s, c.options.NoPivot, setup); err != nil {
			return in, err
		}
		in.Rootfs.OnHost = true
	}
	for i := len(in.Rootfs.Layers) - 1; i >= 0; i-- {
		c.Roots = append(c.Roots, in.Rootfs.Layers[i].Path)
	}
	c.Roots = append(c.Roots, in.Rootfs.Root)
	c.addNotify(&in)
	if in.Process, err = facts.Process(setup); err != nil {
		return in, err
	}
	if err := hostfacts.CheckInit(setup, &in.Process); err != nil {
		return in, err
	}
	if in.Namespaces.CloneLast, err = hostfacts.CloneLast(s, setup); err != nil {
		return in, err
	}
	if in.Process.FilterLast, err = compile.FilterLast(s.Process, nil, &in.Process,
		in.Namespaces.CloneLast); err != nil {
		return in, err
	}
	if err := c.planIntelRdt(); err != nil {
		return in, err
	}
	c.values, err = c.planCgroup(&in)
	return in, err
}

// factsQuery returns the query for the facts that the container's plan depends on.
func (c *Container) factsQuery() *hostfacts.Query {
	o := &c.options
	return &hostfacts.Query{
		Spec: c.Spec, ID: o.ID, Bundle: o.Bundle, Directory: o.directory(), Layers: o.Layers, Ephemeral: o.Ephemeral,
		NoPivot: o.NoPivot, NoKeyring: o.NoKeyring, PreserveFDs: o.PreserveFDs, Warn: o.Warn,
		StartsLater: !c.purpose.starts, Attended: c.purpose.attends, OtherHost: c.purpose.otherHost != nil,
	}
}

// prepareHost creates what a container has on the host before it has a process.
func (c *Container) prepareHost(in compile.Inputs) error {
	if err := errors.Join(makeLayerDirectories(in), c.createNotifySocket()); err != nil {
		return err
	}
	if err := c.makeRdt(); err != nil {
		return err
	}
	c.hostRoot = in.Process.HostRoot
	if c.Unit != nil {
		return nil // systemd creates the cgroup for the process: see scope
	}
	begin := c.BeginAction()
	if err := c.group.Create(); err != nil {
		c.group = nil // another process may have created it first
		return err
	}
	if dirs := c.group.Dirs(); len(dirs) > 0 {
		c.Report(begin, observer.Action{
			What:   "create the cgroup: mkdir " + strings.Join(dirs, " "),
			Why:    "the container's resource usage is counted and limited there",
			Source: "linux.cgroupsPath",
		})
	}
	begin = c.BeginAction()
	if err := resources.Apply(c.group, c.values); err != nil {
		return err
	}
	c.reportLimits(begin, false)
	return c.delegateCgroup()
}

// createRecorded creates everything that the record names, and serves the first process
// until the container is created.
func (c *Container) createRecorded(in compile.Inputs) error {
	if err := c.prepareHost(in); err != nil {
		return err
	}
	if err := c.startProcess(in); err != nil {
		return err
	}
	if err := c.answerEarly(); err != nil {
		return err
	}
	if err := c.serveUntilReady(); err != nil {
		return err
	}
	if err := c.recordHostMount(); err != nil {
		return err
	}
	if len(c.Record.Devices) > 0 {
		c.dropDevicesFromRecord()
		if err := c.Record.Write(c.options.directory()); err != nil {
			return err
		}
	}
	return c.WritePidFile()
}

// startProcess starts the first process.
func (c *Container) startProcess(in compile.Inputs) error {
	c.Plan, c.setup = compile.Container(in)
	debuglog.Printf("the plan has %d steps and %d bytes of data", len(c.Plan.Steps), len(c.Plan.Data))
	c.ClonedLast = in.Namespaces.CloneLast
	in.Rootfs.MountNS = c.setup.Has(unix.CLONE_NEWNS)
	given, err := c.OpenDescriptors(in.Process.Preserve, rootfs.ReplacesNull(c.Spec, in.Rootfs))
	if err != nil {
		return err
	}
	defer given.Close()
	attr := bootstrap.Attr{Files: given.FDs, Cloneflags: c.setup.Cloneflags()}
	if c.Unit == nil {
		if attr.Cgroup, err = c.group.OpenV2(); err != nil {
			return err
		}
		defer attr.Cgroup.Close() // nil on a v1 host, which Close accepts
	}
	c.recordNamespaces()
	attr.Extra, err = c.openFiles()
	defer child.CloseFiles(attr.Extra)
	if err != nil {
		return err
	}
	running := c.ObservedPlan(c.options.ID, attr.Cloneflags)
	if hostfacts.DiesWithParent(c.Spec) {
		// For the kernel the parent is a thread. It is this goroutine's, which
		// continues until the container has exited.
		runtime.LockOSThread()
	}
	begin := c.BeginAction()
	if c.Observed != nil {
		attr.Stamps = c.Observed.Stamps
	}
	if c.Proc, err = bootstrap.Start(running, attr); err != nil {
		if c.group != nil && errors.Is(err, unix.EOPNOTSUPP) {
			if why := c.group.CheckType(); why != nil {
				return fmt.Errorf("config.json: linux.cgroupsPath: %w: %w", err, why)
			}
		}
		return fmt.Errorf("config.json: linux.namespaces: %w", err)
	}
	c.Report(begin, observer.Action{
		What: fmt.Sprintf("create the process: clone(%s) = %d",
			plan.CloneFlags(uint64(attr.Cloneflags)|uint64(unix.SIGCHLD)), c.Proc.Pid),
		Why:    "it starts in its new namespaces, and runs the plan",
		Source: "linux.namespaces",
	})
	if c.setup.Clones() && !c.ClonedLast {
		return nil // the PID of the process that continues is not known yet
	}
	return c.recordProcess()
}
