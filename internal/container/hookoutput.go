package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/spec"
)

// This file decides where the output of hooks goes: into the error if the hook fails,
// or to the files that annotations name.

// hookOutputMode is the mode of a file that an annotation names, if it is created.
const hookOutputMode = 0o644

var hookOutputNames = [2]string{spec.AnnotationHooksStdout, spec.AnnotationHooksStderr}

// hookOutputPaths returns the files that the annotations name for standard output and
// error of all hooks, "" if they name none.
func hookOutputPaths(bundle string, annotations map[string]string) (paths [2]string) {
	for n, name := range hookOutputNames {
		path := annotations[name]
		if path != "" && !filepath.IsAbs(path) {
			path = filepath.Join(bundle, path)
		}
		paths[n] = path
	}
	return paths
}

// hookOutput redirects the output of a hook on the host according to the annotations.
// The caller closes the files.
func (r *Record) hookOutput(cmd *exec.Cmd) (files []*os.File, err error) {
	for n, path := range hookOutputPaths(r.Bundle, r.Annotations) {
		if path == "" {
			continue
		}
		f, err := openHookOutput(path)
		if err != nil {
			return files, fmt.Errorf("annotations[%q]: %w", hookOutputNames[n], err)
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

// openHookOutput opens a file of an annotation. A FIFO without a reader is an error:
// opening it would wait for one.
func openHookOutput(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return atomicfile.Append(path, hookOutputMode)
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

// A tail is a writer that keeps the end of what is written: a hook's output may be
// larger than memory.
type tail []byte

func (t *tail) Write(data []byte) (int, error) {
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

// hookOutputFile creates the file that receives the output of a hook inside, and keeps
// it.
func (c *Container) hookOutputFile(f plan.File) (*os.File, error) {
	kept, err := memoryFile(f.Source, c.options.directory())
	if err != nil {
		return nil, err
	}
	c.outputs = append(c.outputs, kept)
	if err := kept.Chmod(0o666); err != nil { // the hook's user may open /dev/stderr
		return nil, err
	}
	// The hook can write only, and to the end.
	return reopen(kept, unix.O_WRONLY|unix.O_APPEND)
}

// memoryFile creates a memfd, or an unnamed file in a directory: on a system without
// memfd_create(2), or under a filter that forbids it.
func memoryFile(name, dir string) (*os.File, error) {
	fd, err := unix.MemfdCreate("hook", unix.MFD_CLOEXEC)
	if err != nil {
		fd, err = unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// reopen opens an unnamed file again, with other flags.
func reopen(f *os.File, flags int) (*os.File, error) {
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: f.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// outputDescriptors returns the numbers that the output files of the startContainer
// hooks have in the new process, in the order of the hooks. `start` needs them.
func (c *Container) outputDescriptors() (fds []int) {
	for _, f := range c.plan.Files {
		if f.Open == plan.Memory && strings.HasPrefix(f.Source, "hooks.startContainer[") {
			fds = append(fds, f.Descriptor)
		}
	}
	return fds
}

// takeOutputs takes the output files from a process that another minirun created.
func (c *Container) takeOutputs() error {
	for i, fd := range c.HookOutputs {
		theirs, err := c.proc.Descriptor(fd, process.HookSource("startContainer", i))
		if err != nil {
			return err
		}
		f, err := reopen(theirs, unix.O_RDONLY)
		if err := errors.Join(err, theirs.Close()); err != nil {
			return err
		}
		c.outputs = append(c.outputs, f)
	}
	return nil
}

// printed returns the end of the output of a hook inside.
func (c *Container) printed(kind string, i int) []byte {
	for _, f := range c.outputs {
		if f.Name() != process.HookSource(kind, i) {
			continue
		}
		end, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return nil
		}
		text := make([]byte, min(end, maxPrinted))
		n, _ := f.ReadAt(text, end-int64(len(text))) // a partial read is better than nothing
		return text[:n]
	}
	return nil
}
