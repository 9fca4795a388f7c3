package hooks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/spec"
)

// The output of a hook goes into the error if the hook fails, or to the files that
// annotations name.

// outputMode is the mode of a file that an annotation names, if it is created.
const outputMode = 0o644

var outputAnnotations = [2]string{spec.AnnotationHooksStdout, spec.AnnotationHooksStderr}

// OutputPaths returns the files that the annotations name for standard output and
// error of all hooks, "" if they name none.
func OutputPaths(bundle string, annotations map[string]string) (paths [2]string) {
	for n, name := range outputAnnotations {
		path := annotations[name]
		if path != "" && !filepath.IsAbs(path) {
			path = filepath.Join(bundle, path)
		}
		paths[n] = path
	}
	return paths
}

// redirectOutput redirects the output of a hook on the host according to the annotations.
// The caller closes the files.
func redirectOutput(cmd *exec.Cmd, state *specs.State) (files []*os.File, err error) {
	for n, path := range OutputPaths(state.Bundle, state.Annotations) {
		if path == "" {
			continue
		}
		f, err := OpenOutput(path)
		if err != nil {
			return files, fmt.Errorf("annotations[%q]: %w", outputAnnotations[n], err)
		}
		files = append(files, f)
		if n == 0 {
			cmd.Stdout = f
		} else {
			cmd.Stderr = f
		}
	}
	return files, nil
}

// OpenOutput opens a file of an annotation. A FIFO without a reader is an error:
// opening it would wait for one.
func OpenOutput(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return atomicfile.Append(path, outputMode)
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	// If it is full, the hook waits.
	return os.NewFile(uintptr(fd), path), unix.SetNonblock(fd, false)
}

// maxPrinted limits how much of a hook's output an error quotes, in bytes.
const maxPrinted = 8 << 10

// A tailWriter is a writer that keeps the end of what is written: a hook's output may be
// larger than memory.
type tailWriter []byte

func (t *tailWriter) Write(data []byte) (int, error) {
	*t = append(*t, data...)
	if len(*t) > 2*maxPrinted {
		*t = append((*t)[:0], (*t)[len(*t)-maxPrinted:]...)
	}
	return len(data), nil
}

// withOutput adds a hook's output to its failure.
func withOutput(err error, output []byte) error {
	output = output[max(0, len(output)-maxPrinted):]
	if text := strings.TrimSpace(string(output)); text != "" {
		return fmt.Errorf("%w: it printed: %s", err, text)
	}
	return err
}
