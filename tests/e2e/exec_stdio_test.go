package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/console"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/tests/testbundle"
)

func TestExecPreserveFDs(t *testing.T) {
	b, _ := up(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for n := range 3 {
		cmd := b.Command("exec", "--preserve-fds", strconv.Itoa(n), b.ID, "sh", "-c", testbundle.ListFDs)
		cmd.ExtraFiles = []*os.File{r, w, r}
		got := testbundle.Finish(t, cmd)
		got.Prints(t, strings.Join([]string{"0", "1", "2", "3", "4"}[:3+n], "\n"))
	}
}

// If standard input is the host's /dev/null, the device does not change, whatever root in the
// container does to it.
func TestExecDoesNotChangeHostNull(t *testing.T) {
	b, _ := up(t, testbundle.Can("CAP_FOWNER", "CAP_CHOWN", "CAP_DAC_OVERRIDE"))
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	before, err := null.Stat()
	if err != nil {
		t.Fatal(err)
	}
	cmd := b.Command("exec", b.ID, "sh", "-c", "chmod 0600 /proc/self/fd/0 && echo changed; chown 5 /dev/stdin && echo changed; cat /dev/stdin; echo x > /dev/stdin && stat -L -c %t:%T /dev/stdin; rm -f /dev/null")
	cmd.Stdin = null
	testbundle.Finish(t, cmd).Prints(t, "1:3")
	cmd = b.Command("exec", b.ID, "sh", "-c", "chmod 0600 /proc/self/fd/0 || echo still")
	cmd.Stdin = null
	testbundle.Finish(t, cmd).Prints(t, "still")
	if after, err := null.Stat(); err != nil || after.Mode() != before.Mode() || after.Sys().(*syscall.Stat_t).Uid != before.Sys().(*syscall.Stat_t).Uid {
		_ = os.Chmod(os.DevNull, 0o666)
		_ = os.Chown(os.DevNull, 0, 0)
		t.Errorf("the host's /dev/null was %v and is %v, %v", before.Mode(), after.Mode(), err)
	}
}

func TestExecDetach(t *testing.T) {
	b, _ := up(t, testbundle.Writable)
	pidFile, out := filepath.Join(b.Host, "exec-pid"), b.Path("/tmp/out")
	cmd := b.Command("exec", "--detach", "--pid-file", pidFile, b.ID, "sh", "-c", "echo $$ > /tmp/out; sleep 0.2; exit 3")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 3 {
		t.Errorf("process %d: status %d, %v: want 3, and it to be this test's child", pid, status.ExitStatus(), err)
	}
	if data, err := os.ReadFile(out); err != nil || len(data) == 0 {
		t.Errorf("it wrote %q, %v", data, err)
	}
}

// onV2 reports whether the host has only cgroup v2.
func onV2(t *testing.T) bool {
	t.Helper()
	h, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	return h.IsV2Only()
}

// --cgroup moves the process to a cgroup below the container's cgroup, in all hierarchies or in some
// of them.
func TestExecInCgroupBelowContainers(t *testing.T) {
	b, pid := up(t)
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	tree, prefix, line := "/sys/fs/cgroup/pids", "pids:", ":pids:/"
	if onV2(t) {
		tree, prefix, line = "/sys/fs/cgroup", "", "0::/"
	}
	if err := os.Mkdir(filepath.Join(tree, b.ID, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{prefix + "sub", prefix + "/sub/"} {
		want := strings.ReplaceAll(string(data), line+b.ID, line+b.ID+"/sub")
		in(b, "cat /proc/self/cgroup", "--cgroup", flag).Prints(t, strings.TrimSpace(want))
	}
	in(b, "cat /proc/self/cgroup", "--cgroup", "/").Prints(t, strings.TrimSpace(string(data)))
}

// If the first process of a container has delegated its v2 cgroup to its children, no process can be
// added to that cgroup: exec uses the cgroup of the first process.
func TestExecFollowsDelegation(t *testing.T) {
	b, pid := up(t)
	tree := "/sys/fs/cgroup/unified"
	if onV2(t) {
		tree = "/sys/fs/cgroup"
	}
	top := filepath.Join(tree, b.ID)
	controllers, err := os.ReadFile(filepath.Join(top, "cgroup.controllers"))
	if err != nil || len(strings.TrimSpace(string(controllers))) == 0 {
		t.Skipf("needs a controller in the container's cgroup of the v2 tree on %s: has %q, %v", tree, controllers, err)
	}
	inner := filepath.Join(top, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, w := range [][2]string{
		{filepath.Join(inner, "cgroup.procs"), strconv.Itoa(pid)},
		{filepath.Join(top, "cgroup.subtree_control"), "+" + strings.Fields(string(controllers))[0]},
	} {
		if err := os.WriteFile(w[0], []byte(w[1]), 0); err != nil {
			t.Fatal(err)
		}
	}
	in(b, "grep ^0: /proc/self/cgroup").Prints(t, "0::/"+b.ID+"/inner")
}

// execTerminal runs exec --tty on p.
func execTerminal(p *testbundle.Pty, b *testbundle.Bundle, script string) *exec.Cmd {
	cmd := b.Command("exec", "--tty", b.ID, "sh", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
	b.Start(cmd)
	return cmd
}

func TestExecTerminal(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"default": func(*specs.Spec) {}, "user namespace": userns} {
		t.Run(name, func(t *testing.T) {
			p := testbundle.NewPty(t)
			if err := p.Master.Resize(console.WinSize{Height: 30, Width: 100}); err != nil {
				t.Fatal(err)
			}
			b, _ := up(t, change)
			before := p.Termios()
			cmd := execTerminal(p, b, "tty; stty size; echo x > /dev/tty; echo ready; read line; stty size; echo got $line; kill -9 $$")
			p.Expect("/dev/pts/0\r\n30 100\r\nx\r\nready\r\n")
			if err := p.Master.Resize(console.WinSize{Height: 11, Width: 22}); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(unix.SIGWINCH); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			if _, err := p.Master.Write([]byte("typed\r")); err != nil {
				t.Fatal(err)
			}
			p.Expect("11 22\r\ngot typed\r\n")
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != 137 || p.Termios() != before {
				t.Errorf("exit status %d, want 137; terminal restored: %v", got, p.Termios() == before)
			}
			cmd = execTerminal(p, b, "exec /none")
			_ = cmd.Wait()
			if p.Termios() != before {
				t.Error("the terminal is not restored after a failure")
			}
		})
	}
}

// A file that a container has put in place of ptmx is not mistaken for a terminal.
func TestExecFalseTerminal(t *testing.T) {
	p := testbundle.NewPty(t)
	b, _ := up(t, testbundle.NoMount(func(d string) bool { return d == "/dev/pts" }))
	for _, fake := range []string{"echo x > /dev/pts/ptmx", "mkfifo /dev/pts/ptmx", "ln -s /proc/self/fd/3 /dev/pts/ptmx", "ln -s /dev/null /dev/pts/ptmx"} {
		in(b, "mkdir -p /dev/pts; rm -f /dev/pts/ptmx; "+fake).Exit(t, 0)
		cmd := b.Command("exec", "-t", b.ID, "true")
		cmd.Stdin = p.Slave
		testbundle.Finish(t, cmd).Fails(t, "process.terminal")
	}
}

func TestExecConsoleSocket(t *testing.T) {
	b, _ := up(t)
	path, l := listen(t, b, "console")
	got := make(chan *os.File, 1)
	go func() {
		_, f := receive(t, l)
		got <- f
	}()
	pidFile := filepath.Join(b.Host, "exec-pid")
	b.Minirun("exec", "-d", "-t", "--console-socket", path, "--pid-file", pidFile, b.ID, "sh", "-c", "tty; read x; echo got $x").Exit(t, 0)
	f := <-got
	defer f.Close()
	buf := make([]byte, 100)
	const tty = "/dev/pts/0\r\n"
	n, err := io.ReadFull(f, buf[:len(tty)]) // the end of the line may arrive separately
	if string(buf[:n]) != tty {
		t.Errorf("the terminal says %q: %v", buf[:n], err)
	}
	if _, err := f.WriteString("this\r"); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for !strings.Contains(all.String(), "got this") {
		n, err := f.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, all.String())
		}
		all.Write(buf[:n])
	}
	text, _ := os.ReadFile(pidFile)
	pid, _ := strconv.Atoi(string(text))
	reap(pid)
}
