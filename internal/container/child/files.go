package child

import (
	"os"
)

// CloseFiles closes files.
func CloseFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// MaxPreserveFDs limits --preserve-fds: each takes a step of fork.
const MaxPreserveFDs = 1 << 16
