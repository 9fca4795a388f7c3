package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// This file says in words where a plan continues after a step.

// rules returns one clause for each place where the plan continues after step i, except
// for "with the next step after a success".
func (s *Step) rules(i int) (out []string) {
	if s.Next != i+1 && !s.Call.ends() {
		out = append(out, fmt.Sprintf("then go on with step %d", s.Next))
	}
	if s.Zero != s.Next {
		out = append(out, s.zeroText()+": "+goOn(s.Zero, i))
	}
	for k := 0; k < len(s.On); {
		to := s.On[k].To
		var reasons []string
		for ; k < len(s.On) && s.On[k].To == to; k++ {
			reasons = append(reasons, s.ErrorText(s.On[k].Errno)+" ("+unix.ErrnoName(s.On[k].Errno)+")")
		}
		out = append(out, "if "+strings.Join(reasons, " or ")+": "+goOn(to, i))
	}
	return out
}

func goOn(to, i int) string {
	switch to {
	case i:
		return "try again"
	case i + 1:
		return "go on"
	}
	return fmt.Sprintf("go on with step %d", to)
}

// zeroText describes the result 0 of a call that also has another success.
func (s *Step) zeroText() string {
	switch s.Call {
	case Clone:
		return "in the new process"
	case Read:
		return "if minirun exited (0 bytes)"
	case Ppoll:
		return "after the time (0)"
	}
	return "if the result is 0"
}

// ErrorText describes an error of a step as a clause.
func (s *Step) ErrorText(errno unix.Errno) string {
	switch errno {
	case unix.EACCES:
		return "access is denied"
	case unix.EAFNOSUPPORT:
		return "the kernel does not have this kind of socket"
	case unix.EAGAIN:
		if s.Call == Clone {
			return "the cgroup has no room for a process"
		}
		return "something was renamed at the same time"
	case unix.EBADF:
		return "it is not open"
	case unix.EBUSY:
		return "it is in use"
	case unix.ECONNRESET:
		return "minirun exited"
	case unix.EEXIST:
		return "it already exists"
	case unix.EINTR:
		return "a signal interrupts it"
	case unix.EINVAL:
		return "the kernel does not accept it"
	case unix.ELOOP:
		return "it is a symbolic link"
	case unix.ENAMETOOLONG:
		return "the name is too long"
	case unix.ENOENT:
		return "it does not exist"
	case unix.ENOEXEC:
		return "it is not a program"
	case unix.ENOSYS:
		return "the kernel does not have this call"
	case unix.ENOTDIR:
		return "it is not a directory"
	case unix.EPERM:
		return "it is not permitted"
	case unix.EROFS:
		return "it is read-only"
	case unix.EXDEV:
		return "it is a mount"
	}
	return errno.Error()
}
