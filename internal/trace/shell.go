package trace

// This file runs a shell where the stopped process is.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/stdio"
)

// nsenterCommand returns the nsenter(1) command line for the namespaces that differ from ours.
func nsenterCommand(pid int) []string {
	words := []string{"nsenter", "--target", strconv.Itoa(pid)}
	own, its := inspect.ReadFacts(os.Getpid()).Namespaces, inspect.ReadFacts(pid).Namespaces
	for _, n := range [][2]string{{"user", "--user"}, {"mnt", "--mount"}, {"uts", "--uts"}, {"ipc", "--ipc"},
		{"net", "--net"}, {"pid", "--pid"}, {"cgroup", "--cgroup"}, {"time", "--time"}} {
		if its[n[0]] != "" && its[n[0]] != own[n[0]] {
			words = append(words, n[1])
		}
	}
	return append(words, "--root", "--wd")
}

// shell runs a program in the process's namespaces and root, as far as they exist
// already. It uses this process's terminal. The error is set if a signal asks minirun
// to exit.
func (d *Debugger) shell(at observer.Stop, command []string) error {
	words := nsenterCommand(at.Pid)
	if len(command) == 0 {
		words = append(words, "sh")
	} else {
		words = append(words, "sh", "-c", strings.Join(command, " "))
	}
	cmd := exec.Command(words[0], words[1:]...)
	// The shell may be the container's, which must not see the caller's variables.
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/",
		"TERM=" + os.Getenv("TERM")}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = d.in, os.Stdout, os.Stderr
	if !d.keys {
		cmd.Stdin = nil // the commands that follow are not for it
	}
	pidfd := -1
	cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd}
	err := cmd.Start()
	if err == nil {
		defer func() { _ = unix.Close(pidfd) }()
		if err := d.awaitShell(at, pidfd); err != nil {
			if !slices.Contains(words, "--pid") {
				_ = cmd.Process.Kill()
			} // else it exits with the PID namespace, and nsenter with it
			return err
		}
		err = cmd.Wait()
		if d.keys {
			// A shell with job control cannot, if it does not see this process's job from
			// its PID namespace.
			stdio.Descriptor(d.in.Fd()).TakeForeground()
		}
	}
	var exited *exec.ExitError
	if err != nil && !(len(command) == 0 && errors.As(err, &exited) && exited.Exited()) { // not the last command's status
		fmt.Fprintf(d.w, "%s: %v\n", strings.Join(words, " "), err)
	}
	return nil
}

// awaitShell waits for the exit of a program that shell runs. The terminal sends ^C
// and ^\ to both minirun and the program, and they are intended for the program.
func (d *Debugger) awaitShell(at observer.Stop, pidfd int) error {
	for {
		err := at.Wait(pidfd)
		var by *wait.Interrupted
		if !d.keys || !errors.As(err, &by) || by.Signal != unix.SIGINT && by.Signal != unix.SIGQUIT {
			return err
		}
	}
}
