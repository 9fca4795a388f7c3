package container

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/namespaces"
)

// DefaultRoot is the state directory if --root is not given. Root of a whole system in
// a user namespace, which identifies itself as such, is not the user of a rootless
// engine.
func DefaultRoot() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	switch {
	case dir != "" && (hostfacts.IsRootless() || namespaces.InUserNamespace() && os.Getenv("USER") != "root"):
	case hostfacts.IsRootless():
		dir = findRuntimeDir("/run/user", "/tmp", os.Geteuid())
	default:
		dir = ""
	}
	if dir == "" {
		return "/run/minirun"
	}
	return filepath.Join(dir, "minirun")
}

// findRuntimeDir replaces XDG_RUNTIME_DIR, which su and sudo do not set: it returns the directory that
// a login has created, or a private one in tmp. If another user has created that one, as an attack or
// by mistake, it returns "".
func findRuntimeDir(users, tmp string, uid int) string {
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
