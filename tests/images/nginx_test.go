package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

// debian is an archive of Debian with packages, made by mmdebstrap the first time.
func debian(t testing.TB, kind, packages string) string {
	t.Helper()
	need(t, "mmdebstrap", "mmdebstrap")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "minirun-test", "debian-"+kind+".tar")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	aside := path + "." + strconv.Itoa(os.Getpid()) + ".tar"
	out, err := exec.Command("mmdebstrap", "-q", "--variant=minbase", "--include="+packages, "bookworm", aside).CombinedOutput()
	if err != nil {
		_ = os.Remove(aside)
		t.Skipf("mmdebstrap makes no Debian here: %v: %s", err, out)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// network is a network namespace of the test's own; what it returns runs minirun in
// it.
func network(t testing.TB, s *store) func(program string, args ...string) testbundle.Result {
	t.Helper()
	holder := exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up; exec sleep 1000")
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	})
	time.Sleep(200 * time.Millisecond)
	pid := strconv.Itoa(holder.Process.Pid)
	return func(program string, args ...string) testbundle.Result {
		t.Helper()
		if program == "minirun" {
			program = testbundle.Binary
			args = append([]string{"--root", s.Root, "--store", s.dir}, args...)
		}
		return testbundle.Finish(t, exec.Command("nsenter", append([]string{"-t", pid, "-n", program}, args...)...))
	}
}

// TestNginx: Debian with nginx serves pages in a network of the test's own: on the
// host's network, and behind a bridge with a port.
func TestNginx(t *testing.T) {
	s := newStore(t)
	rootfs := debian(t, "nginx", withNginx)
	s.do("import", "-c", `CMD ["nginx", "-g", "daemon off;"]`, "-c", "HEALTHCHECK --interval=300ms CMD curl -fsS http://127.0.0.1/", rootfs, "nginx")
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
			in := network(t, s)
			id := name(c.name)
			in("minirun", append(append([]string{"run", "-d", "--name", id}, c.flags...), "nginx")...).Exit(t, 0)
			defer in("minirun", "rm", "-f", id)
			var page testbundle.Result
			await(t, "nginx", func() bool {
				page = in("busybox", "wget", "-q", "-O", "-", c.url)
				return page.Status == 0
			})
			if !strings.Contains(page.Stdout, "Welcome to nginx") {
				t.Errorf("the page: %q", page.Stdout)
			}
			await(t, "healthy", func() bool { return strings.Contains(in("minirun", "ps").Stdout, "(healthy)") })
			if c.name == "bridge" {
				if got := in("minirun", "exec", id, "cat", "/proc/net/fib_trie").Stdout; !strings.Contains(got, "10.89.") {
					t.Errorf("its addresses: %s", got)
				}
			}
			in("minirun", "exec", id, "nginx", "-s", "stop")
			await(t, "its end", func() bool { return strings.Contains(in("minirun", "ps", "-a").Stdout, "Exited (0)") })
			in("minirun", "rm", id).Exit(t, 0)
			if rules := in("iptables", "-t", "nat", "-S").Stdout; strings.Contains(rules, id) {
				t.Errorf("left: %s", rules)
			}
		})
	}
	s.check()
}

const withNginx = "nginx-light,curl"

// TestDebianAsUmoci: real root file systems, unpacked as umoci does.
func TestDebianAsUmoci(t *testing.T) {
	need(t, "umoci", "umoci")
	s := newStore(t)
	for kind, packages := range map[string]string{"nginx": withNginx, "node": "nodejs"} {
		t.Run(kind, func(t *testing.T) {
			if kind == "node" && os.Getenv("MINIRUN_BIG") == "" {
				t.Skip("needs MINIRUN_BIG=1: Debian with nodejs has 300 MB")
			}
			s.do("import", debian(t, kind, packages), kind)
			l := filepath.Join(s.Host, kind)
			s.do("save", "-q", "--dir", l, kind)
			ours, theirs := l+".ours", l+".theirs"
			tool(t, "umoci", "unpack", "--image", l+":docker.io/library/"+kind+":latest", theirs)
			s.do("unpack", kind, ours)
			a, b := tree(t, ours), tree(t, filepath.Join(theirs, "rootfs"))
			t.Logf("%d files", len(a))
			same(t, "minirun, umoci", a, b, never)
			_ = os.RemoveAll(ours)
			_ = os.RemoveAll(theirs)
		})
	}
}
