package record

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
)

// This file finds a container's processes. A cgroup lists them. A container without
// one, the usual case without root, has these:
//
//	its own PID namespace     all that are in it; they die with the first one
//	otherwise                 the tree below the first process, and those that share
//	                          the container's own mount namespace (exec)
//
// Processes that left the tree of a first process that has exited cannot be found,
// which is an error, not an empty list.

// errLostProcesses means that there may be processes that cannot be found.
var errLostProcesses = errors.New("the container has neither a cgroup nor its own PID namespace, and its first " +
	"process exited: " +
	"its other processes, if there are any, cannot be found")

// ownNamespaces returns those that were created for the container, as CLONE_NEW*.
func (r *Record) ownNamespaces() uintptr { return r.Namespaces &^ r.Joined }

// EndsWithFirst reports whether the kernel kills all processes of the container with
// the first one.
func (r *Record) EndsWithFirst() bool { return r.ownNamespaces()&unix.CLONE_NEWPID != 0 }

// Processes lists the container's processes, as PIDs of this PID namespace.
func (r *Record) Processes() ([]int, error) {
	if len(r.Cgroups) > 0 {
		return group.Open(r.Cgroups).TreeProcesses()
	}
	first, err := r.OpenProcess()
	if err != nil {
		return nil, err
	}
	if first == nil {
		if r.EndsWithFirst() || r.Pid == 0 {
			return nil, nil
		}
		return nil, errLostProcesses
	}
	defer first.Close()
	return r.findMembers()
}

// findMembers lists the processes of a container without a cgroup, whose first process
// exists.
func (r *Record) findMembers() ([]int, error) {
	kind := ""
	switch own := r.ownNamespaces(); {
	case own&unix.CLONE_NEWPID != 0:
		kind = "pid"
	case own&unix.CLONE_NEWNS != 0:
		kind = "mnt"
	}
	parents, err := ProcessParents()
	if err != nil {
		return nil, err
	}
	delete(parents, os.Getpid())
	inside := map[int]bool{r.Pid: true}
	for pid := range parents {
		if kind != "" && sharesNamespace(pid, r.Pid, kind) {
			inside[pid] = true
		}
	}
	return AddDescendants(inside, parents), nil
}

// ErrNoCgroup explains why a container's resource usage is unknown.
var ErrNoCgroup = errors.New("the container has no cgroup, in which the kernel would count its resource usage")
