package child

import (
	"fmt"
	"strconv"

	"github.com/minirun/minirun/internal/atomicfile"
)

// SendPidFD sends the pidfd of the process to --pidfd-socket, with runc's names for
// the two kinds of processes.
func (c *Process) SendPidFD(kind string) error {
	if c.Settings.PidFDSocket == "" {
		return nil
	}
	if err := c.Signals.SendFile(c.Settings.PidFDSocket, []byte(kind), c.Proc.PidFD); err != nil {
		return fmt.Errorf("--pidfd-socket: %w", err)
	}
	return nil
}

// The data sent with a pidfd, as in runc.
const (
	FirstPidFD = "standard"
	ExecPidFD  = "setns"
)

// WritePidFile writes --pid-file.
func (c *Process) WritePidFile() error {
	if c.Settings.PidFile == "" {
		return nil
	}
	// Readers wait for the file to appear, so it must be complete when it does.
	if err := atomicfile.Write(c.Settings.PidFile, []byte(strconv.Itoa(c.Proc.Pid)), 0o666); err != nil {
		return fmt.Errorf("--pid-file: %w", err)
	}
	c.WrotePidFile = true
	return nil
}
