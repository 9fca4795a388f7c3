package main

import (
	"fmt"
	"math"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/child"
)

// inherited lists the descriptors, from 3 on, that minirun was started with and that
// --preserve-fds, socket activation or --status-fd may pass on.
var inherited []int

// maxListenFDs limits the descriptors that are checked for LISTEN_FDS.
const maxListenFDs = 1024

// sortDescriptors distinguishes the caller's descriptors from minirun's own, which
// have close-on-exec and may have taken a number that was free. Then it sets
// close-on-exec for all: descriptors that the caller left open are not for hooks, and
// for a container only if requested by number.
func sortDescriptors(c *cli.Context) error {
	n := min(c.Int("preserve-fds"), child.MaxPreserveFDs)
	if os.Getenv("LISTEN_FDS") != "" {
		n = max(n, maxListenFDs)
	}
	for fd := 3; fd < 3+n; fd++ {
		if isInherited(fd) {
			inherited = append(inherited, fd)
		}
	}
	for _, fd := range [3]int{c.Int("status-fd"), answerDescriptor(c), claimDescriptor(c)} {
		if fd >= 3+n && isInherited(fd) {
			inherited = append(inherited, fd)
		}
	}
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w: Linux 5.12 or newer is needed", err)
	}
	return nil
}

// answerDescriptor returns the descriptor on which a monitor answers the process that started
// it; 0 for any other command.
func answerDescriptor(c *cli.Context) int {
	if c.Command.Name == "monitor" {
		return answerFD
	}
	return 0
}

// claimDescriptor returns the descriptor with which a monitor gets the claim on its container.
func claimDescriptor(c *cli.Context) int {
	if c.Command.Name == "monitor" {
		return claimFD
	}
	return 0
}

func isInherited(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}
