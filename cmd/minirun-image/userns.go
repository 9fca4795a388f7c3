package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/termtext"
)

// madeNamespace is set if this program created the user namespace that it is in.
var madeNamespace bool

// inUserNamespace executes this program again as root of a user namespace with the unprivileged
// user's ID ranges, so that files can have the owners that the layers specify. It does nothing for
// root.
func inUserNamespace() (status int, done bool) {
	const inside, through = "MINIRUN_IMAGE_GATE", "through"
	if gate := os.Getenv(inside); gate == through {
		madeNamespace = true
		if err := os.Unsetenv(inside); err != nil {
			return failed(err), true
		}
	} else if gate != "" {
		if err := waitAtGate(gate); err != nil {
			return failed(err), true
		}
		// Execute again: execve cleared the capabilities because no IDs were mapped yet. As root,
		// another execve restores them.
		if err := os.Setenv(inside, through); err != nil {
			return failed(err), true
		}
		return failed(syscall.Exec("/proc/self/exe", os.Args, os.Environ())), true
	}
	if os.Geteuid() == 0 {
		return 0, false
	}
	r, w, err := os.Pipe()
	if err != nil {
		return failed(err), true
	}
	uids, gids := namespaces.Ranges()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, []*os.File{r}
	cmd.Env = append(os.Environ(), inside+"=3", "XDG_DATA_HOME="+filepath.Dir(image.DefaultDir()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return failed(fmt.Errorf("cannot create a user namespace: %w\nhint: run minirun doctor to find the cause", err)), true
	}
	_ = r.Close()
	if err := namespaces.WriteMaps(cmd.Process.Pid, uids, gids, true); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return failed(err), true
	}
	_, _ = w.Write([]byte{1})
	_ = w.Close()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return failed(err), true
	}
	return max(cmd.ProcessState.ExitCode(), 0), true
}

func failed(err error) int {
	termtext.Fprintf(os.Stderr, "minirun: %v\n", termtext.Multiline(err.Error()))
	return 1
}

// waitAtGate waits until the maps are written, then becomes root in the namespace.
func waitAtGate(gate string) error {
	fd, err := strconv.Atoi(gate)
	if err != nil {
		return err
	}
	if fd < 3 {
		return fmt.Errorf("descriptor %d is not the pipe that the parent process opened", fd)
	}
	f := os.NewFile(uintptr(fd), "gate")
	defer func() { _ = f.Close() }()
	if n, err := f.Read(make([]byte, 1)); n != 1 {
		return fmt.Errorf("the parent process did not map the IDs of the user namespace: %w", err)
	}
	return nil
}
