// Package rootfs converts root, mounts, devices, layers, masked and read-only paths to
// steps.
//
//	Prepare   before any user namespace: the layers' overlay, and the sources of
//	          bind mounts where the container could not reach them
//	Compile   the new root mounted on itself, then everything below it
//	Pivot     the new root becomes "/", the host's tree is unmounted
//
// Nothing is accessed by path inside the new root. Every place is opened with
// openat2(root, …, RESOLVE_IN_ROOT), which resolves an image's symbolic links as the
// container will, and then used by descriptor: whatever a hostile image or another
// container on a shared volume puts there meanwhile, the mount goes where the check
// was. All of it happens before pivot_root, while /proc and /dev are the host's and can
// be trusted.
package rootfs

import (
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// Input is what a root file system depends on in addition to the spec: decisions of
// the command line, and facts about the host that were looked up beforehand so that
// compiling needs no look-ups.
type Input struct {
	Root       string  // host path of root.path, absolute, without symbolic links
	Bundle     string  // absolute; relative bind sources start here
	Layers     []Layer // lowest first; none: Root is used directly
	Upper      string  // where writes to the layers go
	Work       string  // overlay's work directory, next to Upper
	Stable     bool    // the upper directory outlives the container
	Volatile   bool    // but is not mounted again
	UserXattrs bool    // overlay's marks are user.overlay.*, because the container's root is not the machine's
	OldOverlay bool    // the kernel does not accept layers one by one: it is older than Linux 6.8
	SourceKind SourceKind
	Links      map[int]string // by index in mounts: the text of the link that replaces a bind mount (copy-symlink)
	Cgroup     []Cgroup       // what a mount of type cgroup shows
	Cgroup2    string         // with CgroupV1: the directory that a mount of type cgroup2 shows, if the host has one
	// the controllers are on v1, so a mount of type cgroup2 shows other cgroups than one of type cgroup
	CgroupV1 bool

	MountNS    bool     // the container has its own mount namespace, new or joined
	OnHost     bool     // it has none, and its mounts are made in the caller's
	NewMountNS bool     // and that is a new one
	UserNS     bool     // it has its own user namespace
	CgroupNS   bool     // it has a new cgroup namespace
	Rootless   bool     // minirun has no privilege on the host
	NoDevices  bool     // minirun is itself in a user namespace, where creating devices is not allowed
	NoPivot    bool     // --no-pivot
	ParentMnt  string   // mount point that Root is on, if it would stay shared; see SharedParent
	HostMounts []string // mount points of proc and sysfs on the host; needed with NoPivot
	ClonedLast bool     // the process that becomes the program is cloned after the root is made
	NullStdio  [3]bool  // descriptors 0 to 2 that are the host's /dev/null
	SELinux    bool
}

// A Layer is one read-only directory of the stack.
type Layer struct {
	Path   string // absolute
	Source string // JSON path
}

// SourceKind returns the kind of the source of the bind mount mounts[i].
type SourceKind func(i int) Kind

// Kind is the kind of a bind mount's source, and so of its target.
type Kind int

// The kinds of sources.
const (
	File Kind = iota // or anything else that is not a directory
	Directory
	Undecided // known only when it is mounted: an earlier mount may create or cover it
)

// A Cgroup is one directory of a cgroup mount.
type Cgroup struct {
	Controller string   // what to mount in a cgroup namespace: "cpu,cpuacct"; "" on cgroup v2
	Name       string   // directory below the mount point
	Dir        string   // the container's cgroup on the host
	Aliases    []string // symbolic links to Name
}

// compiler holds the state shared by the parts of a root file system.
type compiler struct {
	b        *plan.Builder
	parent   *handshake.Parent
	spec     *specs.Spec
	in       Input
	root     plan.Cell         // the new root
	overlay  plan.Cell         // the layers' mount, created by Prepare
	sources  map[int]plan.Cell // bind sources cloned by Prepare; see stage
	hows     map[[2]uint64]plan.Arg
	frozen   plan.Arg          // the attributes that freeze sets
	stageDir plan.Cell         // where the sources of bind mounts are if they are staged
	dev      plan.Cell         // what is mounted on /dev, where the devices are created
	fresh    map[string]bool   // destinations so far: whether a new file system is mounted there
	delayed  []delayedReadonly // mounts that become read-only at the end
	answers  plan.Arg          // room for the parent's answers about targets
}

// A Root is a root file system being compiled.
type Root struct{ c *compiler }

// New returns a Root; its parts are added by Prepare, Compile and Pivot, in this
// order.
func New(b *plan.Builder, parent *handshake.Parent, s *specs.Spec, in Input) *Root {
	return &Root{&compiler{b: b, parent: parent, spec: s, in: in, sources: map[int]plan.Cell{},
		hows: map[[2]uint64]plan.Arg{}, fresh: map[string]bool{}}}
}

// Prepare adds the steps that must run while the process still has its privileges on
// the host. The steps that follow may lose access to the host's paths, but not to the
// working directory: a new mount namespace keeps it.
func (r *Root) Prepare() {
	c := r.c
	c.b.In(plan.Filesystem, "root.path")
	c.b.Add(plan.Op{
		Name: "go to the root file system",
		Why:  "while the path is accessible: it may not be in the user namespace",
	}, plan.Chdir, c.b.Str(c.in.Root))
	early := c.opensHostFilesFirst()
	if len(c.in.Layers) > 0 && early {
		c.createOverlay()
	}
	if early {
		for i := range c.spec.Mounts {
			if c.isBind(i) && !c.copiesLink(i) && c.in.SourceKind(i) != Undecided {
				c.sources[i] = c.cloneSource(i)
			}
		}
	}
	if c.stagesSources() || c.stagesSourcesForJoin() {
		c.stageSources()
	}
}

// opensHostFilesFirst reports whether files on the host must be opened before the process enters a
// user namespace and loses permission.
func (c *compiler) opensHostFilesFirst() bool { return c.in.UserNS && !c.in.Rootless }

// Joined is called after setns into a mount namespace: it makes that namespace's root
// the working directory, and the new root must be one of its mounts.
func (r *Root) Joined() {
	c := r.c
	c.b.In(plan.Filesystem, "root.path")
	c.b.Add(plan.Op{
		Name: "go to the root file system again",
		Why:  "joining a mount namespace changes the working directory to its root",
	}, plan.Chdir, c.b.Str(c.in.Root))
}

// Compile adds the steps that build the tree below the new root.
func (r *Root) Compile() {
	c := r.c
	switch {
	case c.in.OnHost:
		c.mountRoot()
		c.setAttrAt("make the root private", c.root, attr{propagation: unix.MS_PRIVATE}, unix.AT_RECURSIVE)
	case !c.in.MountNS:
		c.openRootOnly()
		return
	default:
		if c.stagesSources() {
			c.openStage()
		}
		c.setPropagation()
		c.mountRoot()
	}
	if !c.mountsDev() {
		c.openDev()
	}
	for i := range c.spec.Mounts {
		c.mountEntry(i)
	}
	if c.stagesSources() {
		c.close(c.stageDir)
	}
	if !c.bindsDev() {
		c.createDevices()
	}
	c.openConsole()
	c.replaceNullDescriptors()
	c.close(c.dev)
}

// Finish adds what goes on top of everything else, after the hooks that may still add
// mounts and files. Mounts on a shared root are shared, and so are read-only and
// masked paths; but pivot_root, which comes later, refuses a shared root.
func (r *Root) Finish() {
	c := r.c
	if !c.in.MountNS && !c.in.OnHost {
		return
	}
	c.createWorkingDirectory()
	c.makeMountsReadonly()
	shared := c.in.MountNS && propagationFlags(c.spec.Linux.RootfsPropagation) == unix.MS_SHARED
	if shared {
		c.b.In(plan.Filesystem, "linux.rootfsPropagation")
		c.setAttrAt("make the root shared for a while", c.root, attr{propagation: unix.MS_SHARED}, 0)
	}
	c.makePathsReadonly()
	c.maskPaths()
	if shared {
		c.b.In(plan.Filesystem, "linux.rootfsPropagation")
		c.setAttrAt("make the root private", c.root, attr{propagation: unix.MS_PRIVATE}, 0)
	}
	c.makeRootReadonly()
}

// openRootOnly is for a container in the host's mount namespace: it gets a root directory
// but no mounts.
func (c *compiler) openRootOnly() {
	c.b.In(plan.Filesystem, "root.path")
	c.root = c.b.Cell("root")
	c.b.Add(plan.Op{Name: "open the root", Out: c.root},
		plan.Openat, plan.Int(unix.AT_FDCWD), c.b.Str("."), plan.Int(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC),
		plan.Int(0))
}

// setPropagation keeps the container's mounts from appearing on the host.
func (c *compiler) setPropagation() {
	flags := uintptr(unix.MS_SLAVE | unix.MS_REC)
	why := "mounts made here must not appear on the host; the host's may appear here"
	c.b.In(plan.Filesystem, "")
	if p := c.spec.Linux.RootfsPropagation; p != "" {
		c.b.In(plan.Filesystem, "linux.rootfsPropagation")
		flags, why = propagationFlags(p), ""
		if flags&unix.MS_UNBINDABLE != 0 {
			// The new root is cloned from these mounts; it becomes unbindable itself
			// when it is "/".
			flags = unix.MS_PRIVATE | flags&unix.MS_REC
		}
	}
	c.b.Add(plan.Op{Name: "set the propagation of the host's mounts", Why: why},
		plan.Mount, plan.Int(0), c.b.Str("/"), plan.Int(0), plan.Int(flags), plan.Int(0))
	if c.stagesSources() {
		c.setAttr("make the mount under the root private", c.stageDir, attr{propagation: unix.MS_PRIVATE})
	} else if c.in.ParentMnt != "" {
		c.setParentPropagation(flags)
	}
}

// setParentPropagation changes the mount under the root, which flags may have left shared. The
// new root is cloned from it: for the root to be a slave, it must be one too.
func (c *compiler) setParentPropagation(flags uintptr) {
	kind, name := uintptr(unix.MS_PRIVATE), "make the mount under the root private"
	if flags&unix.MS_SLAVE != 0 {
		kind, name = unix.MS_SLAVE, "make the mount under the root a slave"
	}
	c.b.Add(plan.Op{
		Name: name,
		Why:  "pivot_root refuses a shared one, and mounts made here would appear on the host",
	}, plan.Mount, plan.Int(0), c.b.Str(c.in.ParentMnt), plan.Int(0), plan.Int(kind), plan.Int(0))
}

// mountRoot makes the root a separate mount, which pivot_root requires.
func (c *compiler) mountRoot() {
	b := c.b
	b.In(plan.Filesystem, "root.path")
	if len(c.in.Layers) > 0 {
		if c.overlay == 0 {
			c.createOverlay()
		}
		b.In(plan.Filesystem, "root.path")
		c.root = c.overlay
	} else {
		c.root = b.Cell("root")
		if c.stagesSources() {
			c.cloneRoot(c.root, plan.Of(c.stageDir), "root", unix.AT_SYMLINK_NOFOLLOW)
			if p := c.spec.Linux.RootfsPropagation; propagationFlags(p) == unix.MS_SHARED|unix.MS_REC {
				// pivot_root refuses a shared one; it becomes shared when it is "/".
				c.setAttr("make it private", c.root, attr{propagation: unix.MS_PRIVATE})
			}
		} else {
			c.cloneRoot(c.root, plan.Int(unix.AT_FDCWD), ".", 0)
		}
	}
	if len(c.in.Layers) == 0 && !c.in.OnHost && (c.spec.Linux == nil || c.spec.Linux.RootfsPropagation == "") {
		// On a host with systemd, whose mounts are shared, it is a slave.
		b.Add(plan.Op{
			Name: "make it private",
			Why:  "what the host mounts below it must not appear in the container",
		}, plan.MountSetattr, plan.Of(c.root), b.Str(""), plan.Int(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE),
			b.Words(0, 0, unix.MS_PRIVATE, 0), plan.Int(32))
	}
	b.Add(plan.Op{Name: "mount the root on itself"},
		plan.MoveMount, plan.Of(c.root), b.Str(""), plan.Int(unix.AT_FDCWD), b.Str("."),
		plan.Int(unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// cloneRoot creates a detached copy of the mounts at and below a name in a directory.
func (c *compiler) cloneRoot(fd plan.Cell, dir plan.Arg, name string, flags int) {
	c.b.Add(plan.Op{
		Name: "clone the root's mounts",
		Why:  "pivot_root requires the new root to be a mount",
		Out:  fd,
	}, plan.OpenTree, dir, c.b.Str(name), plan.Int(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|flags))
}

// attr is struct mount_attr of mount_setattr(2).
type attr struct {
	set, clr, propagation uint64
	userns                uint64
}

func (c *compiler) setAttr(name string, fd plan.Cell, a attr) { c.setAttrAt(name, fd, a, 0) }

func (c *compiler) setAttrAt(name string, fd plan.Cell, a attr, flags int) {
	c.b.Add(plan.Op{Name: name},
		plan.MountSetattr, plan.Of(fd), c.b.Str(""), plan.Int(unix.AT_EMPTY_PATH|flags), c.attrWords(a), plan.Int(32))
}

func (c *compiler) attrWords(a attr) plan.Arg {
	return c.b.Words(a.set, a.clr, a.propagation, a.userns)
}

// cleanPath returns a destination as an absolute path without "..": relative ones
// start at the root.
func cleanPath(destination string) string { return path.Clean("/" + destination) }

func mountSource(i int) string { return "mounts[" + strconv.Itoa(i) + "]" }

// relativePath returns a cleaned path in the form that openat2 takes with the root's
// descriptor.
func relativePath(clean string) string {
	if clean == "/" || clean == "" {
		return "."
	}
	return strings.TrimPrefix(clean, "/")
}
