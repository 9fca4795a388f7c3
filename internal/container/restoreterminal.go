package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/namespaces"
)

// This file restores the terminal of a container. Its master is outside, where criu
// does not look, so for criu the slave is an external terminal (criu(8), --external
// tty[rdev:dev]): at restore the processes get the slave of a new one instead
// (--inherit-fd), and its master is handled like that of a new container.

// terminalFile contains, among the images, criu's name for the container's terminal.
const terminalFile = "terminal.json"

// Unix98 pseudo-terminal slaves have eight major numbers (devices.txt of the kernel).
const firstPtyMajor, lastPtyMajor = 136, 143

// terminalAtDump returns the option for the terminal among the standard descriptors of
// the container, and writes the note for restore.
func (r *Record) terminalAtDump(images string) ([]string, error) {
	for fd := range 3 {
		var st unix.Stat_t
		if err := unix.Stat("/proc/"+strconv.Itoa(r.Pid)+"/fd/"+strconv.Itoa(fd), &st); err != nil {
			continue // a closed one is not an error
		}
		if major := unix.Major(st.Rdev); st.Mode&unix.S_IFMT != unix.S_IFCHR || major < firstPtyMajor || major > lastPtyMajor {
			continue
		}
		name := fmt.Sprintf("tty[%x:%x]", st.Rdev, st.Dev)
		data, err := json.Marshal(name)
		if err == nil {
			err = atomicfile.Write(filepath.Join(images, terminalFile), data, 0o600)
		}
		return []string{"--external", name}, err
	}
	return nil, nil
}

// terminalAtRestore creates the new terminal and passes its slave to criu, as number
// fd.
func (c *Container) terminalAtRestore(images string, fd int) (args []string, files []*os.File, err error) {
	if !c.spec.Process.Terminal {
		return nil, nil, nil
	}
	data, err := os.ReadFile(filepath.Join(images, terminalFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("config.json: process.terminal: the container of the images in %s had no terminal, or another runtime wrote them", images)
	}
	var name string
	if err == nil {
		err = json.Unmarshal(data, &name)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--image-path: %s: %w", terminalFile, err)
	}
	slave, err := c.newConsole()
	if err != nil {
		return nil, nil, fmt.Errorf("config.json: process.terminal: %w", err)
	}
	return []string{"--inherit-fd", fmt.Sprintf("fd[%d]:%s", fd, name)}, []*os.File{slave}, nil
}

// newConsole creates a terminal on the host. Its master becomes the container's
// console; it returns the slave, which belongs to the container's user.
func (c *Container) newConsole() (slave *os.File, err error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	c.Console = master // closed with the container
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock the terminal: %w", err)
	}
	// Only its descriptor reliably leads to the slave: /dev/pts may be another devpts.
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, fmt.Errorf("open the terminal's slave: %w", errno)
	}
	slave = os.NewFile(fd, "terminal")
	if uid := hostUser(c.spec, namespaces.Decide(c.spec).Has(unix.CLONE_NEWUSER)); uid > 0 {
		err = slave.Chown(int(uid), -1)
	}
	if size := c.spec.Process.ConsoleSize; err == nil && size != nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)})
	}
	if err == nil {
		err = c.connectConsole()
	}
	if err != nil {
		return nil, errors.Join(err, slave.Close())
	}
	return slave, nil
}
