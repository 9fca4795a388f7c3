package security

import (
	"errors"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// A probe makes one system call, as process 1 of a trial, and its exit status is the call's errno. It is
// this program itself, mounted in place of the container's busybox: what a program of the learner's prints
// about a call would prove nothing.

// probeCommand is the first argument of a probe, before the number of the call.
const probeCommand = "probe-system-call"

// probeStatus is the exit status of a probe whose call succeeded. The errno is added to it, so that it
// differs from the exit statuses of runtimes.
const probeStatus = 64

// RunProbe makes the system call and exits if these are the arguments of a probe. All arguments of the call
// are -1: it fails, and changes nothing, unless a seccomp filter answers before.
func RunProbe(args []string) {
	if len(args) != 3 || args[1] != probeCommand {
		return
	}
	number, err := strconv.Atoi(args[2])
	if err != nil {
		os.Exit(2)
	}
	const none = ^uintptr(0)
	_, _, errno := unix.RawSyscall6(uintptr(number), none, none, none, none, none, none)
	os.Exit(probeStatus + int(errno))
}

// probeResult returns the errno that an exit status of a probe means.
func probeResult(status int) (errno unix.Errno, ok bool) {
	const largest = 133 // EHWPOISON
	if status < probeStatus || status > probeStatus+largest {
		return 0, false
	}
	return unix.Errno(status - probeStatus), true
}

// probeHere makes the call in a process without the container's filter.
func probeHere(number int) (unix.Errno, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	err = exec.Command(program, probeCommand, strconv.Itoa(number)).Run()
	var exited *exec.ExitError
	if !errors.As(err, &exited) {
		return 0, errors.Join(errors.New("the probe of a system call did not run"), err)
	}
	errno, ok := probeResult(exited.ExitCode())
	if !ok {
		return 0, err
	}
	return errno, nil
}
