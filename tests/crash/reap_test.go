package crash

import (
	"errors"
	"os/exec"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This process is the subreaper for everything that a killed minirun leaves, like a host's init or an
// engine's shim. It has to reap as they do: the first process of a PID namespace ends only after all
// other processes in it have been reaped, and a process that exec has put there is a child from
// outside.

// commands holds the tests' own commands, which the tests wait for.
var commands = struct {
	sync.Mutex
	pids map[int]bool
}{pids: map[int]bool{}}

// finish runs a command to its end, and reaps other processes that end at the same time. A command
// that hangs is killed.
func finish(cmd *exec.Cmd) error { return finishWithin(cmd, hangLimit) }

// finishWithin does the same with a different time limit.
func finishWithin(cmd *exec.Cmd, limit time.Duration) error {
	commands.Lock()
	err := cmd.Start()
	if err != nil {
		commands.Unlock()
		return err
	}
	pid := cmd.Process.Pid
	commands.pids[pid] = true
	commands.Unlock()
	timer := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for wait := 5 * time.Millisecond; ; { // most commands exit before
			select {
			case <-done:
				return
			case <-time.After(wait):
				reap()
			}
		}
	}()
	_ = cmd.Wait() // its status is in cmd
	close(done)
	<-stopped
	commands.Lock()
	delete(commands.pids, pid)
	commands.Unlock()
	return nil
}

// reap waits for ended processes whose parent was minirun. No process may be traced at that time.
func reap() {
	commands.Lock()
	defer commands.Unlock()
	for {
		pid, err := ending()
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid == 0 || commands.pids[pid] {
			return // none, or one that a test is about to wait for
		}
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

// ending returns a child that is ready to be reaped, or 0 if there is none.
func ending() (int, error) {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || info.Signo == 0 {
		return 0, err
	}
	return int(childOf(&info)), nil
}

// childOf reads si_pid, which follows signo, errno, code and padding in siginfo_t on 64-bit machines.
func childOf(info *unix.Siginfo) int32 {
	return *(*int32)(unsafe.Add(unsafe.Pointer(info), 16))
}
