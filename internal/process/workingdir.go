package process

import (
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// openCwd opens process.cwd and changes to it. RESOLVE_NO_MAGICLINKS: a cwd of
// /proc/self/fd/7, or an image's link to it, leads nowhere even if a descriptor of the
// host were open (CVE-2024-21626).
func (c *compiler) openCwd(t plan.Then) {
	b := c.b
	b.Add(plan.Op{
		Name: "open the working directory " + c.p.Cwd,
		Why:  "no magic links: they could lead out of the container",
		Out:  c.cwd,
		Then: t,
	}, plan.Openat2, plan.Int(unix.AT_FDCWD), b.Str(c.p.Cwd), b.Words(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0,
		unix.RESOLVE_NO_MAGICLINKS), plan.Int(24))
	b.Add(plan.Op{Name: "go to " + c.p.Cwd}, plan.Fchdir, plan.Of(c.cwd))
}

// enterCwdAsRoot enters process.cwd as root, which may enter directories that the
// process's user may not. Where root may not either (a home on NFS), enterCwdAsUser
// tries again.
func (c *compiler) enterCwdAsRoot() {
	c.b.In(plan.Exec, "process.cwd")
	c.cwd = c.b.Cell("cwd")
	if !c.mayEnterCwdLater() {
		c.openCwd(plan.Then{})
		return
	}
	later := c.b.Label()
	on := []plan.On{{Errno: unix.EACCES, To: later}, {Errno: unix.EPERM, To: later}}
	if c.in.ClonedLast {
		on = append(on, plan.On{Errno: unix.ENOENT, To: later}) // in a /proc that does not show this process
	}
	c.openCwd(plan.Then{On: on})
	c.b.Place(later)
}

// enterCwdAsUser enters process.cwd as the user, in its PID namespace, if root could not.
func (c *compiler) enterCwdAsUser() {
	if !c.mayEnterCwdLater() {
		return
	}
	b := c.b
	b.In(plan.Exec, "process.cwd")
	done, again := b.Label(), b.Label()
	b.Add(plan.Op{
		Name: "is the working directory open",
		Then: plan.Then{Next: done, On: []plan.On{{Errno: unix.EBADF, To: again}}},
	}, plan.Fcntl, plan.Of(c.cwd), plan.Int(unix.F_GETFD), plan.Int(0))
	b.Place(again)
	c.openCwd(plan.Then{})
	b.Place(done)
}

// mayEnterCwdLater reports whether the process may be able to enter a directory later
// that it could not enter before Identity: as another user, or in another PID
// namespace.
func (c *compiler) mayEnterCwdLater() bool {
	u := &c.p.User
	return c.in.ClonedLast || u.UID != 0 || u.GID != 0 || len(u.AdditionalGids) > 0
}
