package namespaces

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Unprivileged reports whether this process is not root of the machine: another user,
// or root in a user namespace, as when a rootless engine calls its runtime.
func Unprivileged() bool { return os.Geteuid() != 0 || InUserNamespace() }

// InUserNamespace compares the ID map with that of the initial namespace
// (user_namespaces(7)).
func InUserNamespace() bool {
	inUserNamespace.Do(func() { inUserNamespace.value = readsOtherIDMap() })
	return inUserNamespace.value
}

var inUserNamespace struct {
	sync.Once
	value bool
}

func readsOtherIDMap() bool {
	fd, err := unix.Open("/proc/self/uid_map", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	text := make([]byte, 4096) // as much as one read returns
	n, err := unix.Read(fd, text)
	return err == nil && strings.Join(strings.Fields(string(text[:n])), " ") != "0 0 4294967295"
}
