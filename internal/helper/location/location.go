// Package location finds the other programs of minirun.
package location

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Find returns the path of a program: in the directory of this program, or else packaged, the usual place for
// it. If there is none, the path is "", and tried are the places.
func Find(name, packaged string) (path string, tried []string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	tried = []string{filepath.Join(filepath.Dir(self), name), packaged}
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, tried, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", tried, err
		}
	}
	return "", tried, nil
}
