// Package userns executes a program again as root of a user namespace, with the ID ranges of the
// user who runs it. Files can then have the owners that an image's layers specify.
package userns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/minirun/minirun/internal/namespaces"
)

// The variable that tells the program which part of Enter it is in: the number of the pipe on which
// it waits for its ID maps, or mapped.
const (
	stageVariable = "MINIRUN_USER_NAMESPACE_STAGE"
	mapped        = "mapped"
)

// An ExitedError reports that the program ran in a user namespace and exited.
type ExitedError struct{ Status int }

func (e *ExitedError) Error() string { return fmt.Sprintf("exited with status %d", e.Status) }

// Enter executes the program again in a user namespace, with additional environment variables, and
// reports whether this process is the one that it executed. It does nothing for root. In the process
// that called it first, the error is an ExitedError after the other one exited.
func Enter(env ...string) (entered bool, err error) { return EnterWith(nil, env...) }

// FirstFile is the number of the first descriptor that EnterWith passes on.
const FirstFile = 4

// EnterWith is Enter, and passes open files to the program.
func EnterWith(files []*os.File, env ...string) (entered bool, err error) {
	switch stage := os.Getenv(stageVariable); {
	case stage == mapped:
		return true, os.Unsetenv(stageVariable)
	case stage != "":
		return false, becomeRoot(stage)
	case os.Geteuid() == 0:
		return false, nil
	}
	status, err := runChild(files, env)
	if err != nil {
		return false, err
	}
	return false, &ExitedError{status}
}

// Continue does what is left of Enter in the process that it executed, and reports whether this process
// is one. Programs that do something before they call Enter call it first: until then the process has
// no rights.
func Continue() (entered bool, err error) {
	if os.Getenv(stageVariable) == "" {
		return false, nil
	}
	return Enter()
}

// runChild runs the program in a new user namespace and returns its exit status.
func runChild(files []*os.File, env []string) (status int, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	uids, gids := namespaces.Ranges()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdin, os.Stdout, os.Stderr,
		append([]*os.File{r}, files...)
	cmd.Env = append(append(os.Environ(), stageVariable+"=3"), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("cannot create a user namespace: %w\nhint: run minirun doctor to find the cause", err)
	}
	_ = r.Close()
	if err := namespaces.WriteMaps(cmd.Process.Pid, uids, gids, true); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return 0, err
	}
	_, _ = w.Write([]byte{1})
	_ = w.Close()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return max(cmd.ProcessState.ExitCode(), 0), nil
}

// becomeRoot waits until the ID maps are written and executes the program again, which makes it root
// in the namespace: the first execve cleared the capabilities because no IDs were mapped yet.
func becomeRoot(pipe string) error {
	fd, err := strconv.Atoi(pipe)
	if err != nil {
		return err
	}
	if err := waitForMaps(fd); err != nil {
		return err
	}
	if err := os.Setenv(stageVariable, mapped); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}

// waitForMaps waits until the parent process has written the maps.
func waitForMaps(fd int) error {
	if fd < 3 {
		return fmt.Errorf("descriptor %d is not the pipe that the parent process opened", fd)
	}
	f := os.NewFile(uintptr(fd), "pipe")
	defer func() { _ = f.Close() }()
	if n, err := f.Read(make([]byte, 1)); n != 1 {
		return fmt.Errorf("the parent process did not map the IDs of the user namespace: %w", err)
	}
	return nil
}
