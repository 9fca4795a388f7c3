// Command probe is the program that tests/compare runs as the container's process. It reports its
// environment as one JSON object of strings on one line of standard output, then waits for a byte (or
// end of file) on standard input so that the harness can examine it from outside, and exits with the
// requested status.
//
//	probe                  report; /probe.json lists what to examine in addition (type Config below)
//	probe hook KIND FILE   append a record of this hook call to FILE (hook.go)
//	probe pause            print a line and wait for end of file on standard input: keeps namespaces for other tests
//	probe exit N|sigN      end at once with status N or by signal N
//
// It must not disturb what it measures: it opens files with plain open(2) (an os.File would add an
// epoll descriptor), closes each file before it opens the next, reads values that Go's runtime
// changes before that runtime starts (entry_amd64.s), and prevents the runtime from keeping cgroup
// files open (the go:debug lines below). Numbers that differ from run to run are omitted here or made
// relative; the harness normalises the rest (names of pipes, of directories).
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Config is /probe.json: the items that a case reports in addition to those that every case reports.
type Config struct {
	Masked   []string `json:"masked"`   // paths whose readability and content length are reported
	ReadOnly []string `json:"readonly"` // paths that are opened (never written) for writing
	Stat     []string `json:"stat"`     // further paths to stat
	Read     []string `json:"read"`     // files whose contents are reported
	Sysctls  []string `json:"sysctls"`  // dotted names below /proc/sys
	Calls    []string `json:"calls"`    // system calls to try, see privileges.go
	NoHold   bool     `json:"nohold"`   // do not wait on standard input
	Exit     int      `json:"exit"`     // exit status
	WaitSize bool     `json:"waitsize"` // wait a second for the terminal's size: a runtime may set it after the start
	Out      string   `json:"out"`      // write the report here instead of standard output
	Devices  []string `json:"devices"`  // network devices
}

// report collects the findings, one string per dotted name.
type report map[string]string

func (r report) set(name string, value any) { r[name] = fmt.Sprint(value) }

// /proc/self refers to the first thread, so everything else must refer to it too.
func init() { runtime.LockOSThread() }

func main() {
	runtime.LockOSThread() // the main thread: values of "this thread" must be those of the process's first thread
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "hook":
			hook(os.Args[2], os.Args[3])
			return
		case "pause":
			pause()
			return
		case "exit":
			exitAs(os.Args[2])
		}
	}
	var config Config
	if text, err := readFile("/probe.json"); err == nil {
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			fail("probe.json", err)
		}
	}
	r := report{}
	// Descriptors first: no file has been opened yet.
	r.descriptors()
	r.process()
	r.privileges()
	r.kernelFiles()
	r.scheduling()
	if config.WaitSize {
		waitForSize()
	}
	r.terminal()
	r.namespaces()
	r.identity()
	r.networkDevices(config.Devices)
	r.mounts()
	r.devices()
	r.paths(config)
	r.calls(config.Calls)

	line, err := json.Marshal(r)
	if err != nil {
		fail("report", err)
	}
	out := 1
	if config.Out != "" {
		if out, err = unix.Open(config.Out, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o644); err != nil {
			fail(config.Out, err)
		}
	}
	writeAll(out, append(line, '\n'))
	if !config.NoHold {
		waitForRelease()
	}
	os.Exit(config.Exit)
}

// pause keeps this process's namespaces: the harness starts it with clone flags and joins
// /proc/PID/ns/*.
func pause() {
	writeAll(1, []byte("ready\n"))
	waitForRelease()
}

func waitForRelease() {
	var b [1]byte
	for {
		if _, err := unix.Read(0, b[:]); err != unix.EINTR {
			return
		}
	}
}

func exitAs(how string) {
	if name, ok := strings.CutPrefix(how, "sig"); ok {
		n, err := strconv.Atoi(name)
		if err != nil {
			fail(how, err)
		}
		// As PID 1 of a PID namespace a process cannot kill itself with a signal; the harness then
		// sees status 99.
		if n != int(unix.SIGKILL) {
			resetSignal(syscall.Signal(n))
		}
		unix.Kill(unix.Getpid(), syscall.Signal(n))
		os.Exit(99)
	}
	n, err := strconv.Atoi(how)
	if err != nil {
		fail(how, err)
	}
	os.Exit(n)
}

func fail(what string, err error) {
	writeAll(2, []byte("probe: "+what+": "+err.Error()+"\n"))
	os.Exit(111)
}

func writeAll(fd int, b []byte) {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			os.Exit(112)
		}
		b = b[n:]
	}
}

// readFile is os.ReadFile without the poller, limited to 1 MiB.
func readFile(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var all []byte
	buffer := make([]byte, 64<<10)
	for len(all) < 1<<20 {
		n, err := unix.Read(fd, buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", err
		}
		if n == 0 {
			break
		}
		all = append(all, buffer[:n]...)
	}
	return string(all), nil
}

// listDir returns the names in a directory in the order of the kernel, without an os.File.
func listDir(path string) ([]string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return listFd(fd)
}

func listFd(fd int) ([]string, error) {
	var names []string
	buffer := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(fd, buffer)
		if err != nil {
			return names, err
		}
		if n <= 0 {
			return names, nil
		}
		_, _, names = unix.ParseDirent(buffer[:n], -1, names)
	}
}

// outcome returns the name of an errno, or ok.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if errno, ok := err.(syscall.Errno); ok {
		if name := unix.ErrnoName(errno); name != "" {
			return name
		}
	}
	return err.Error()
}
