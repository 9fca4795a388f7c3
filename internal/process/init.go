package process

import (
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/seccomp"
)

// This file adds an init: PID 1 that is not the program itself. The kernel discards
// signals for which PID 1 has no handler, and processes without a parent become its
// children.
//
//	first process:  … block signals, clone ─┬─▶ child: wait; its own process group, execve the program
//	                                        └─▶ write the child's PID to a socket, execveat the init
//
// The init is a plan as well, in a memfd that contains nothing else: no path of the host
// and no environment, which processes in the container could read from its memory. It
// has the identity, the capabilities and the filter of the program. The container needs
// no file for it.

const (
	sigSetmask = 2 // SIG_SETMASK
	sigsetSize = 8
	initName   = "init"
	initSource = `annotations["dev.minirun.init"]`
)

// becomeInit adds the steps with which the process clones the program's process and
// becomes the init itself. The steps after it are those of the child.
func (c *compiler) becomeInit() {
	b := c.b
	b.In(plan.Exec, initSource)
	// A number that no file of the plan has. Nothing that is open there is needed.
	socket := b.NextFile() + 1
	image := b.File(plan.File{Open: plan.Init, Name: "the init", Plan: initPlan(socket)})
	child := b.Label()
	pid, own := b.Cell("program"), b.Cell("own")
	all := b.Words(^uint64(0))
	b.Add(plan.Op{Name: "block all signals", Why: "the init takes them with rt_sigtimedwait; none is lost until then"},
		plan.RtSigprocmask, plan.Int(sigSetmask), all, plan.Int(0), plan.Int(sigsetSize))
	ends := b.Room(8)
	programs, inits := b.CellIn(ends, 0, "programs"), b.CellIn(ends, 4, "inits")
	b.Add(plan.Op{Name: "make a socket between them"}, plan.Socketpair, plan.Int(unix.AF_UNIX),
		plan.Int(unix.SOCK_STREAM|unix.SOCK_CLOEXEC), plan.Int(0), ends)
	// The argument that the kernel fills with the child's PID is the fourth on arm64, the
	// fifth on amd64; the other one is not used.
	b.Add(plan.Op{Name: "create the program's process", Kind: plan.Split, Out: pid, Then: plan.Then{Zero: child}},
		plan.Clone, plan.Int(unix.CLONE_CHILD_SETTID|uintptr(unix.SIGCHLD)), plan.Int(0), plan.Int(0), b.At(own),
		b.At(own))
	b.Add(plan.Op{Name: "write the program's PID"}, plan.Write, plan.Of(programs), b.At(pid), plan.Int(8))
	b.Add(plan.Op{Name: "keep the init's end"}, plan.Dup3, plan.Of(inits), plan.Int(socket), plan.Int(0))
	b.Add(plan.Op{Name: "become the init", Why: "its image contains nothing of this plan"},
		plan.Execveat, image, b.Str(""), b.Strs([]string{initName}), b.Strs(nil), plan.Int(unix.AT_EMPTY_PATH))
	b.Place(child)
	b.Add(plan.Op{Name: "wait for the init", Why: "the program must not see PID 1 with this plan"},
		plan.Read, plan.Of(programs), b.Room(8), plan.Int(1))
	b.Add(plan.Op{Name: "begin a process group", Why: "the init must not be in the terminal's foreground"},
		plan.Setpgid, plan.Int(0), plan.Int(0))
	if c.p.Terminal {
		b.Add(plan.Op{Name: "be the terminal's foreground job"},
			plan.Ioctl, plan.Int(0), plan.Int(unix.TIOCSPGRP), b.At(own))
	}
	b.Add(plan.Op{Name: "unblock signals"},
		plan.RtSigprocmask, plan.Int(sigSetmask), b.Words(0), plan.Int(0), plan.Int(sigsetSize))
}

// initPlan returns the plan of the init. It reads the PID of the program's process from the
// descriptor socket, and exits with its exit status, or 128 plus the number of the signal
// that ended it.
func initPlan(socket int) *plan.Plan {
	b := plan.NewBuilder(socket)
	b.In(plan.Exec, initSource)
	pid, signal, status := b.Cell("program"), b.Cell("signal"), b.Cell("status")
	b.Add(plan.Op{Name: "name the process", Why: "ps shows it"},
		plan.Prctl, plan.Int(unix.PR_SET_NAME), b.Str(initName), plan.Int(0), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "read the program's PID"}, plan.Read, plan.Int(socket), b.At(pid), plan.Int(8))
	b.Add(plan.Op{Name: "let the program begin"}, plan.Write, plan.Int(socket), b.At(pid), plan.Int(1))
	b.Add(plan.Op{Name: "close all descriptors except 0 to 2"},
		plan.CloseRange, plan.Int(3), plan.Int(uint32(0xffffffff)), plan.Int(0))
	next, reap, forward, exited := b.Here(), b.Label(), b.Label(), b.Label()
	b.Add(plan.Op{Name: "wait for a signal", Out: signal,
		Then: plan.Then{On: []plan.On{{Errno: unix.EINTR, To: next}}}},
		plan.RtSigtimedwait, b.Words(^uint64(0)), plan.Int(0), plan.Int(0), plan.Int(sigsetSize))
	child := plan.Int(int(unix.SIGCHLD))
	addCompare(b, "pass it on if it is above SIGCHLD", plan.Of(signal), child, forward)
	addCompare(b, "pass it on if it is below SIGCHLD", child, plan.Of(signal), forward)
	b.Place(reap)
	b.Add(plan.Op{Name: "reap a process", Why: "orphans of the PID namespace become children of its init",
		Then: plan.Then{Zero: next, On: []plan.On{{Errno: unix.ECHILD, To: next}}}},
		plan.Wait4, plan.Int(-1), b.At(status), plan.Int(unix.WNOHANG), plan.Int(0))
	b.Add(plan.Op{Name: "is the program's process still there",
		Why:  "ECHILD: it is the one that was reaped, and its status is known; or it has exited just now",
		Then: plan.Then{Next: exited, Zero: reap, On: []plan.On{{Errno: unix.ECHILD, To: exited}}}},
		plan.Wait4, plan.Of(pid), b.At(status), plan.Int(unix.WNOHANG), plan.Int(0))
	b.Place(forward)
	b.Add(plan.Op{Name: "pass the signal on", Then: plan.Then{Next: next,
		On: []plan.On{{Errno: unix.ESRCH, To: next}, {Errno: unix.EPERM, To: next}}}},
		plan.Kill, plan.Of(pid), plan.Of(signal))
	b.Place(exited)
	addExit(b, status)
	return b.Plan()
}

// addExit adds the steps that exit with the status for a wait status (wait(2)): the second
// byte is the exit status, or it is zero and the lowest seven bits are a signal. The loop
// cannot calculate, but a stream socket can: it adds the lengths of what is written.
func addExit(b *plan.Builder, status plan.Cell) {
	ends, read := b.Room(8), b.Room(256)
	writing, reading := b.CellIn(ends, 0, "writing"), b.CellIn(ends, 4, "reading")
	code, sum := b.Cell("code"), b.Cell("sum")
	normally, dumped, succeeded := b.Label(), b.Label(), b.Label()
	addCompare(b, "is the status zero", plan.Int(1), plan.Of(status), succeeded)
	addCompare(b, "has it exited with a status", plan.Of(status), plan.Int(255), normally)
	addCompare(b, "has it dumped core", plan.Of(status), plan.Int(127), dumped)
	pair := func() {
		b.Add(plan.Op{Name: "make a socket", Why: "to calculate the exit status"}, plan.Socketpair,
			plan.Int(unix.AF_UNIX), plan.Int(unix.SOCK_STREAM|unix.SOCK_CLOEXEC), plan.Int(0), ends)
	}
	pair()
	b.Add(plan.Op{Name: "write 128 bytes"}, plan.Write, plan.Of(writing), read, plan.Int(128))
	b.Add(plan.Op{Name: "write as many as the signal's number"}, plan.Write, plan.Of(writing), read, plan.Of(status))
	b.Add(plan.Op{Name: "read the sum", Out: sum}, plan.Read, plan.Of(reading), read, plan.Int(256))
	b.Add(plan.Op{Name: "exit: killed by a signal"}, plan.ExitGroup, plan.Of(sum))
	b.Place(normally)
	pair()
	second := b.At(status)
	second.Value++
	b.Add(plan.Op{Name: "write the second byte"}, plan.Write, plan.Of(writing), second, plan.Int(1))
	b.Add(plan.Op{Name: "read it as a number"}, plan.Read, plan.Of(reading), b.At(code), plan.Int(1))
	b.Add(plan.Op{Name: "exit with the program's status"}, plan.ExitGroup, plan.Of(code))
	b.Place(dumped)
	b.Add(plan.Op{Name: "exit: killed by a signal", Why: "the bit for the core dump is 128"},
		plan.ExitGroup, plan.Of(status))
	b.Place(succeeded)
	b.Add(plan.Op{Name: "exit with the program's status"}, plan.ExitGroup, plan.Int(0))
}

// addCompare adds a step that continues at above if first is above last: close_range(2)
// refuses such a range. The init never executes a program, so that the flag has no
// effect.
func addCompare(b *plan.Builder, name string, first, last plan.Arg, above plan.Label) {
	b.Add(plan.Op{Name: name, Then: plan.Then{On: []plan.On{{Errno: unix.EINVAL, To: above}}}},
		plan.CloseRange, first, last, plan.Int(unix.CLOSE_RANGE_CLOEXEC))
}

// InitNeeds returns a system call that the init needs and the filter of the program, which
// is its own too, does not allow; "" if there is none.
func InitNeeds(filter *seccomp.Program) string {
	if filter == nil {
		return ""
	}
	for _, call := range []plan.Call{plan.RtSigprocmask, plan.Clone, plan.Socketpair, plan.Write, plan.Dup3,
		plan.Execveat, plan.Setpgid, plan.Prctl, plan.Read, plan.CloseRange, plan.RtSigtimedwait, plan.Wait4,
		plan.Kill, plan.ExitGroup} {
		if !filter.Allows(call.Number()) {
			return call.Name()
		}
	}
	return ""
}
