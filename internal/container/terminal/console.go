package terminal

import (
	"fmt"
	"os"

	"github.com/containerd/console"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// FindCallers finds the terminal that minirun was started in: a standard
// descriptor, or the controlling terminal if all of them are redirected. It stays open
// until minirun exits.
func FindCallers() (int, error) {
	for fd := range 3 {
		if IsTerminal(fd) {
			return fd, nil
		}
	}
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("minirun has no terminal: open /dev/tty: %w", err)
	}
	return fd, nil
}

// Connect prepares the master of a container's terminal for the caller's terminal.
func Connect(master *os.File, callers int) error {
	// The caller's terminal adds the carriage returns; if both added them, they would be
	// doubled.
	if err := console.ClearONLCR(master.Fd()); err != nil {
		return err
	}
	// Now, not when the terminal is relayed: the program may be faster.
	if size, err := unix.IoctlGetWinsize(callers, unix.TIOCGWINSZ); err == nil {
		return unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, size)
	}
	return nil
}

// Create creates a terminal on the host, whose slave belongs to a user if uid is above
// zero. size may be nil.
func Create(uid int64, size *specs.Box) (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	slave, err = openSlave(master)
	if err == nil && uid > 0 {
		err = slave.Chown(int(uid), -1)
	}
	if err == nil && size != nil {
		winsize := &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, winsize)
	}
	if err != nil {
		slave.Close() // nil is accepted
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// openSlave unlocks a terminal and opens its slave. Only the master's descriptor reliably
// leads to it: /dev/pts may be another devpts.
func openSlave(master *os.File) (*os.File, error) {
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock the terminal: %w", err)
	}
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, flags)
	if errno != 0 {
		return nil, fmt.Errorf("open the terminal's slave: %w", errno)
	}
	return os.NewFile(fd, "terminal"), nil
}
