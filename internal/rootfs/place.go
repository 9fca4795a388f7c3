package rootfs

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// A place is a path below the new root where something is mounted or created.
type place struct {
	path    string    // cleaned, absolute in the container
	dir     bool      // a directory; else a file
	nolinks bool      // no component may be a symbolic link
	inDev   bool      // in what was mounted on /dev, even if something covers it now; no links either
	link    finalLink // how a link in the last component is treated
	asks    bool      // the parent follows the links: see followLinks
	mount   int       // with asks: index in mounts
}

// finalLink is how a symbolic link in the last component of a place is treated.
type finalLink int

const (
	linkFollowed finalLink = iota
	linkRefused            // it is an error
	linkKept               // it is the place itself
)

// open adds the steps that open a place, and create it first if it is missing, and
// returns the cell with its descriptor.
func (c *compiler) open(p place) plan.Cell {
	fd, done := c.b.Cell("target"), c.b.Label()
	c.openInto(p, fd, done, nil)
	c.b.Place(done)
	return fd
}

// openInto adds the steps that open a place into the cell fd and continue at done.
// Missing directories are created one by one, each relative to the descriptor of its
// parent: mkdirat does not follow a link in the last component, so it cannot be
// redirected. With n it records the mode of a directory that was there.
func (c *compiler) openInto(p place, fd plan.Cell, done plan.Label, n *modeNote) {
	b := c.b
	missing, links := b.Label(), b.Label()
	t := plan.Then{On: []plan.On{{Errno: unix.ENOENT, To: missing}}}
	if p.asks {
		t.On = append(t.On, plan.On{Errno: unix.ELOOP, To: links})
	}
	if n == nil {
		t.Next = done
	}
	c.openAt(p, fd, t)
	if n != nil {
		b.Add(plan.Op{
			Name: "note the mode of " + p.path,
			Why:  "a tmpfs takes the mode of the directory it covers",
			Then: plan.Then{Next: done},
		}, plan.Fstat, plan.Of(fd), n.stat)
	}
	b.Place(missing)
	parent := c.openDirectories(p.parent())
	c.createLast(p, parent)
	c.closeDirectory(parent)
	c.openAt(p, fd, plan.Then{Next: done})
	b.Place(links)
	if p.asks {
		c.followLinks(p, fd, done, n)
	}
}

func (c *compiler) openAt(p place, fd plan.Cell, t plan.Then) {
	c.openWith("open "+p.path, p, p.flags(), fd, t)
}

// flags returns the flags of open(2) for a descriptor of the place.
func (p place) flags() uint64 {
	if p.dir {
		return unix.O_PATH | unix.O_CLOEXEC | unix.O_DIRECTORY
	}
	return unix.O_PATH | unix.O_CLOEXEC
}

func (c *compiler) openWith(name string, p place, flags uint64, fd plan.Cell, t plan.Then) {
	base, top := c.baseDirectory(p)
	c.b.Add(plan.Op{Name: name, Out: fd, Then: t},
		plan.Openat2, plan.Of(base), c.b.Str(relativePath(strings.TrimPrefix(p.path, top))), c.openHowFor(p, flags),
		plan.Int(24))
}

// openPath is openAt with another path, which a step has put into the plan.
func (c *compiler) openPath(name string, p place, path plan.Arg, fd plan.Cell, t plan.Then) {
	c.b.Add(plan.Op{Name: name, Out: fd, Then: t},
		plan.Openat2, plan.Of(c.root), path, c.openHowFor(p, p.flags()), plan.Int(24))
}

// openHowFor returns the open_how for a place.
func (c *compiler) openHowFor(p place, flags uint64) plan.Arg {
	resolve := uint64(unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS)
	if p.nolinks || p.inDev || p.asks {
		resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	if p.link != linkFollowed && !p.nolinks {
		flags |= unix.O_NOFOLLOW
	}
	return c.openHow(flags, resolve)
}

// baseDirectory returns the descriptor from which a place is opened, and the path of that
// descriptor.
func (c *compiler) baseDirectory(p place) (fd plan.Cell, top string) {
	if p.inDev {
		return c.dev, "/dev"
	}
	return c.root, ""
}

// parent returns the directory that contains a place.
func (p place) parent() place {
	return place{path: path.Dir(p.path), dir: true, nolinks: p.nolinks, inDev: p.inDev, asks: p.asks}
}

// existing returns the place after it was created: the kernel follows all its links.
func (p place) existing() place {
	p.asks = false
	return p
}

// openHow returns an open_how; equal ones share one copy in the plan's data.
func (c *compiler) openHow(flags, resolve uint64) plan.Arg {
	key := [2]uint64{flags, resolve}
	a, ok := c.hows[key]
	if !ok {
		a = c.b.Words(flags, 0, resolve)
		c.hows[key] = a
	}
	return a
}

// openDirectories opens the directory dir, creating missing ones on the way. The caller
// passes it to closeDirectory: a thousand mounts must not hold a thousand descriptors.
func (c *compiler) openDirectories(dir place) plan.Cell {
	at, top := c.baseDirectory(dir)
	below := strings.Trim(strings.TrimPrefix(dir.path, top), "/")
	if below == "" {
		return at
	}
	names := strings.Split(below, "/")
	for i, name := range names {
		next := c.b.Cell("dir")
		p := dir
		p.path = top + "/" + strings.Join(names[:i+1], "/")
		there, missing := c.b.Label(), c.b.Label()
		c.openAt(p, next, plan.Then{Next: there, On: []plan.On{{Errno: unix.ENOENT, To: missing}}})
		c.b.Place(missing)
		c.b.Add(plan.Op{Name: "make directory " + p.path, Then: plan.Fine(unix.EEXIST)},
			plan.Mkdirat, plan.Of(at), c.b.Str(name), plan.Int(0o755))
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

func (c *compiler) createLast(p place, parent plan.Cell) {
	name := c.b.Str(path.Base(p.path))
	if p.dir {
		c.b.Add(plan.Op{Name: "make directory " + p.path, Then: plan.Fine(unix.EEXIST)},
			plan.Mkdirat, plan.Of(parent), name, plan.Int(0o755))
		return
	}
	// mknodat of a regular file: like open(O_CREAT|O_EXCL), without a
	// descriptor to close.
	c.b.Add(plan.Op{Name: "make file " + p.path, Why: "as the mount point", Then: plan.Fine(unix.EEXIST)},
		plan.Mknodat, plan.Of(parent), name, plan.Int(unix.S_IFREG|0o644), plan.Int(0))
}

func (c *compiler) close(fds ...plan.Cell) {
	for _, fd := range fds {
		c.b.Add(plan.Op{Name: "close"}, plan.Close, plan.Of(fd))
	}
}
