// Package helper finds minirun's programs. The commands of cmd/minirun that need more than a
// runtime are separate programs, so that they do not make each start of a container slower
// (docs/decisions/0004-helper-binaries.md).
package helper

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/helper/location"
)

// The programs that minirun executes.
const (
	Image  = "minirun-image"  // images and builds
	Engine = "minirun-engine" // containers created from images
	Bake   = "minirun-bake"   // several builds
	Lab    = "minirun-lab"    // labs
)

// Find returns the path of a helper: in the directory of this program, or else in the usual place
// for a package's helpers. need is the beginning of the error if there is none, such as "images need".
func Find(need, name string) (string, error) {
	return find(need, name, "/usr/libexec/minirun/"+name)
}

// Runtime returns the path of minirun itself, for a helper.
func Runtime() (string, error) {
	return find("this command needs", "minirun", "/usr/bin/minirun")
}

func find(need, name, packaged string) (string, error) {
	path, tried, err := location.Find(name, packaged)
	if err != nil || path != "" {
		return path, err
	}
	return "", fmt.Errorf("%s, which is neither %s nor %s\nhint: make build builds it, make install installs it",
		need+" "+name, tried[0], tried[1])
}

// Execute replaces this process by a helper. Descriptors that the arguments name are passed on.
func Execute(path string, args []string) error {
	for _, fd := range cmdline.Descriptors(args) { // they have close-on-exec
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil && !errors.Is(err, unix.EBADF) {
			return fmt.Errorf("pass on descriptor %d: %w", fd, err)
		}
	}
	err := unix.Exec(path, append([]string{"minirun"}, args...), os.Environ())
	return &os.PathError{Op: "exec", Path: path, Err: err}
}
