// Package testrootfs creates small root file systems for tests: busybox (Debian's busybox-static)
// with a link for each of its applets, and the few files and directories that programs expect.
// Nothing is downloaded.
//
// A tree takes a few ms on tmpfs and about 20 ms on ext4 (2 MB and 400 links), so every test creates
// a new one, which it may change as it likes; only the list of applets, which busybox itself prints,
// is computed once per test run.
package testrootfs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Busybox is the static busybox that Debian's package busybox-static installs.
const Busybox = "/bin/busybox"

var (
	dirs  = []string{"bin", "dev", "etc", "home/user", "mnt", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var/tmp"}
	files = map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
		"etc/group":  "root:x:0:\ntty:x:5:\nuser:x:1000:\nextra:x:2000:user\nnogroup:x:65534:\n",
		"etc/hosts":  "127.0.0.1 localhost\n",
	}
)

// applets asks busybox once per test run for the paths it can be called by ("bin/sh", "usr/sbin/chroot", …).
var applets = sync.OnceValues(func() ([]string, error) {
	var out bytes.Buffer
	cmd := exec.Command(Busybox, "--list-full")
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s --list-full: %w (install busybox-static)", Busybox, err)
	}
	return strings.Fields(out.String()), nil
})

// New returns a new root file system in a temporary directory of the test; the test is skipped if
// busybox is not installed.
func New(t testing.TB) string {
	t.Helper()
	if reason := Unavailable(); reason != "" {
		t.Skip(reason)
	}
	root := filepath.Join(t.TempDir(), "rootfs")
	if err := Make(root); err != nil {
		t.Fatal(err)
	}
	return root
}

// Unavailable returns why no root file system can be created here, or "" if one can.
func Unavailable() string {
	if _, err := os.Stat(Busybox); err != nil {
		return fmt.Sprintf("needs %s from Debian's busybox-static: %v", Busybox, err)
	}
	if _, err := applets(); err != nil {
		return err.Error()
	}
	return ""
}

// Make creates a root file system in dir, which need not exist. Everything in it belongs to the
// caller; modes are as on Debian.
func Make(dir string) error {
	names, err := applets()
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	for _, d := range []string{"tmp", "var/tmp"} {
		if err := os.Chmod(filepath.Join(dir, d), 0o777|os.ModeSticky); err != nil {
			return err
		}
	}
	if err := os.Chown(filepath.Join(dir, "home/user"), 1000, 1000); err != nil && os.Geteuid() == 0 {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := copyFile(filepath.Join(dir, "bin/busybox"), Busybox); err != nil {
		return err
	}
	for _, name := range names {
		err := os.Symlink("/bin/busybox", filepath.Join(dir, name))
		if os.IsNotExist(err) { // the lists above do not have the directory
			if err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err == nil {
				err = os.Symlink("/bin/busybox", filepath.Join(dir, name))
			}
		}
		if err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// copyFile copies and does not link: a test may write to its tree, and a link would be the host's own
// busybox.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
