package hooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
)

// Inside are the files of the hooks that run inside a container. They are known by the
// JSON path of their hook.
type Inside struct {
	Directory string // for files of a system without memfd_create(2)

	inputs  []*os.File // the ends that this process writes the state to
	outputs []*os.File // what hooks have printed; none if it is appended to files
}

// Close closes the files.
func (in *Inside) Close() {
	closeFiles(in.inputs)
	closeFiles(in.outputs)
	in.inputs, in.outputs = nil, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// OpenInput creates the file from which a hook inside the container reads its state,
// and keeps the other end. The state is written before the hook begins, so a pipe is
// used if the state fits into every pipe; a larger one is in a memfd.
func (in *Inside) OpenInput(f plan.File, state *specs.State) (*os.File, error) {
	largest := *state
	largest.Status, largest.Pid = specs.StateCreating, math.MaxInt32
	data, err := json.Marshal(&largest)
	if err != nil {
		return nil, err
	}
	if len(data) > maxPiped {
		file, err := memoryFile(f.Source, in.Directory)
		if err != nil {
			return nil, err
		}
		in.inputs = append(in.inputs, file)
		return reopen(file, unix.O_RDONLY)
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	in.inputs = append(in.inputs, os.NewFile(uintptr(fds[1]), f.Source))
	return os.NewFile(uintptr(fds[0]), f.Source), nil
}

// maxPiped is the guaranteed capacity of a pipe, even for a user who has exceeded
// pipe-user-pages-soft: a page, before Linux 5.14 (pipe(7)).
const maxPiped = 4096

// WriteState gives the hooks of a kind their input, which has to be complete before they
// begin. The PID in state is the host's.
func (in *Inside) WriteState(hooks []Hook, state *specs.State) error {
	for i := range hooks {
		f := findFile(in.inputs, hooks[i].Source())
		if f == nil {
			continue
		}
		in.inputs = slices.DeleteFunc(in.inputs, func(other *os.File) bool { return other == f })
		if err := errors.Join(writeState(f, state), f.Close()); err != nil {
			return fmt.Errorf("config.json: %s: write the state: %w", f.Name(), err)
		}
	}
	return nil
}

// findFile returns the file of the hook with a JSON path; nil if there is none.
func findFile(files []*os.File, source string) *os.File {
	for _, f := range files {
		if f.Name() == source {
			return f
		}
	}
	return nil
}

// writeState writes the state, with the PID in the PID namespace of the container.
func writeState(f *os.File, state *specs.State) error {
	pid, err := innerPid(state.Pid)
	if err != nil {
		return err
	}
	inner := *state
	inner.Pid = pid
	data, err := json.Marshal(&inner)
	if err != nil {
		return err
	}
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, true); err != nil { // nothing reads the pipe yet
		return err
	}
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		data = data[max(n, 0):]
	}
	return nil
}

// Failure describes which hook inside the container has failed, and how, from the message
// HookFailed of a process. The message may come from another process that sees this one,
// with any content.
func (in *Inside) Failure(hooks *specs.Hooks, m bootstrap.Message, sender string) error {
	h := findByNumber(hooks, m.B)
	if h == nil {
		return fmt.Errorf("%s reports the failure of hook %d, which config.json does not have", sender, m.B)
	}
	if m.A == handshake.TimedOut && h.Timeout == nil {
		return fmt.Errorf("%s reports that %s took too long, which has no timeout", sender, h.Source())
	}
	var err error
	switch status := unix.WaitStatus(m.A); {
	case m.A == handshake.TimedOut:
		err = fmt.Errorf("killed after its timeout of %d s", *h.Timeout)
	case status.Signaled():
		err = fmt.Errorf("signal: %s", status.Signal())
	default:
		err = fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return fmt.Errorf("config.json: %s: run %s: %w", h.Source(), h.Path,
		withOutput(err, readEnd(findFile(in.outputs, h.Source()))))
}

// findByNumber returns the hook that the process knows by a number; nil if there is none.
func findByNumber(hooks *specs.Hooks, number uint64) *Hook {
	if hooks == nil {
		return nil
	}
	all := append(List("createContainer", hooks.CreateContainer), List("startContainer", hooks.StartContainer)...)
	if number >= uint64(len(all)) {
		return nil
	}
	return &all[number]
}

// innerPid returns a process's PID in its own PID namespace: the last of the NSpid
// line of proc_pid_status(5).
func innerPid(pid int) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(numbers)
			var n int
			_, err := fmt.Sscan(fields[len(fields)-1], &n)
			return n, err
		}
	}
	return pid, nil
}

// OpenOutput creates the file that receives the output of a hook inside, and keeps
// it.
func (in *Inside) OpenOutput(f plan.File) (*os.File, error) {
	file, err := memoryFile(f.Source, in.Directory)
	if err != nil {
		return nil, err
	}
	in.outputs = append(in.outputs, file)
	if err := file.Chmod(0o666); err != nil { // the hook's user may open /dev/stderr
		return nil, err
	}
	// The hook can write only, and to the end.
	return reopen(file, unix.O_WRONLY|unix.O_APPEND)
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

// OutputDescriptors returns the numbers that the output files of the startContainer
// hooks have in the new process, in the order of the hooks. `start` needs them.
func OutputDescriptors(hooks *specs.Hooks, files []plan.File) (fds []int) {
	if hooks == nil {
		return nil
	}
	for _, h := range List("startContainer", hooks.StartContainer) {
		for _, f := range files {
			if f.Open == plan.Memory && f.Source == h.Source() {
				fds = append(fds, f.Descriptor)
			}
		}
	}
	return fds
}

// TakeOutputs takes the output files of the startContainer hooks from a process that
// another minirun created, by the numbers from OutputDescriptors.
func (in *Inside) TakeOutputs(proc *bootstrap.Process, fds []int) error {
	for i, fd := range fds {
		theirs, err := proc.Descriptor(fd, process.HookSource("startContainer", i))
		if err != nil {
			return err
		}
		f, err := reopen(theirs, unix.O_RDONLY)
		if err := errors.Join(err, theirs.Close()); err != nil {
			return err
		}
		in.outputs = append(in.outputs, f)
	}
	return nil
}

// readEnd returns the end of what a hook has printed.
func readEnd(f *os.File) []byte {
	if f == nil {
		return nil
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil
	}
	text := make([]byte, min(end, maxPrinted))
	n, _ := f.ReadAt(text, end-int64(len(text))) // a partial read is better than nothing
	return text[:n]
}
