// Package runtimedir finds a directory for the state of a user's programs where XDG_RUNTIME_DIR is not
// set.
package runtimedir

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Find replaces XDG_RUNTIME_DIR, which su and sudo do not set: it returns the directory that a login
// has created, or a private one in /tmp. If another user has created that one, as an attack or by
// mistake, it returns "".
func Find() string { return find("/run/user", "/tmp", os.Geteuid()) }

func find(users, tmp string, uid int) string {
	if dir := filepath.Join(users, strconv.Itoa(uid)); isPrivate(dir, uid) {
		return dir
	}
	dir := filepath.Join(tmp, "minirun-"+strconv.Itoa(uid))
	_ = unix.Mkdir(dir, 0o700) // it usually exists; the check follows
	if isPrivate(dir, uid) {
		return dir
	}
	return ""
}

// isPrivate reports whether only this user can change what is in a directory.
func isPrivate(dir string, uid int) bool {
	var st unix.Stat_t
	err := unix.Lstat(dir, &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && int(st.Uid) == uid && st.Mode&0o022 == 0
}
