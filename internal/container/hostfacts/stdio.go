package hostfacts

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// findPipeModes returns the modes that let process.user reopen the pipes among the
// standard descriptors, 0 for the others. A FIFO with a name is left alone: it exists
// longer than the container.
func findPipeModes(s *specs.Spec, userNS bool) (modes [3]uint32) {
	if s.Process.Terminal {
		return modes
	}
	owner := HostUser(s, userNS)
	var pipes [3]unix.Stat_t
	for fd := range modes {
		st := &pipes[fd]
		if !isPipe(fd) || unix.Fstat(fd, st) != nil || int64(st.Uid) == owner {
			continue
		}
		// Even if it already has them: a plan does not depend on earlier runs.
		modes[fd] = st.Mode&0o7777 | openMode(fd)
		for earlier := range fd { // both ends of one pipe
			if pipes[earlier].Ino == st.Ino {
				modes[fd] |= modes[earlier]
			}
		}
	}
	return modes
}

// openMode returns the permission for all users to open what a descriptor is open for.
func openMode(fd int) uint32 {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	switch {
	case err != nil:
		return 0
	case flags&unix.O_ACCMODE == unix.O_RDONLY:
		return readable
	case flags&unix.O_ACCMODE == unix.O_WRONLY:
		return writable
	}
	return readable | writable
}

// Permissions of group and others: process.user may be in the pipe's group, whose
// permissions apply in that case.
const (
	readable = 0o44
	writable = 0o22
)

// HostUser returns the host's uid of process.user, -1 if it is unknown.
func HostUser(s *specs.Spec, userNS bool) int64 {
	uid := s.Process.User.UID
	if !userNS {
		return int64(uid)
	}
	for _, m := range s.Linux.UIDMappings {
		if uid >= m.ContainerID && uid-m.ContainerID < m.Size {
			return int64(m.HostID) + int64(uid-m.ContainerID)
		}
	}
	return -1
}

// isPipe reports whether a descriptor is a pipe without a name.
func isPipe(fd int) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(fd, &fs) == nil && fs.Type == unix.PIPEFS_MAGIC
}
