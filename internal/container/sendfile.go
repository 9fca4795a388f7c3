package container

import "fmt"

// sendPidFD sends the pidfd of the process to --pidfd-socket, with runc's names for
// the two kinds of processes.
func (c *child) sendPidFD(kind string) error {
	if c.settings.PidFDSocket == "" {
		return nil
	}
	if err := c.signals.SendFile(c.settings.PidFDSocket, []byte(kind), c.proc.PidFD); err != nil {
		return fmt.Errorf("--pidfd-socket: %w", err)
	}
	return nil
}

// The data sent with a pidfd, as in runc.
const (
	pidFDOfFirst = "standard"
	pidFDOfExec  = "setns"
)
