package bootstrap

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// monitorSlack is how late the Go runtime's monitor thread may wake, in nanoseconds:
// long compared with the start of a container, short compared with the ten
// milliseconds that the monitor sleeps when it has nothing to do.
const monitorSlack = "2000000"

var ownSlack int // this process's own timer slack, in nanoseconds; 0: not changed

// QuietMonitor slows down the Go runtime's monitor thread. It sleeps 20 µs at a time
// to see whether other threads hang: in a virtual machine each wake-up costs an exit
// to the hypervisor to set the timer and two switches of threads, a tenth of the time
// that a container takes to start. A larger timer slack (PR_SET_TIMERSLACK(2const))
// makes it wake every two milliseconds instead.
//
// This only saves time: if it fails, without CAP_SYS_NICE or because the monitor is
// not where it is expected, nothing is lost.
func QuietMonitor() {
	// The monitor is the first thread that the runtime starts.
	tid := strconv.Itoa(os.Getpid() + 1)
	if unix.Access("/proc/self/task/"+tid, unix.F_OK) != nil {
		return // the number of another process
	}
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return
	}
	fd, err := unix.Open("/proc/"+tid+"/timerslack_ns", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	if _, err := unix.Write(fd, []byte(monitorSlack)); err == nil {
		ownSlack = slack
	}
	_ = unix.Close(fd)
}

// KeepSlack gives the calling thread this process's own timer slack, which a new
// process inherits: a thread that was started by the monitor has the monitor's.
func KeepSlack() {
	if ownSlack > 0 {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(ownSlack), 0, 0, 0)
	}
}
