package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestNginxServesPages: Debian with nginx serves pages in a separate network namespace: on the host's
// network, and on a bridge with a published port.
func TestNginxServesPages(t *testing.T) {
	s := newStore(t)
	rootfs := testbundle.DebianNginx(t)
	s.Do("import", "-c", `CMD ["nginx", "-g", "daemon off;"]`, "-c", "HEALTHCHECK --interval=300ms CMD curl -fsS http://127.0.0.1/", rootfs, "nginx")
	for _, c := range []struct {
		name, url, need string
		flags           []string
	}{
		{"host", "http://127.0.0.1/", "", []string{"--network", "host"}},
		{"bridge", "http://127.0.0.1:8080/", "/usr/lib/cni/bridge", []string{"-p", "127.0.0.1:8080:80"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := os.Stat(c.need); c.need != "" && err != nil {
				t.Skipf("needs Debian's packages containernetworking-plugins and iptables: %v", err)
			}
			in := testbundle.Network(t, s.Bundle)
			id := name(c.name)
			in("minirun", append(append([]string{"run", "-d", "--name", id}, c.flags...), "nginx")...).Exit(t, 0)
			defer in("minirun", "rm", "-f", id)
			var page testbundle.Result
			testbundle.Await(t, "nginx", func() bool {
				page = in("busybox", "wget", "-q", "-O", "-", c.url)
				return page.Status == 0
			})
			if !strings.Contains(page.Stdout, "Welcome to nginx") {
				t.Errorf("the page: %q", page.Stdout)
			}
			testbundle.Await(t, "healthy", func() bool { return strings.Contains(in("minirun", "ps").Stdout, "(healthy)") })
			if c.name == "bridge" {
				if got := in("minirun", "exec", id, "cat", "/proc/net/fib_trie").Stdout; !strings.Contains(got, "10.89.") {
					t.Errorf("its addresses: %s", got)
				}
			}
			in("minirun", "exec", id, "nginx", "-s", "stop")
			testbundle.Await(t, "its end", func() bool { return strings.Contains(in("minirun", "ps", "-a").Stdout, "Exited (0)") })
			in("minirun", "rm", id).Exit(t, 0)
			if rules := in("iptables", "-t", "nat", "-S").Stdout; strings.Contains(rules, id) {
				t.Errorf("left: %s", rules)
			}
		})
	}
	s.Check()
}

// TestDebianAsUmoci: real root file systems are unpacked in the same way as by umoci.
func TestDebianAsUmoci(t *testing.T) {
	need(t, "umoci", "umoci")
	s := newStore(t)
	for _, kind := range []string{"nginx", "node"} {
		t.Run(kind, func(t *testing.T) {
			rootfs := ""
			switch {
			case kind == "nginx":
				rootfs = testbundle.DebianNginx(t)
			case os.Getenv("MINIRUN_BIG") == "":
				t.Skip("needs MINIRUN_BIG=1: Debian with nodejs has 300 MB")
			default:
				rootfs = testbundle.Debian(t, kind, "nodejs")
			}
			s.Do("import", rootfs, kind)
			l := filepath.Join(s.Host, kind)
			s.Do("save", "-q", "--dir", l, kind)
			// In a directory that other users cannot enter the root keeps its mode.
			if err := os.Chmod(s.Host, 0o700); err != nil {
				t.Fatal(err)
			}
			ours, theirs := l+".ours", l+".theirs"
			tool(t, "umoci", "unpack", "--image", l+":docker.io/library/"+kind+":latest", theirs)
			s.Do("unpack", kind, ours)
			a, b := tree(t, ours), tree(t, filepath.Join(theirs, "rootfs"))
			t.Logf("%d files", len(a))
			same(t, "minirun, umoci", a, b, never)
			_ = os.RemoveAll(ours)
			_ = os.RemoveAll(theirs)
		})
	}
}
