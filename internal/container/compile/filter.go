package compile

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/spec"
)

// FilterLast decides whether the seccomp filter is loaded last by a process that is cloned
// into a PID namespace with other processes. Without noNewPrivileges that needs
// CAP_SYS_ADMIN, which no process should have that they can see. So the filter is
// loaded before the clone, if it allows the remaining steps. If not, the process
// arrives with that capability, and a process that may trace it could take it over:
// such a profile is refused if the process, or the container's first one, has
// CAP_SYS_PTRACE. first is nil if the PID namespace is another container's or the
// host's, about whose processes nothing is known.
func FilterLast(p, first *specs.Process, in *process.Input, clonedLast bool) (bool, error) {
	if !clonedLast || in.Seccomp == nil || p.NoNewPrivileges || process.FilterAllowsArrival(in.Seccomp, p, in) {
		return false, nil
	}
	const allow = "must allow clone, setsid, close, read, write and exit_group if "
	const hint = "could take over one that enters before the filter is loaded\n" +
		"hint: set process.noNewPrivileges to true (exec --no-new-privs), or allow these system calls"
	if first == nil {
		return false, &spec.Error{Path: "linux.seccomp", Want: allow +
			"the PID namespace is given by path: the processes in it may have CAP_SYS_PTRACE, and " + hint}
	}
	bounding := process.CapabilitySets(p.Capabilities).Bounding | process.CapabilitySets(first.Capabilities).Bounding
	if bounding&(1<<unix.CAP_SYS_PTRACE) != 0 {
		return false, &spec.Error{Path: "linux.seccomp", Want: allow +
			"the container has CAP_SYS_PTRACE: its processes " + hint}
	}
	return true, nil
}
