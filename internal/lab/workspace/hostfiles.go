package workspace

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/minirun/minirun/internal/lab/course"
)

// copyPrograms copies programs of the host into a bundle's root file system, without what they need.
func copyPrograms(b course.Bundle, root string) error {
	for target, name := range b.Programs {
		program, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		target = filepath.Join(root, filepath.Join("/", target)) // stays in root
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := copyFile(program, target, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// setModes gives files of the start state the permissions that lab.yaml asks for.
func (w *Workspace) setModes(dir string) error {
	for name, mode := range w.Lab.Modes {
		bits, err := strconv.ParseUint(mode, 8, 9)
		if err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(dir, name), fs.FileMode(bits)); err != nil {
			return err
		}
	}
	return nil
}
