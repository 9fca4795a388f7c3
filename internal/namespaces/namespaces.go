// Package namespaces converts linux.namespaces, the ID maps, hostname, domainname,
// sysctl and time offsets to clone flags and steps.
//
//	at creation   Cloneflags of fork: pid, mount, uts, ipc, net. One call creates
//	              them all, and the first step already runs as PID 1.
//	on the way    user: unshare, then the parent writes the maps. It comes before
//	              the others, so that they belong to it.
//	              time: unshare, offsets, then setns into it.
//	              cgroup: unshare after the process was put into its cgroup, which
//	              becomes the root that the namespace shows.
//	by path       setns on a descriptor that the parent opened and checked.
//
// With a user namespace, or a PID namespace joined by path, fork creates none: the
// first process does the preparations and then clones the container's init as its
// sibling (CLONE_PARENT), so that minirun is its parent either way. A new PID
// namespace is empty, so the clone comes first. One that is joined has other processes
// in it, so the clone comes last if possible: see EnterPID.
package namespaces

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
)

// A Setup is the interpretation of linux.namespaces.
type Setup struct {
	// New are the flags of the namespaces to create.
	New uintptr
	// Joins are the namespaces to enter, in the order of config.json.
	Joins []Join
}

// A Join is a namespace that already exists.
type Join struct {
	Type   specs.LinuxNamespaceType
	Flag   uintptr
	Path   string
	Source string // JSON path
}

// Decide interprets linux.namespaces. The spec has been validated.
func Decide(s *specs.Spec) Setup {
	var setup Setup
	if s.Linux == nil {
		return setup
	}
	for i, n := range s.Linux.Namespaces {
		flag, _ := spec.NamespaceFlag(n.Type)
		if n.Path == "" {
			setup.New |= flag
			continue
		}
		setup.Joins = append(setup.Joins, Join{n.Type, flag, n.Path, jsonPath(i)})
	}
	return setup
}

// Has reports whether the container has its own namespace of this kind, new
// or joined.
func (s Setup) Has(flag uintptr) bool {
	return s.New&flag != 0 || s.Join(flag) != nil
}

// Joined reports whether a namespace of this kind is entered by path.
func (s Setup) Joined(flag uintptr) bool { return s.Join(flag) != nil }

// Join returns the namespace of this kind that is entered by path, or nil.
func (s Setup) Join(flag uintptr) *Join {
	for i := range s.Joins {
		if s.Joins[i].Flag == flag {
			return &s.Joins[i]
		}
	}
	return nil
}

// staged reports whether the container's init is cloned inside the plan.
func (s Setup) staged() bool {
	return s.Has(unix.CLONE_NEWUSER) || s.Joined(unix.CLONE_NEWPID)
}

// Clones reports whether the plan clones the container's init, so that its parent
// receives the PID of a second process.
func (s Setup) Clones() bool {
	return s.Joined(unix.CLONE_NEWPID) || s.staged() && s.New&unix.CLONE_NEWPID != 0
}

// onTheWay are the namespaces that fork never creates: see the package comment.
const onTheWay = unix.CLONE_NEWUSER | unix.CLONE_NEWTIME | unix.CLONE_NEWCGROUP

// Cloneflags returns the namespaces that the first process is created in.
func (s Setup) Cloneflags() uintptr {
	if s.staged() {
		return 0
	}
	return s.New &^ onTheWay
}
