// The attributes that the process itself received: arguments, environment, directories, descriptors, signals,
// process IDs.
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// descriptors reports every open descriptor: its target, its open flags and whether it would close on
// exec. Two descriptors of one pipe show the same number, so the harness can see that stdout and
// stderr are the same pipe.
func (r report) descriptors() {
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		r.set("fd", outcome(err))
		return
	}
	names, _ := listFd(dir)
	unix.Close(dir)
	var open []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n != dir {
			open = append(open, n)
		}
	}
	sort.Ints(open)
	var list []string
	for _, n := range open {
		list = append(list, strconv.Itoa(n))
		key := fmt.Sprintf("fd.%d", n)
		r.set(key+".target", readlink(fmt.Sprintf("/proc/self/fd/%d", n)))
		info, err := readFile(fmt.Sprintf("/proc/self/fdinfo/%d", n))
		if err != nil {
			r.set(key+".flags", outcome(err))
			continue
		}
		for _, line := range strings.Split(info, "\n") {
			if flags, ok := strings.CutPrefix(line, "flags:\t"); ok {
				r.set(key+".flags", flags)
			}
		}
		var st unix.Stat_t
		if unix.Fstat(n, &st) == nil {
			r.set(key+".owner", fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode))
		}
	}
	r.set("fd.open", strings.Join(list, " "))
}

func (r report) process() {
	r.set("argv", strings.Join(quoteAll(os.Args), " "))
	var order []string
	for _, entry := range environ() {
		name, value, _ := strings.Cut(entry, "=")
		order = append(order, name)
		if _, twice := r["env."+name]; twice {
			name += "#2"
		}
		r.set("env."+name, strconv.Quote(value))
	}
	r.set("env.order", strings.Join(order, " "))

	cwd := make([]byte, unix.PathMax)
	if n, err := unix.Getcwd(cwd); err != nil {
		r.set("cwd", outcome(err))
	} else {
		r.set("cwd", string(cwd[:n-1]))
	}
	mask := unix.Umask(0)
	unix.Umask(mask)
	r.set("umask", fmt.Sprintf("%04o", mask))

	pid := unix.Getpid()
	pgid, _ := unix.Getpgid(0)
	sid, _ := unix.Getsid(0)
	r.set("process.ppid", relative(unix.Getppid(), pid))
	r.set("process.group", relative(pgid, pid))
	r.set("process.session", relative(sid, pid))
	r.set("process.is1", pid == 1)

	for resource, name := range rlimitNames {
		var limit unix.Rlimit
		if err := unix.Getrlimit(resource, &limit); err != nil {
			r.set("rlimit."+name, outcome(err))
			continue
		}
		soft, hard := limit.Cur, limit.Max
		if name == "NOFILE" && earlyNofile != [2]uint64{} {
			soft, hard = earlyNofile[0], earlyNofile[1] // package os has raised the soft limit since
		}
		r.set("rlimit."+name, limitWord(soft)+" "+limitWord(hard))
	}
}

var rlimitNames = map[int]string{
	unix.RLIMIT_AS: "AS", unix.RLIMIT_CORE: "CORE", unix.RLIMIT_CPU: "CPU", unix.RLIMIT_DATA: "DATA", unix.RLIMIT_FSIZE: "FSIZE",
	unix.RLIMIT_LOCKS: "LOCKS", unix.RLIMIT_MEMLOCK: "MEMLOCK", unix.RLIMIT_MSGQUEUE: "MSGQUEUE", unix.RLIMIT_NICE: "NICE",
	unix.RLIMIT_NOFILE: "NOFILE", unix.RLIMIT_NPROC: "NPROC", unix.RLIMIT_RSS: "RSS", unix.RLIMIT_RTPRIO: "RTPRIO",
	unix.RLIMIT_RTTIME: "RTTIME", unix.RLIMIT_SIGPENDING: "SIGPENDING", unix.RLIMIT_STACK: "STACK",
}

func limitWord(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// relative makes a process ID comparable between runs.
func relative(n, pid int) string {
	switch n {
	case 0:
		return "0"
	case pid:
		return "self"
	default:
		return "other"
	}
}

// environ returns the environment exactly as passed by the kernel; os.Environ would drop malformed
// entries and duplicates.
func environ() []string {
	text, err := readFile("/proc/self/environ")
	if err != nil || text == "" {
		return os.Environ()
	}
	return strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
}

func quoteAll(words []string) []string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return quoted
}

func readlink(path string) string {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlink(path, buffer)
	if err != nil {
		return outcome(err)
	}
	return string(buffer[:n])
}

// resetSignal restores the default action of a signal: Go's runtime has installed a handler.
func resetSignal(sig syscall.Signal) {
	var action struct{ handler, flags, restorer, mask uintptr }
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}
