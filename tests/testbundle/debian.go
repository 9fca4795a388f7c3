package testbundle

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// DebianNginx returns an archive of Debian with nginx and curl. The packages of nginx are also in
// /debs, as an apt repository, for tests that install it without a network.
func DebianNginx(t testing.TB) string {
	t.Helper()
	return Debian(t, "nginx-debs", "nginx,curl", `chroot "$1" sh -ec '
		mkdir /debs; chmod 755 /debs; cd /debs
		apt-get download $(dpkg-query -W -f "\${db:Status-Status} \${Package}\n" "*nginx*" | sed -n "s/^installed //p")
		for f in *.deb; do dpkg-deb -f $f; echo "Filename: ./$f"; echo "Size: $(stat -c %s $f)"; echo "SHA256: $(sha256sum $f | cut -d" " -f1)"; echo; done > Packages'`)
}

// Debian returns an archive of Debian with packages, created by mmdebstrap at the first use: all
// tests on a machine share it, by its kind. A script gets the path of its tree as $1.
func Debian(t testing.TB, kind, packages string, scripts ...string) string {
	t.Helper()
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip("needs mmdebstrap of Debian's package mmdebstrap")
	}
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
	args := []string{"-q", "--variant=minbase", "--include=" + packages}
	for _, s := range scripts {
		args = append(args, "--customize-hook="+s)
	}
	out, err := exec.Command("mmdebstrap", append(args, "bookworm", aside)...).CombinedOutput()
	if err != nil {
		_ = os.Remove(aside)
		t.Skipf("mmdebstrap cannot create a Debian system here: %v: %s", err, out)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Network creates a network namespace for the test, and returns a function that runs minirun, or
// another program, in it.
func Network(t testing.TB, b *Bundle) func(program string, args ...string) Result {
	t.Helper()
	holder := exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up; exec sleep 1000")
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	})
	pid := strconv.Itoa(holder.Process.Pid)
	Await(t, "lo in the network namespace", func() bool {
		program, _ := os.ReadFile("/proc/" + pid + "/comm")
		return string(program) == "sleep\n"
	})
	return func(program string, args ...string) Result {
		t.Helper()
		if program == "minirun" {
			program = Binary
			args = append(append([]string{"--root", b.Root}, b.Global...), args...)
		}
		return Finish(t, exec.Command("nsenter", append([]string{"-t", pid, "-n", program}, args...)...))
	}
}

// Await waits until done returns true.
func Await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timeout while waiting for %s", what)
		}
	}
}
