package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestNullIsALink: without a mount on /dev, the image's /dev/null may be a symbolic link to a file of
// the host. This file must not become a standard stream of the program, and its owner must not change
// (CVE-2026-88265).
func TestNullIsALink(t *testing.T) {
	noDev := testbundle.NoMount(func(d string) bool { return d == "/dev" || strings.HasPrefix(d, "/dev/") })
	const inodes = "for n in 0 1 2; do stat -L -c 'inode %d %i' /proc/self/fd/$n; done"
	for name, change := range map[string]func(*specs.Spec){
		"root":           func(*specs.Spec) {},
		"other user":     testbundle.User(65534, 65534),
		"user namespace": func(s *specs.Spec) { testbundle.UserNS(s); testbundle.User(1000, 1000)(s) },
	} {
		for _, terminal := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, terminal %t", name, terminal), func(t *testing.T) {
				b := testbundle.New(t, noDev, testbundle.Writable, testbundle.Sh(inodes), change, func(s *specs.Spec) { s.Process.Terminal = terminal })
				secret := secretFile(t, b)
				before := statOf(t, secret)
				for _, target := range []string{secret, "/proc/1/root" + secret, "../../../../../../../../../.." + secret} {
					b.Link(target, "/dev/null")
					r := b.Run()
					if terminal {
						r = b.RunTerminal()
					}
					if strings.Contains(r.Stdout, fmt.Sprintf("inode %d %d\n", before.Dev, before.Ino)) {
						t.Errorf("link to %s: the host's file is a standard stream: %s", target, r.Stdout)
					}
					if after := statOf(t, secret); after.Uid != before.Uid || after.Gid != before.Gid || after.Mode != before.Mode || after.Size != before.Size {
						t.Errorf("link to %s: the host's file changed: %+v, before %+v", target, after, before)
					}
				}
			})
		}
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t)
		secret := secretFile(t, b)
		before := statOf(t, secret)
		b.Link(secret, "/dev/null")
		if err := os.Chown(b.Path("/dev/null"), 1, 1); err != nil { // follows the link
			t.Fatal(err)
		}
		if statOf(t, secret).Uid == before.Uid {
			t.Error("the check does not see a new owner")
		}
	})
}

func secretFile(t *testing.T, b *testbundle.Bundle) string {
	t.Helper()
	path := filepath.Join(b.Host, "secret")
	if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(path) })
	return path
}

func statOf(t *testing.T, path string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st
}
