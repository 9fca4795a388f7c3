package namespaces

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Unprivileged says that this process is not root of the machine: another user, or
// root in a user namespace, as engines without root call their runtime.
func Unprivileged() bool { return os.Geteuid() != 0 || InUserNamespace() }

// InUserNamespace compares with the map of the first one (user_namespaces(7)).
var InUserNamespace = sync.OnceValue(func() bool {
	fd, err := unix.Open("/proc/self/uid_map", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	text := make([]byte, 4096) // as much as one read gives
	n, err := unix.Read(fd, text)
	return err == nil && strings.Join(strings.Fields(string(text[:n])), " ") != "0 0 4294967295"
})
