package runtarget

import (
	"bytes"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
)

// Host looks up facts on this machine. It remembers what paths are, so that the files of a command
// line are read once.
type Host struct {
	Store func() *image.Store // called if images matter
	known []knownPath         // a command line has few
}

type knownPath struct {
	path string
	kind PathKind
}

// Path returns what a path names.
func (h *Host) Path(path string) PathKind {
	for _, k := range h.known {
		if k.path == path {
			return k.kind
		}
	}
	kind := examinePath(path)
	h.known = append(h.known, knownPath{path, kind})
	return kind
}

// configBytes is how much of config.json may precede ociVersion. Most programs write it first.
const configBytes = 256 << 10

func examinePath(path string) PathKind {
	// Not package os: each start of a container pays for the system calls. Without O_NONBLOCK, the
	// name of a FIFO would block.
	fd, err := unix.Open(filepath.Join(path, "config.json"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		if err == unix.EACCES { // the loader reports it
			return Bundle
		}
		return examineDirectory(path)
	}
	defer unix.Close(fd)
	if containsVersion(fd) {
		return Bundle
	}
	return ForeignConfig
}

// containsVersion reports whether a file contains the key ociVersion.
func containsVersion(fd int) bool {
	var text []byte
	for size := 4096; len(text) < configBytes; size = configBytes {
		chunk := make([]byte, size)
		n, err := unix.Read(fd, chunk)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			return false
		}
		text = append(text, chunk[:n]...)
		if bytes.Contains(text, []byte(`"ociVersion"`)) || bytes.Contains(bytes.ToLower(text), []byte(`"ociversion"`)) {
			return true
		}
	}
	return false
}

func examineDirectory(path string) PathKind {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Nothing
	case info.IsDir():
		return Directory
	}
	return File
}

// HasImage reports whether the store has an image. If the store cannot be read, it does too: opening
// the image reports the problem.
func (h *Host) HasImage(name string) bool {
	found, err := h.Store().Has(name)
	return found || err != nil
}

// Images returns the names of the images in the store.
func (h *Host) Images() []string { return h.Store().Names() }

// Subdirectories returns the names of the directories in a directory.
func (h *Host) Subdirectories(path string) (names []string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil // there is nothing to suggest
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}
