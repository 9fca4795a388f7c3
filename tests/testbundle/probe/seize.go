package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// This file is the spy with CAP_SYS_PTRACE, which may trace any process of its PID namespace,
// whatever capabilities that process has. It stops each process that enters the namespace as early as
// possible, and prints what it would gain by taking over the process.

// seize traces the processes that appear until the file stop exists. It prints "ready", a line for
// each kind of process that it has stopped, and how many it has stopped during the set-up, before
// their execve. With hold it keeps the first of these stopped, until it is killed.
func seize(stop string, hold bool) {
	said := map[string]bool{}
	inSetUp := 0
	fmt.Println("ready")
	next := newestProcess() + 1
	for tries := 0; ; tries++ {
		if tries%1000 == 0 && stopped(stop) {
			break
		}
		if tries%100_000 == 0 {
			next = max(next, newestProcess()+1) // numbers may be skipped
		}
		// PIDs are allocated sequentially.
		for pid := next; pid < next+3; pid++ {
			err := unix.PtraceSeize(pid)
			if err == unix.ESRCH {
				continue
			}
			next = pid + 1
			if err != nil {
				break
			}
			text, early := look(pid, hold)
			if early && hold {
				fmt.Println("holding")
				time.Sleep(time.Hour)
			}
			if early {
				inSetUp++
			}
			if text != "" && !said[text] {
				said[text] = true
				fmt.Println(text)
			}
			break
		}
	}
	fmt.Println("stopped in the set-up:", inSetUp)
}

func stopped(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

func newestProcess() (newest int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			tasks, _ := os.ReadDir("/proc/" + e.Name() + "/task")
			newest = max(newest, n)
			for _, t := range tasks {
				newest = max(newest, number(t.Name()))
			}
		}
	}
	return newest
}

// look stops a traced process, describes it, and resumes it, unless hold is set. It reports whether
// the process was still in its set-up.
func look(pid int, hold bool) (text string, early bool) {
	if unix.PtraceInterrupt(pid) != nil {
		return "", false
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil || !status.Stopped() {
		return "", false
	}
	defer func() {
		if !early || !hold {
			_ = unix.PtraceDetach(pid)
		}
	}()
	dir := "/proc/" + strconv.Itoa(pid)
	exe, _ := os.Readlink(dir + "/exe")
	early = strings.HasPrefix(exe, "/memfd:minirun-plan")
	if !early {
		return "", false // its program, or a process that it has started
	}
	return "in the set-up: " + strings.Join(append(identity(dir), foreign(dir)...), " "), early
}

// identity returns what the process may do, from /proc/PID/status.
func identity(dir string) (out []string) {
	text, _ := os.ReadFile(dir + "/status")
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Seccomp", "NoNewPrivs":
			out = append(out, name+"="+strings.Join(strings.Fields(value), ","))
		}
	}
	return out
}

// foreign returns what the process has and this process does not: a different root, and descriptors
// above the standard ones, described by their targets.
func foreign(dir string) (out []string) {
	if !sameFile(dir+"/root", "/") {
		out = append(out, "another root")
	}
	entries, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return append(out, "no look at its descriptors: "+err.Error())
	}
	for _, e := range entries {
		if number(e.Name()) < 3 {
			continue
		}
		link, _ := os.Readlink(dir + "/fd/" + e.Name())
		switch {
		case strings.HasPrefix(link, "socket:"):
			out = append(out, "fd=socket")
		case sameFile(dir+"/fd/"+e.Name(), dir+"/root"):
			out = append(out, "fd=root") // the working directory of the tests
		default:
			out = append(out, "fd="+link)
		}
	}
	return out
}

func sameFile(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}
