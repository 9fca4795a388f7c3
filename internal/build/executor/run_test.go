package executor

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/console"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestRunWritesLayer(t *testing.T) {
	x := newBox(t)
	said, layer := x.run(x.step("echo hello; echo there >&2; echo x > /new; id -u; hostname; pwd; cat /etc/hosts | head -1; cat; ls /proc/self/fd | wc -l"))
	if want := "hello\nthere\n0\nminirun-build\n/\n127.0.0.1\tlocalhost minirun-build\n4"; said != want {
		t.Errorf("%q", said)
	}
	if got := strings.Join(files(t, layer), " "); got != "new" {
		t.Errorf("the layer has %s", got)
	}
	s, _ := x.step("exit 7")
	var exit *ExitError
	if err := x.Run(context.Background(), s); !errors.As(err, &exit) || exit.Status != 7 {
		t.Errorf("%v", err)
	}
	if entries, err := os.ReadDir(s.Dir); err != nil || len(entries) != 1 {
		t.Errorf("next to fs: %v, %v", entries, err)
	}
	s, _ = x.step("sh -c 'kill -9 $$'; exit $?")
	if err := x.Run(context.Background(), s); !errors.As(err, &exit) || exit.Status != 137 {
		t.Errorf("%v", err)
	}
	s, _ = x.step("true")
	s.Op.Argv = []string{"/not/there"}
	if err := x.Run(context.Background(), s); err == nil || errors.As(err, new(*ExitError)) || !strings.Contains(err.Error(), "/not/there") {
		t.Errorf("%v", err)
	}
}

// TestStepSeesPreviousLayers: a step sees what the previous ones wrote and removed.
func TestStepSeesPreviousLayers(t *testing.T) {
	x := newBox(t)
	_, first := x.run(x.step("mkdir /d; echo 1 > /d/one; echo 2 > /two; rm /etc/passwd"))
	s, out := x.step("ls /d; cat /two; ls /etc | wc -l; rm -r /d; mkdir /d")
	s.Layers = append(s.Layers, first)
	said, second := x.run(s, out)
	if said != "one\n2\n2" { // hosts and resolv.conf
		t.Errorf("%q", said)
	}
	s, out = x.step("ls -a /d | wc -l")
	s.Layers = append(s.Layers, first, second)
	if said, _ := x.run(s, out); said != "2" {
		t.Errorf("%q", said)
	}
}

func TestRunHasUserAndEnvironment(t *testing.T) {
	x := newBox(t)
	for user, want := range map[string]string{
		"":         "0 0 /root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"user":     "1000 1000 /home/user /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"1000:7":   "1000 7 /home/user /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"12345:12": "12345 12 / /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	} {
		s, out := x.step("echo $(id -u) $(id -g) $HOME $PATH")
		s.Op.User = user
		if said, _ := x.run(s, out); said != want {
			t.Errorf("%s: %q", user, said)
		}
	}
	s, out := x.step("echo $HOME $A $B $PATH; pwd")
	s.Op.Env = []string{"HOME=/h", "A=1", "PATH=/bin:/x", "A=2", "B=x y"}
	s.Op.Cwd = "/home/user"
	if said, _ := x.run(s, out); said != "/h 2 x y /bin:/x\n/home/user" {
		t.Errorf("%q", said)
	}
	s, _ = x.step("true")
	s.Op.User = "nobody-here"
	x.fails(s, "nobody-here", "/etc/passwd")
	s, _ = x.step("true")
	s.Op.Cwd = "/not/there"
	x.fails(s, "/not/there", "WORKDIR")
	s, out = x.step("pwd; touch x", graph.Mount{Type: "tmpfs", Target: "/not"})
	s.Op.Cwd = "/not/"
	if said, _ := x.run(s, out); said != "/not" {
		t.Errorf("%q", said)
	}
}

func TestHeredocIsExecutable(t *testing.T) {
	x := newBox(t)
	s, out := x.step("")
	s.Op.Argv = []string{"/bin/sh", "-c",
		"/dev/pipes/EOF; . /dev/pipes/..two; stat -c %a /dev/pipes/EOF; touch /dev/pipes/EOF 2>/dev/null || echo ro"}
	s.Op.Files = []graph.File{{Name: "EOF", Content: "#!/bin/sh\necho it runs\n"}, {Name: "..two", Content: "echo two\n"}}
	said, layer := x.run(s, out)
	if said != "it runs\ntwo\n755\nro" || len(files(t, layer)) > 0 {
		t.Errorf("%q", said)
	}
}

func TestRunHasAddedHosts(t *testing.T) {
	x := newBox(t)
	s, out := x.step("grep -c . /etc/hosts; grep one /etc/hosts; grep six /etc/hosts")
	s.Op.Hosts = []string{"one=10.0.0.1", "six=[fe80::1]"}
	if said, _ := x.run(s, out); said != "4\n10.0.0.1\tone\nfe80::1\tsix" {
		t.Errorf("%q", said)
	}
	s, _ = x.step("true")
	s.Op.Hosts = []string{"one=else where"}
	x.fails(s, "NAME=ADDRESS")
}

func TestNetworkModes(t *testing.T) {
	x := newBox(t)
	host, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		executor, step string
		own            bool
	}{{"", "default", false}, {"host", "", false}, {"none", "default", true}, {"host", "none", true},
		{"none", "host", false}} {
		s, out := x.step("readlink /proc/self/ns/net; ifconfig lo | grep -c 'UP LOOPBACK'")
		x.Network, s.Op.Network = c.executor, c.step
		said, _ := x.run(s, out)
		if own := !strings.HasPrefix(said, host); own != c.own || !strings.HasSuffix(said, "\n1") {
			t.Errorf("%+v: %q", c, said)
		}
	}
	s, _ := x.step("true")
	s.Op.Network = "moon"
	x.fails(s, "moon")
}

func TestSecurityModes(t *testing.T) {
	x := newBox(t)
	const script = "grep -E 'CapEff|Seccomp:' /proc/self/status; ls /dev | wc -l; unshare -m true 2>/dev/null && echo may unshare; cat /proc/timer_list > /dev/null 2>&1; touch /sys/x 2>&1"
	usual, out := x.step(script + "; true")
	said, _ := x.run(usual, out)
	if !strings.HasPrefix(said, "CapEff:\t00000000a80425fb\nSeccomp:\t2\n") || strings.Contains(said, "may unshare") || !strings.Contains(said, "Read-only") {
		t.Errorf("%q", said)
	}
	insecure, out := x.step(script + "; mknod /null c 1 3; echo x > /null; true")
	insecure.Op.Insecure = true
	said, _ = x.run(insecure, out)
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, all, _ := strings.Cut(string(own), "CapEff:\t")
	all, _, _ = strings.Cut(all, "\n")
	if !strings.HasPrefix(said, "CapEff:\t"+all+"\nSeccomp:\t0\n") || !strings.Contains(said, "may unshare") || strings.Contains(said, "Read-only") {
		t.Errorf("%q", said)
	}
}

// TestDebugShellSeesFailedStep: a shell with a terminal in the environment of a failed step.
func TestDebugShellSeesFailedStep(t *testing.T) {
	x := newBox(t)
	s, _ := x.step("echo left > /left; exit 1", graph.Mount{Type: "secret", ID: "a"})
	s.Secrets = Secrets{"a": {Data: []byte("x")}}
	x.fails(s, "exit code: 1")
	pty, slave, err := console.NewPty()
	if err != nil {
		t.Skip(err)
	}
	defer pty.Close()
	terminal, err := os.OpenFile(slave, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	if _, err := pty.Write([]byte("tty; cat /left /run/secrets/a; echo; echo also > /more; exit 3\n")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	done := make(chan error)
	go func() { done <- x.Debug(context.Background(), s, terminal) }()
	buf := make([]byte, 4096)
	for !strings.Contains(out.String(), "left\r\nx\r\n") {
		n, err := pty.Read(buf)
		if err != nil {
			t.Fatalf("%v: %q", err, out.String())
		}
		out.Write(buf[:n])
	}
	go func() {
		for {
			if _, err := pty.Read(buf); err != nil {
				return
			}
		}
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "/dev/pts/") && !strings.Contains(out.String(), "/dev/console") {
		t.Errorf("no terminal: %q", out.String())
	}
	if got := strings.Join(files(t, filepath.Join(s.Dir, "fs")), " "); got != "left more" {
		t.Errorf("the layer has %s", got)
	}
}

// TestForeignProgramIsExplained: a program for a different architecture.
func TestForeignProgramIsExplained(t *testing.T) {
	x := newBox(t)
	head := make([]byte, 120)
	copy(head, "\x7fELF\x02\x01\x01")
	head[16], head[18] = 2, 183 // an executable for aarch64
	if err := os.WriteFile(filepath.Join(x.layer, "bin", "arm"), head, 0o755); err != nil {
		t.Fatal(err)
	}
	s, _ := x.step("")
	s.Op.Argv = []string{"/bin/arm"}
	s.Platform = oci.Platform{OS: "linux", Architecture: "arm64"}
	if _, err := os.Stat(binfmt + "/qemu-aarch64"); err == nil {
		t.Skip("programs for arm64 can be run here")
	}
	x.fails(s, "qemu-user-static binfmt-support", "linux/arm64")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "qemu-s390x"), []byte("disabled\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := explainEmulation("s390x", dir); !strings.Contains(got, "disabled") {
		t.Error(got)
	}
}

// TestRunOnScratch: without layers, the program is in a bind mount.
func TestRunOnScratch(t *testing.T) {
	x := newBox(t)
	s, out := x.step("echo it runs > /file; cat /file",
		graph.Mount{Type: "bind", Target: "/bin", Source: "/bin", ReadOnly: true})
	s.Mounts[0] = Mounted{Layers: s.Layers}
	s.Layers = nil
	said, layer := x.run(s, out)
	if said != "it runs" || strings.Join(files(t, layer), " ") != "file" {
		t.Errorf("%q, the layer has %s", said, files(t, layer))
	}
}

// TestRunInUserNamespace: a builder that is root in a user namespace only, as it is for
// unprivileged users.
func TestRunInUserNamespace(t *testing.T) {
	x := newBox(t)
	const first = 1_000_000
	s, _ := x.step("id -u; cat /run/secrets/a; echo; rm -r /home/user; mkdir -p /home/user; touch /c/x; chown user /c/x; ls /m; echo x > /m/new; stat -c %u /c/x; echo hi > /dev/null",
		graph.Mount{Type: "secret", ID: "a"}, graph.Mount{Type: "cache", Target: "/c", ID: "rootless"},
		graph.Mount{Type: "bind", Target: "/m"})
	s.Mounts[2] = x.other(map[string]string{"a": ""}, nil)
	s.Secrets = Secrets{"a": {Data: []byte("secret")}}
	s.Op.Network = "host"
	if err := os.MkdirAll(x.root(), 0o700); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(x.Store.Dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, first, first)
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := x.elsewhere(s)
	ids := []syscall.SysProcIDMap{{HostID: first, Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: ids, GidMappings: ids,
		GidMappingsEnableSetgroups: true,
		Credential:                 &syscall.Credential{},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("needs user namespaces: %v", err)
	}
	if err != nil || string(out) != "0\nsecret\na\n1000\n" {
		t.Errorf("%q, %v", out, err)
	}
	if got := strings.Join(files(t, filepath.Join(s.Dir, "fs")), " "); got != "home home/user" {
		t.Errorf("the layer has %s", got)
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(x.cacheDir("rootless"), "fs", "x"), &st); err != nil || st.Uid != first+1000 {
		t.Errorf("%d, %v", st.Uid, err)
	}
}

// TestRunOnDebian: an image that contains all mountpoints.
func TestRunOnDebian(t *testing.T) {
	x := newBox(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(cache, "minirun-test", "debian-nginx.tar")
	if _, err := os.Stat(archive); err != nil {
		t.Skipf("needs the Debian that TestNginx in tests/images makes: %v", err)
	}
	x.layer = filepath.Join(x.Store.Dir, "layers", "debian", "fs")
	if err := os.MkdirAll(x.layer, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xpf", archive, "-C", x.layer).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	secret := graph.Mount{Type: "secret", ID: "a"}
	s, out := x.step("true", secret)
	s.Secrets = Secrets{"a": {Data: []byte("x")}}
	if _, layer := x.run(s, out); len(files(t, layer)) > 0 {
		t.Errorf("the layer has %s", files(t, layer))
	}
	s, out = x.step("dpkg --verify coreutils && su www-data -s /bin/sh -c 'id -un' && apt-get --version | head -c 3 && useradd -m someone", secret)
	if said, layer := x.run(s, out); said != "www-data\napt" || !slices.Contains(files(t, layer), "home/someone") {
		t.Errorf("%q, the layer has %s", said, files(t, layer))
	}
}

func BenchmarkRun(b *testing.B) {
	x := newBox(b)
	for b.Loop() {
		s, _ := x.step("")
		s.Op.Argv, s.Op.Network = []string{"/bin/true"}, "host" // as in a Dockerfile
		if err := x.Run(context.Background(), s); err != nil {
			b.Fatal(err)
		}
	}
}
