package rootfs

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// A place is where something is mounted or made below the new root.
type place struct {
	path    string // cleaned, absolute in the container
	dir     bool   // a directory; else a file
	nolinks bool   // no component may be a symbolic link
	inDev   bool   // in what was mounted on /dev, whatever covers it now; no links either
}

// open adds the steps that open a place, made first if it is missing, and
// returns the cell with its descriptor. Missing directories are made one by
// one, each from the descriptor of the one before: mkdirat does not follow a
// link in the last component, so it cannot be led elsewhere.
func (c *compiler) open(p place) plan.Cell { return c.openOr(p, nil) }

// openOr is open; there adds a step for a place that was there already, which
// goes on at done.
func (c *compiler) openOr(p place, there func(fd plan.Cell, done plan.Label)) plan.Cell {
	b := c.b
	fd := b.Cell("target")
	done, missing := b.Label(), b.Label()
	t := plan.Then{On: []plan.On{{Errno: unix.ENOENT, To: missing}}}
	if there == nil {
		t.Next = done
	}
	c.openAt(p, fd, t)
	if there != nil {
		there(fd, done)
	}
	b.Place(missing)
	parent := c.directories(p.parent())
	c.makeLast(p, parent)
	c.openAt(p, fd, plan.Then{})
	c.closeDirectory(parent)
	b.Place(done)
	return fd
}

func (c *compiler) openAt(p place, fd plan.Cell, t plan.Then) {
	flags := uint64(unix.O_PATH | unix.O_CLOEXEC)
	if p.dir {
		flags |= unix.O_DIRECTORY
	}
	c.openWith("open "+p.path, p, flags, fd, t)
}

func (c *compiler) openWith(name string, p place, flags uint64, fd plan.Cell, t plan.Then) {
	resolve := uint64(unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS)
	if p.nolinks || p.inDev {
		resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	base, top := c.base(p)
	c.b.Get(name, "", t, fd, plan.Openat2, plan.Of(base), c.b.Str(relative(strings.TrimPrefix(p.path, top))), c.how(flags, resolve), plan.Int(24))
}

// base returns the descriptor from which a place is opened, and the path that the
// descriptor stands for.
func (c *compiler) base(p place) (fd plan.Cell, top string) {
	if p.inDev {
		return c.dev, "/dev"
	}
	return c.root, ""
}

// parent is the directory that a place is in.
func (p place) parent() place {
	return place{path: path.Dir(p.path), dir: true, nolinks: p.nolinks, inDev: p.inDev}
}

// how returns an open_how; equal ones share one place in the plan's data.
func (c *compiler) how(flags, resolve uint64) plan.Arg {
	key := [2]uint64{flags, resolve}
	a, ok := c.hows[key]
	if !ok {
		a = c.b.Words(flags, 0, resolve)
		c.hows[key] = a
	}
	return a
}

// directories opens the directory dir, making what is missing on the way. The
// caller gives it to closeDirectory: a thousand mounts must not hold a thousand
// descriptors.
func (c *compiler) directories(dir place) plan.Cell {
	at, top := c.base(dir)
	below := strings.Trim(strings.TrimPrefix(dir.path, top), "/")
	if below == "" {
		return at
	}
	names := strings.Split(below, "/")
	for i, name := range names {
		next := c.b.Cell("dir")
		p := place{path: top + "/" + strings.Join(names[:i+1], "/"), dir: true, nolinks: dir.nolinks, inDev: dir.inDev}
		there, missing := c.b.Label(), c.b.Label()
		c.openAt(p, next, plan.Then{Next: there, On: []plan.On{{Errno: unix.ENOENT, To: missing}}})
		c.b.Place(missing)
		c.b.CallThen("make directory "+p.path, "", plan.Fine(unix.EEXIST), plan.Mkdirat, plan.Of(at), c.b.Str(name), plan.Int(0o755))
		c.openAt(p, next, plan.Then{})
		c.b.Place(there)
		c.closeDirectory(at)
		at = next
	}
	return at
}

func (c *compiler) closeDirectory(dir plan.Cell) {
	if dir != c.root && dir != c.dev {
		c.close(dir)
	}
}

func (c *compiler) makeLast(p place, parent plan.Cell) {
	name := c.b.Str(path.Base(p.path))
	if p.dir {
		c.b.CallThen("make directory "+p.path, "", plan.Fine(unix.EEXIST), plan.Mkdirat, plan.Of(parent), name, plan.Int(0o755))
		return
	}
	// mknodat of a regular file: like open(O_CREAT|O_EXCL), without a
	// descriptor to close.
	c.b.CallThen("make file "+p.path, "as the place to mount on", plan.Fine(unix.EEXIST), plan.Mknodat,
		plan.Of(parent), name, plan.Int(unix.S_IFREG|0o644), plan.Int(0))
}

func (c *compiler) close(fds ...plan.Cell) {
	for _, fd := range fds {
		c.b.Call("close", "", plan.Close, plan.Of(fd))
	}
}
