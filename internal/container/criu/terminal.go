package criu

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/container/record"
)

// This file restores the terminal of a container. Its master is outside, where criu
// does not look, so for criu the slave is an external terminal (criu(8), --external
// tty[rdev:dev]): at restore the processes get the slave of a new one instead
// (--inherit-fd), and its master is handled like that of a new container.

// terminalFile contains, among the images, criu's name for the container's terminal.
const terminalFile = "terminal.json"

// Unix98 pseudo-terminal slaves have eight major numbers (devices.txt of the kernel).
const firstPtyMajor, lastPtyMajor = 136, 143

// excludeTerminal returns the option for the terminal among the standard descriptors of
// the container, and writes the note for restore.
func excludeTerminal(r *record.Record, images string) ([]string, error) {
	for fd := range 3 {
		var st unix.Stat_t
		if err := unix.Stat("/proc/"+strconv.Itoa(r.Pid)+"/fd/"+strconv.Itoa(fd), &st); err != nil {
			continue // a closed one is not an error
		}
		if major := unix.Major(st.Rdev); st.Mode&unix.S_IFMT != unix.S_IFCHR || major < firstPtyMajor ||
			major > lastPtyMajor {
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

// inheritTerminal creates the new terminal and passes its slave to criu, as number
// fd.
func (r *Restoration) inheritTerminal(fd int) (args []string, files []*os.File, err error) {
	if !r.Spec.Process.Terminal {
		return nil, nil, nil
	}
	data, err := os.ReadFile(filepath.Join(r.Options.ImagePath, terminalFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil,
			fmt.Errorf("config.json: process.terminal: the container of the images in %s had no terminal, or another "+
				"runtime wrote them",
				r.Options.ImagePath)
	}
	var name string
	if err == nil {
		err = json.Unmarshal(data, &name)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--image-path: %s: %w", terminalFile, err)
	}
	slave, err := r.NewTerminal()
	if err != nil {
		return nil, nil, fmt.Errorf("config.json: process.terminal: %w", err)
	}
	return []string{"--inherit-fd", fmt.Sprintf("fd[%d]:%s", fd, name)}, []*os.File{slave}, nil
}
