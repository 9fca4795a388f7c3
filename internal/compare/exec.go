package compare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// traceExec traces a process, calls start to let it continue, calls examine while it is
// stopped at the end of its execve (ptrace(2), PTRACE_EVENT_EXEC), and kills it. The
// process may have threads, of which any may be the one that calls execve. It is also
// killed when the context ends.
func traceExec(ctx context.Context, pid int, start func() error, examine func()) error {
	// All ptrace requests must come from one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, _ := strconv.Atoi(task.Name())
		if err := seize(tid); err != nil {
			return fmt.Errorf("cannot trace process %d: %w\nhint: sysctl kernel.yama.ptrace_scope=1, or run as root",
				tid, err)
		}
	}
	started := make(chan struct{})
	var failed error
	go func() {
		failed = start()
		close(started)
	}()
	defer func() { _ = unix.Kill(pid, unix.SIGKILL) }()
	defer context.AfterFunc(ctx, func() { _ = unix.Kill(pid, unix.SIGKILL) })()
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ECHILD) {
			<-started
			return errors.Join(errors.New("the container exited before it executed its program"), failed)
		}
		if err != nil {
			return err
		}
		if !status.Stopped() {
			continue
		}
		if tid == pid && int(status)>>8 == int(unix.SIGTRAP)|unix.PTRACE_EVENT_EXEC<<8 {
			examine()
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				return err
			}
			_, _ = unix.Wait4(pid, &status, unix.WALL, nil)
			<-started // it may complain that the container no longer exists
			return nil
		}
		signal := 0
		if int(status)>>16 == 0 && status.StopSignal() != unix.SIGTRAP {
			signal = int(status.StopSignal())
		}
		_ = unix.PtraceCont(tid, signal)
	}
}

// seize attaches to a thread without stopping it.
func seize(tid int) error {
	const options = unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACECLONE
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, options, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
