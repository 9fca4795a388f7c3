package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestCopyUpOfHostileTree: tmpcopyup reads a directory of the image: symbolic links, FIFOs and
// devices in it are copied, but neither followed nor opened.
func TestCopyUpOfHostileTree(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("readlink /evil/link; stat -c %F /evil/fifo; ls /evil/dir"),
		testbundle.AddMount(specs.Mount{Destination: "/evil", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}}))
	b.Link(b.Host, "/evil/link")
	b.Link(b.Host, "/evil/dir/sub")
	if err := unix.Mkfifo(b.Path("/evil/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Run().Prints(t, b.Host+"\nfifo\nsub")
	untouched(t, b)
	t.Run("naive", func(t *testing.T) {
		// A copy that follows links includes the host's files.
		if err := os.WriteFile(filepath.Join(b.Host, "secret"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		naively(t, b, `rm "$ROOT/evil/fifo"; cp -rL "$ROOT/evil" "$ROOT/copy"; [ -e "$ROOT/copy/link/secret" ]`)
	})
}

// TestCopyUpKeepsOptions: a tmpfs with a private mode stays private, although the image's directory
// of that name is readable by all users.
func TestCopyUpKeepsOptions(t *testing.T) {
	for _, c := range []struct{ options, want string }{
		{"mode=0700,uid=1000,gid=1001", "700 1000 1001 755 0 0"},
		{"mode=0700", "700 5 6 755 0 0"},
		{"uid=1000", "755 1000 6 755 0 0"},
		{"gid=1001", "755 5 1001 755 0 0"},
		{"size=64k", "755 5 6 755 0 0"},
		{"mode=0700,ro", "700 5 6 755 0 0"},
	} {
		options := append(strings.Split(c.options, ","), "tmpcopyup")
		b := testbundle.New(t, dockersDefault, testbundle.Sh("stat -c '%a %u %g' /home /home/user | xargs"),
			testbundle.AddMount(specs.Mount{Destination: "/opt", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup", "mode=0711"}}),
			testbundle.AddMount(specs.Mount{Destination: "/home", Type: "tmpfs", Source: "tmpfs", Options: options}))
		if err := os.Chown(b.Path("/home"), 5, 6); err != nil {
			t.Fatal(err)
		}
		t.Run(c.options, func(t *testing.T) { b.Run().Prints(t, c.want) })
	}
}
