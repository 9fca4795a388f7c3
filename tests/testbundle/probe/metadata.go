package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// metadata tries to change the mode, owner, times and extended attributes of every mount root that
// has a path, of the standard descriptors, and of the given paths. It prints a line for each: device
// and inode number, the path, and the result of each attempt.
func metadata(paths []string) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		fatal(err.Error())
	}
	for line := range strings.Lines(string(table)) {
		paths = append(paths, strings.Fields(line)[4])
	}
	seen := map[string]bool{}
	for _, path := range append(paths, "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2") {
		if !seen[path] {
			seen[path] = true
			changeMetadata(path)
		}
	}
}

func changeMetadata(path string) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		fmt.Println("0:0", path, "stat="+name(err))
		return
	}
	// Again through an O_PATH descriptor, which refers to the inode without its path.
	through := path
	if fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		defer unix.Close(fd)
		through = "/proc/self/fd/" + strconv.Itoa(fd)
	}
	said := []string{fmt.Sprintf("%d:%d", st.Dev, st.Ino), path}
	past := []unix.Timespec{{Sec: 12345}, {Sec: 12345}}
	for _, try := range []struct {
		name string
		do   func(path string) error
	}{
		{"utimensat", func(p string) error { return unix.UtimesNanoAt(unix.AT_FDCWD, p, past, 0) }},
		{"setxattr-user", func(p string) error { return unix.Setxattr(p, "user.minirun", []byte("x"), 0) }},
		{"setxattr-trusted", func(p string) error { return unix.Setxattr(p, "trusted.minirun", []byte("x"), 0) }},
		{"setxattr-security", func(p string) error { return unix.Setxattr(p, "security.minirun", []byte("x"), 0) }},
		{"chmod", func(p string) error { return unix.Chmod(p, (st.Mode&0o7777)^0o011) }},
		{"chown", func(p string) error { return unix.Chown(p, 4321, 4321) }},
	} {
		err := try.do(path)
		if err != nil {
			err = try.do(through)
		}
		said = append(said, try.name+"="+name(err))
	}
	fmt.Println(strings.Join(said, " "))
}
