package process

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// Identity adds the steps that give the process its final identity.
func (r *Process) Identity() {
	c := r.c
	c.setScheduling()
	if c.in.Rlimits {
		c.setRlimits()
	}
	if c.p.NoNewPrivileges {
		c.b.In(plan.Identity, "process.noNewPrivileges")
		c.b.Add(plan.Op{Name: "set no_new_privs", Why: "execve gives no privileges"},
			plan.Prctl, plan.Int(unix.PR_SET_NO_NEW_PRIVS), plan.Int(1), plan.Int(0), plan.Int(0), plan.Int(0))
	}
	c.giveTerminalToUser()
	if c.in.ClonedLast {
		c.closeOthers()
	}
	c.enterCwdAsRoot()
	c.setUmask()
	c.dropFromBoundingSet()
	c.changeUser()
	c.setCapabilities()
	if !c.in.ClonedLast { // the kernel records it for one process only: see Arrive
		c.setParentDeathSignal()
	}
	if c.filterNeedsPrivilege() && !c.in.FilterLast {
		c.filterAndCapset()
	}
}

// giveTerminalToUser makes the process's user the owner of the container's terminal, because
// otherwise that user could not open it as /dev/tty's device. It is the only standard
// descriptor that changes its owner: all others belong to the caller, and exist longer
// than the container.
func (c *compiler) giveTerminalToUser() {
	if !c.p.Terminal || c.p.User.UID == 0 {
		return
	}
	c.b.In(plan.Identity, "process.terminal")
	c.b.Add(plan.Op{
		Name: "give the terminal to the user",
		Why:  "it was created by root",
		Then: plan.Fine(unix.EPERM, unix.EINVAL, unix.EROFS),
	}, plan.Fchown, plan.Int(0), plan.Int(c.p.User.UID), plan.Int(uint32(0xffffffff)))
}

// changeUser sets groups and IDs. keepcaps carries the permitted set over the change from
// root; without it capset below would have nothing to choose from. execve clears it
// (capabilities(7)).
func (c *compiler) changeUser() {
	b, u := c.b, &c.p.User
	b.In(plan.Identity, "process.user")
	if u.UID != 0 {
		b.Add(plan.Op{Name: "keep capabilities across the change of user", Why: "until execve"},
			plan.Prctl, plan.Int(unix.PR_SET_KEEPCAPS), plan.Int(1), plan.Int(0), plan.Int(0), plan.Int(0))
	}
	if !c.in.KeepGroups {
		c.setGroups()
	}
	b.Add(plan.Op{Name: "become gid " + strconv.FormatUint(uint64(u.GID), 10)},
		plan.Setresgid, plan.Int(u.GID), plan.Int(u.GID), plan.Int(u.GID))
	b.Add(plan.Op{Name: "become uid " + strconv.FormatUint(uint64(u.UID), 10)},
		plan.Setresuid, plan.Int(u.UID), plan.Int(u.UID), plan.Int(u.UID))
	if c.in.Rootless {
		b.Add(plan.Op{
			Name: "stay visible to the parent",
			Why:  "without privilege it cannot inspect a process that changed its user",
		}, plan.Prctl, plan.Int(unix.PR_SET_DUMPABLE), plan.Int(1), plan.Int(0), plan.Int(0), plan.Int(0))
	}
}

// setGroups sets the additional groups.
func (c *compiler) setGroups() {
	groups := slices.Clone(c.p.User.AdditionalGids)
	slices.Sort(groups)
	groups = slices.Compact(groups) // as in runc: each group once
	denied := plan.Then{}
	if others := slices.DeleteFunc(slices.Clone(groups),
		func(g uint32) bool { return g == c.p.User.GID }); len(others) == 0 && c.in.UserNS {
		// A user namespace created without privilege has setgroups denied. Then the process
		// has no groups to drop, and no other gid to change to.
		denied = plan.Fine(unix.EPERM)
	}
	c.b.Add(plan.Op{Name: "set the additional groups", Then: denied},
		plan.Setgroups, plan.Int(len(groups)), c.b.Words32(groups...))
}

// setUmask precedes the filter, which may fake umask(2). No step from here on creates
// a file; hooks set their own.
func (c *compiler) setUmask() {
	b, u := c.b, &c.p.User
	b.In(plan.Identity, "process.user.umask")
	umask := uint32(0o022)
	if u.Umask != nil {
		umask = *u.Umask
	}
	b.Add(plan.Op{Name: "set the umask"}, plan.Umask, plan.Int(umask))
}
