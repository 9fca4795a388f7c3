package executor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
)

// TestStubs: mountpoints that did not exist do not exist afterwards, and the directories in
// which they would be created are unchanged.
func TestStubs(t *testing.T) {
	x := newBox(t)
	etc := filepath.Join(x.layer, "etc")
	if err := unix.Lsetxattr(etc, "trusted.test", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(etc, 3, 4); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(etc, 0o751); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../run/nowhere/resolv.conf", filepath.Join(etc, "resolv.conf")); err != nil {
		t.Fatal(err)
	}
	before := times(t, x.layer, etc)
	mounts := []graph.Mount{
		{Type: "secret", ID: "s"}, {Type: "tmpfs", Target: "/a/b/c"}, {Type: "cache", Target: "/home/user/.cache/x"},
		{Type: "tmpfs", Target: "/etc/deep/er"},
	}
	step := func(script string) (string, string) {
		s, out := x.step(script, mounts...)
		s.Secrets = Secrets{"s": {Data: []byte("x")}}
		return x.run(s, out)
	}
	if _, layer := step("true"); len(files(t, layer)) > 0 {
		t.Errorf("the layer has %s", files(t, layer))
	}
	// What the program writes next to them is kept, and the parents have their old attributes
	// or those that the program set.
	said, layer := step("stat -c '%u:%g %a' /etc; cat /etc/resolv.conf > /dev/null && echo x > /etc/new; echo y > /home/user/.cache/y; chmod 700 /a")
	if said != "3:4 751" {
		t.Errorf("/etc is %q", said)
	}
	if got := strings.Join(files(t, layer), " "); got != "a etc etc/new home home/user home/user/.cache home/user/.cache/y" {
		t.Errorf("the layer has %s", got)
	}
	var st unix.Stat_t
	value := make([]byte, 8)
	n, err := unix.Lgetxattr(filepath.Join(layer, "etc"), "trusted.test", value)
	if unix.Lstat(filepath.Join(layer, "etc"), &st) != nil || st.Mode&0o7777 != 0o751 || st.Uid != 3 || err != nil || string(value[:n]) != "v" {
		t.Errorf("etc in the layer: %o, %d, %q, %v", st.Mode, st.Uid, value[:max(n, 0)], err)
	}
	// Changing a file in place does not change its directory.
	_, layer = step("echo x >> /etc/passwd")
	if got := times(t, layer, filepath.Join(layer, "etc")); got != before {
		t.Errorf("times %v before, %v in the layer", before, got)
	}
	// If a program replaces a mountpoint with a link to the host's files, nothing there is
	// removed.
	file := filepath.Join(x.host, "empty")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	step("rmdir /proc 2>/dev/null; mv /a /a2 2>/dev/null; ln -s " + x.host + " /a3; mkdir -p /run/x; ln -sfn " + x.host + " /home/user/.cache/z; true")
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func times(t *testing.T, paths ...string) (out [2]unix.Timespec) {
	t.Helper()
	for i, p := range paths {
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			t.Fatal(err)
		}
		out[i] = st.Mtim
	}
	return out
}
