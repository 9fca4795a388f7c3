package runtimedir

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestFind: without XDG_RUNTIME_DIR the directory of a login is used, or a private one. A
// link, or a directory in which others may write, is not.
func TestFind(t *testing.T) {
	uid := os.Geteuid()
	users, tmp := t.TempDir(), t.TempDir()
	private := filepath.Join(tmp, "minirun-"+strconv.Itoa(uid))
	if got := find(users, tmp, uid); got != private {
		t.Errorf("without a login: %q", got)
	}
	if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Chmod(private, 0o770); err != nil {
		t.Fatal(err)
	}
	if got := find(users, tmp, uid); got != "" {
		t.Errorf("others may write: %q", got)
	}
	if err := os.Remove(private); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(users, private); err != nil {
		t.Fatal(err)
	}
	if got := find(users, tmp, uid); got != "" {
		t.Errorf("a link: %q", got)
	}
	if got := find(users, tmp, uid+1); got != "" {
		t.Errorf("another user: %q", got)
	}
	login := filepath.Join(users, strconv.Itoa(uid))
	if err := os.Mkdir(login, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := find(users, tmp, uid); got != login {
		t.Errorf("with a login: %q", got)
	}
}
