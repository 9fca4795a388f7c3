package testbundle

import (
	"os"
	"path/filepath"
	"testing"
)

const busybox = "/bin/busybox"

// applets lists the commands of the root file system.
var applets = []string{
	"[", "awk", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "echo", "env", "expr", "false",
	"find", "grep", "head", "hostname", "id", "ifconfig", "ip", "kill", "ln", "ls", "mkdir", "mkfifo", "mknod", "mount", "mv", "nc",
	"nice", "od", "ps", "pwd", "readlink", "renice", "rm", "rmdir", "sed", "seq", "sh", "sleep", "sort", "stat", "stty", "tail", "test",
	"touch", "tr", "true", "tty", "umount", "uname", "uniq", "unshare", "wc", "which", "xargs",
}

// MakeRootfs creates a busybox root file system in dir. The program is a hard link: a container that
// could write to it would change the others' too, so tests that attempt this use a separate copy.
func MakeRootfs(t testing.TB, dir string) {
	t.Helper()
	for _, d := range []string{"bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "home/user", "mnt", "opt"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "tmp"), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	copyOnce(t, busybox, filepath.Join(dir, "bin/busybox"))
	copyOnce(t, Probe, filepath.Join(dir, "bin/probe"))
	for _, a := range applets {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", a)); err != nil {
			t.Fatal(err)
		}
	}
	passwd := "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"
	if err := os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte(passwd), 0o644); err != nil {
		t.Fatal(err)
	}
}

// copyOnce links to a copy of a program, which is created at the first use.
func copyOnce(t testing.TB, from, to string) {
	t.Helper()
	master := Shared(t, filepath.Base(from), func(path string) { CopyFile(t, from, path, 0o755) })
	if err := os.Link(master, to); err != nil {
		t.Fatal(err)
	}
}

// CopyFile copies a regular file.
func CopyFile(t testing.TB, from, to string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
