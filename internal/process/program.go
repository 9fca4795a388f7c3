package process

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// This file finds the program, executes it, and has the parent explain why that is not
// possible. The parent inspects the container from outside while the process waits:
// when it exits, its mounts disappear too.

// Candidates returns the paths that execve tries for args[0]: args[0] itself if it has
// a slash, else one for each directory of the container's PATH, as execvp(3) does. An
// empty directory means the working directory.
func Candidates(arg0 string, env []string) []string {
	if strings.Contains(arg0, "/") {
		return []string{arg0}
	}
	var path string
	for _, e := range env { // the last one counts, as in runc
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	var out []string
	if path == "" {
		return out
	}
	for _, dir := range strings.Split(path, ":") {
		if dir == "" {
			dir = "."
		}
		out = append(out, strings.TrimSuffix(dir, "/")+"/"+arg0)
	}
	return out
}

// reportAndWait adds the steps that report to the parent that the program cannot be executed,
// and wait to be killed. m.A is the errno.
func (c *compiler) reportAndWait(m plan.Message) {
	b := c.b
	b.Tell("tell the parent: "+handshake.Name(m.Point), "it looks for the reason in the container's mounts", m)
	again := b.Here()
	// No answer comes, and one to an earlier question may still be in the socket.
	b.Add(plan.Op{
		Name: "wait to be killed",
		Why:  "the mounts end with the process",
		Then: plan.Then{Next: c.parent.Gone(), On: []plan.On{{Errno: unix.EINTR, To: again}}},
	}, plan.Ppoll, b.Words32(uint32(b.SyncFD()), 0), plan.Int(1), plan.Int(0), plan.Int(0), plan.Int(0))
}

// reportErrors returns the branches that lead from errors of a step to the report, none if
// the filter forbids it, and the cell that must store the result of that step.
func (c *compiler) reportErrors(errnos ...unix.Errno) (result plan.Cell, on []plan.On) {
	if c.in.Unreported {
		return plan.None, nil
	}
	if c.noProgram.Point == 0 {
		c.noProgram, c.reportAt = c.b.Message(handshake.NoProgram, "result"), c.b.Label()
	}
	for _, errno := range errnos {
		on = append(on, plan.On{Errno: errno, To: c.reportAt})
	}
	return c.noProgram.A, on
}

// placeReport adds the report that reportErrors leads to.
func (c *compiler) placeReport() {
	if c.noProgram.Point != 0 {
		c.b.In(plan.Sync, "")
		c.b.Place(c.reportAt)
		c.reportAndWait(c.noProgram)
	}
}

// findProgram checks that the program exists, is executable and is not a directory, so that
// create fails where start would. The file may be replaced before start, so execve
// goes through the same candidates again.
func (c *compiler) findProgram(candidates []string) {
	b := c.b
	b.In(plan.Exec, "process.args[0]")
	found := b.Label()
	call, flags := c.accessCall(found)
	for i, p := range candidates {
		last, next := i == len(candidates)-1, b.Label()
		t, result := plan.Then{}, plan.None
		if last {
			result, t.On = c.reportErrors(unix.ENOENT, unix.ENOTDIR, unix.EACCES)
		} else {
			t.On = searchOn(next)
		}
		// EPERM: a filter forbids the check; execve will report it.
		t.On = append(t.On, plan.On{Errno: unix.EPERM, To: found})
		b.Add(plan.Op{Name: "is " + p + " executable", Kind: plan.Program, Out: result, Then: t},
			call, slices.Concat([]plan.Arg{plan.Int(unix.AT_FDCWD), b.Str(p), plan.Int(unix.X_OK)}, flags)...)
		isDirectory := plan.Then{Next: next, On: []plan.On{{Errno: unix.ENOTDIR, To: found},
			{Errno: unix.EPERM, To: found}}}
		b.Add(plan.Op{Name: "is " + p + " a directory", Why: "execve would refuse it", Kind: plan.Program,
			Then: isDirectory},
			call, slices.Concat([]plan.Arg{plan.Int(unix.AT_FDCWD), b.Str(p + "/"), plan.Int(unix.F_OK)}, flags)...)
		b.Place(next)
	}
	c.reportNotFound()
	b.Place(found)
}

// accessCall chooses the call that checks a permission, and its last arguments.
// faccessat(2) checks for the real user ID and its capabilities, which are those of
// the process unless only some of its permitted ones are effective, or it is not root
// and has any. faccessat2 can check for the effective ones; without it, before Linux
// 5.8, nothing is checked.
func (c *compiler) accessCall(found plan.Label) (plan.Call, []plan.Arg) {
	const override = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	s := CapabilitySets(c.p.Capabilities)
	var real uint64
	if c.p.User.UID == 0 {
		real = s.Permitted
	}
	if (real^s.Effective)&override == 0 {
		return plan.Faccessat, nil
	}
	effective := plan.Int(unix.AT_EACCESS)
	c.b.Add(plan.Op{
		Name: "can permissions of effective IDs be checked",
		Why:  "faccessat(2) checks the real ones",
		Kind: plan.Program,
		Then: plan.Then{On: []plan.On{{Errno: unix.ENOSYS, To: found}, {Errno: unix.EPERM, To: found}}},
	}, plan.Faccessat2, plan.Int(unix.AT_FDCWD), c.b.Str("/"), plan.Int(unix.F_OK), effective)
	return plan.Faccessat2, []plan.Arg{effective}
}

// reportNotFound is the end of the search if it found only directories, or if there was
// nothing to search, without a PATH.
func (c *compiler) reportNotFound() {
	b, arg0 := c.b, c.p.Args[0]
	if c.in.Unreported {
		if len(Candidates(arg0, c.p.Env)) == 0 { // else execve fails
			b.Add(plan.Op{Name: "find " + arg0 + " without a PATH", Kind: plan.Program},
				plan.Faccessat, plan.Int(unix.AT_FDCWD), b.Str(""), plan.Int(unix.X_OK))
		}
		return
	}
	m := b.Message(handshake.NoProgram)
	errno := unix.ENOENT
	if strings.Contains(arg0, "/") {
		errno = unix.EISDIR
	}
	b.Preset(m.A, uint64(-int64(errno)))
	c.reportAndWait(m)
}

// searchOn returns the errors after which the next directory of PATH is tried, as
// execvp(3) does, at the label next.
func searchOn(next plan.Label) []plan.On {
	return []plan.On{{Errno: unix.ENOENT, To: next}, {Errno: unix.ENOTDIR, To: next}, {Errno: unix.EACCES, To: next}}
}

func (c *compiler) executeProgram(candidates []string, env plan.Arg) {
	b := c.b
	if c.in.Init {
		c.becomeInit()
	}
	b.In(plan.Exec, "process.args")
	argv := b.Strs(c.p.Args)
	for i, p := range candidates {
		t, result := plan.Then{}, plan.None
		if i < len(candidates)-1 {
			t.On = searchOn(0) // the following step
		} else {
			result, t.On = c.reportErrors(unix.ENOENT, unix.ENOTDIR, unix.EACCES, unix.ENOEXEC)
		}
		b.Add(plan.Op{Name: "become " + p, Kind: plan.Program, Out: result, Then: t}, plan.Execve, b.Str(p), argv, env)
	}
}
