// The visible state of the file system: the mount table, /dev, and the paths that a case asks about.
package main

import (
	"fmt"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// mounts reports the whole of /proc/self/mountinfo; the harness parses and normalises it (fields_test.go there).
func (r report) mounts() {
	text, err := readFile("/proc/self/mountinfo")
	if err != nil {
		text = outcome(err)
	}
	r.set("mountinfo", text)
	var st unix.Stat_t
	for _, path := range []string{"/", "/dev", "/proc", "/sys", "/tmp", "/dev/console", "/dev/null", "/dev/ptmx", "/dev/pts/0", "/dev/shm", "/dev/mqueue", "/.oldroot", "/.pivot_root"} {
		r.set("stat."+path, statWord(path, &st))
		var fs unix.Statfs_t
		if err := unix.Statfs(path, &fs); err == nil {
			r.set("statfs."+path, fmt.Sprintf("type %#x flags %#x", fs.Type, fs.Flags))
		}
	}
	// "/.." leads back to "/" unless the root was changed by chroot alone and can be escaped.
	var parent unix.Stat_t
	unix.Stat("/", &st)
	unix.Stat("/..", &parent)
	r.set("root.dotdot", st.Ino == parent.Ino && st.Dev == parent.Dev)
	names, _ := listDir("/")
	sort.Strings(names)
	r.set("root.entries", strings.Join(names, " "))
}

func statWord(path string, st *unix.Stat_t) string {
	if err := unix.Lstat(path, st); err != nil {
		return outcome(err)
	}
	word := fmt.Sprintf("%s %04o %d:%d", kind(st.Mode), st.Mode&0o7777, st.Uid, st.Gid)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		word += fmt.Sprintf(" dev %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	case unix.S_IFLNK:
		word += " -> " + readlink(path)
	}
	return word
}

func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "dir"
	case unix.S_IFLNK:
		return "link"
	case unix.S_IFCHR:
		return "char"
	case unix.S_IFBLK:
		return "block"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "?"
}

// devices lists /dev and its subdirectories, and tries to open each device for reading, to test the
// device cgroup.
func (r report) devices() { r.deviceDir("/dev", 0) }

func (r report) deviceDir(dir string, depth int) {
	names, err := listDir(dir)
	if err != nil {
		r.set("dev."+dir, outcome(err))
		return
	}
	if len(names) > 60 {
		r.set("dev."+dir, "more than 60 entries: the host's own")
		return
	}
	sort.Strings(names)
	for _, name := range names {
		path := dir + "/" + name
		var st unix.Stat_t
		word := statWord(path, &st)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			if depth < 2 {
				r.deviceDir(path, depth+1)
			}
		case unix.S_IFCHR, unix.S_IFBLK:
			if name != "tty" && name != "console" && name != "ptmx" && !strings.HasPrefix(path, "/dev/pts/") {
				fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
				word += " open " + outcome(err)
				if err == nil {
					unix.Close(fd)
				}
			}
		}
		r.set("dev."+path, word)
	}
}

func (r report) paths(config Config) {
	var st unix.Stat_t
	for _, path := range config.Stat {
		r.set("path."+path, statWord(path, &st))
	}
	for _, path := range config.Masked {
		word := statWord(path, &st)
		if text, err := readFile(path); err == unix.EISDIR {
			names, err := listDir(path)
			word += fmt.Sprintf(" entries %d %s", len(names), outcome(err))
		} else {
			word += fmt.Sprintf(" empty %v %s", len(text) == 0, outcome(err))
		}
		r.set("masked."+path, word)
	}
	for _, path := range config.ReadOnly {
		r.set("readonly."+path, tryWrite(path))
	}
	for _, path := range config.Read {
		text, err := readFile(path)
		r.set("read."+path, fmt.Sprintf("%q %s", text, outcome(err)))
	}
	for _, name := range config.Sysctls {
		text, err := readFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
		r.set("sysctl."+name, strings.Join(strings.Fields(text), " ")+" "+outcome(err))
	}
}

// tryWrite opens a file for writing without writing, or creates and removes a file in a directory.
func tryWrite(path string) string {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return outcome(err)
	}
	target, flags := path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if isDir {
		target, flags = path+"/.probe-write", flags|unix.O_CREAT|unix.O_EXCL
	}
	fd, err := unix.Open(target, flags, 0o600)
	if err != nil {
		return outcome(err)
	}
	unix.Close(fd)
	if isDir {
		unix.Unlink(target)
	}
	return "ok"
}
