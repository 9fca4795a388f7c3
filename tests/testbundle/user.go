package testbundle

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Unprivileged is an unprivileged user with ranges of IDs in /etc/subuid, and minirun in a directory
// that belongs to the user.
type Unprivileged struct {
	Home         string
	name, groups string
}

// NewUnprivileged skips the test if there is no such user.
func NewUnprivileged(t testing.TB) *Unprivileged {
	t.Helper()
	Need(t)
	if _, err := exec.LookPath("newuidmap"); err != nil {
		t.Skip("needs newuidmap of Debian's package uidmap")
	}
	name, uid := SubordinateUser(t)
	return newUnprivileged(t, name, uid, "--init-groups")
}

// NewSingleID returns an unprivileged user that has only one ID: the ID is not in any file of the
// host.
func NewSingleID(t testing.TB) *Unprivileged {
	t.Helper()
	Need(t)
	const uid = 54321
	return newUnprivileged(t, strconv.Itoa(uid), uid, "--clear-groups")
}

func newUnprivileged(t testing.TB, name string, uid int, groups string) *Unprivileged {
	t.Helper()
	u := &Unprivileged{Home: filepath.Join("/tmp", Prefix+"home"), name: name, groups: groups}
	if err := os.MkdirAll(u.Home, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(u.Home); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chown(u.Home, uid, uid); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"minirun", "minirun-image", "minirun-engine"} {
		CopyFile(t, filepath.Join(filepath.Dir(Binary), p), filepath.Join(u.Home, p), 0o755)
	}
	return u
}

// Command returns a command that runs a shell script in the user's home directory.
func (u *Unprivileged) Command(script string) *exec.Cmd {
	cmd := exec.Command("setpriv", "--reuid", u.name, "--regid", u.name, u.groups,
		"env", "HOME="+u.Home, "XDG_RUNTIME_DIR="+u.Home+"/run", "XDG_DATA_HOME="+u.Home+"/data", "PATH="+u.Home+":"+os.Getenv("PATH"),
		"sh", "-ec", script)
	cmd.Dir = u.Home
	return cmd
}

// Do runs a shell script in the user's home directory; it must succeed.
func (u *Unprivileged) Do(t testing.TB, script string) string {
	t.Helper()
	out, err := u.Command(script + " 2>errors.$$ || { cat errors.$$; exit 1; }").CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// SubordinateUser returns a user with ranges in /etc/subuid.
func SubordinateUser(t testing.TB) (name string, uid int) {
	t.Helper()
	text, _ := os.ReadFile("/etc/subuid")
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		if out, err := exec.Command("id", "-u", name).Output(); err == nil {
			uid, err := strconv.Atoi(strings.TrimSpace(string(out)))
			if err == nil && uid != 0 {
				return name, uid
			}
		}
	}
	t.Skip("needs a user with a range in /etc/subuid, such as adduser creates")
	return "", 0
}
