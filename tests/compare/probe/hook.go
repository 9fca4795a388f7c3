// The probe as a hook: one JSON line per call, appended to a file, so the file's order is the order of the calls.
package main

import (
	"encoding/json"

	"golang.org/x/sys/unix"
)

func hook(kind, file string) {
	r := report{}
	r.descriptors()
	r.process()
	r.privileges()
	r.namespaces()
	r.set("hook.kind", kind)
	r.set("uts.nodename", hostname())
	// The container's state is on standard input, then end of file.
	state, err := readAllStdin()
	r.set("hook.state", state)
	r.set("hook.stdin", outcome(err))
	var st unix.Stat_t
	r.set("hook.sees.probe", statWord("/probe", &st))
	r.set("hook.sees.dev.null", statWord("/dev/null", &st))
	line, err := json.Marshal(r)
	if err != nil {
		fail("hook", err)
	}
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC, 0o644)
	if err != nil {
		fail(file, err)
	}
	writeAll(fd, append(line, '\n'))
}

func hostname() string {
	var name unix.Utsname
	unix.Uname(&name)
	return unix.ByteSliceToString(name.Nodename[:])
}

func readAllStdin() (string, error) {
	var all []byte
	buffer := make([]byte, 8192)
	for {
		n, err := unix.Read(0, buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return string(all), err
		}
		all = append(all, buffer[:n]...)
	}
}
