package compare

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// PrivateMounts is set in the program that InPrivateMounts executes.
const PrivateMounts = "MINIRUN_COMPARE_PRIVATE"

// InPrivateMounts executes the command again in a separate mount namespace, which the
// kernel removes with the mounts in it. Mounts of a container without a mount
// namespace are made in that of its runtime, and runc does not unmount them. It is the
// same process, so that signals reach it.
func InPrivateMounts(self string) error {
	runtime.LockOSThread() // execve keeps the namespaces of the thread that calls it
	defer runtime.UnlockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = unix.Exec(self, os.Args, append(os.Environ(), PrivateMounts+"=1"))
	}
	return fmt.Errorf("make a mount namespace for mounts of a container without one: %w", err)
}
