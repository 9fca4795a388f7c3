package hostile

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// watchOpens returns a function that reports which of the files have been opened since. Opening with
// O_PATH does not count.
func watchOpens(t *testing.T, files ...string) (opened func() []string) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	names := map[int]string{}
	for _, f := range files {
		wd, err := unix.InotifyAddWatch(fd, f, unix.IN_OPEN)
		if err != nil {
			t.Fatalf("watch %s: %v", f, err)
		}
		names[wd] = f
	}
	return func() (out []string) {
		events := make([]byte, 64<<10)
		n, err := unix.Read(fd, events)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			wd := int(int32(uint32(events[at]) | uint32(events[at+1])<<8 | uint32(events[at+2])<<16 | uint32(events[at+3])<<24))
			length := int(uint32(events[at+12]) | uint32(events[at+13])<<8 | uint32(events[at+14])<<16 | uint32(events[at+15])<<24)
			out = append(out, names[wd])
			at += unix.SizeofInotifyEvent + length
		}
		return out
	}
}

// plant creates special files in the image: character devices, whose open would have an effect on a
// driver, and FIFOs, whose open would block.
func plant(t *testing.T, b *testbundle.Bundle, kind uint32, names ...string) (files []string) {
	t.Helper()
	for _, name := range names {
		path := b.Path(name)
		_ = os.Remove(path)
		if err := unix.Mknod(path, kind|0o755, int(unix.Mkdev(1, 3))); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	return files
}

// TestSpecialFilesAreNotOpened: the image has a device node or a FIFO where minirun reads a file from
// outside: to determine HOME, to look up user names, to explain why a program cannot be executed, and
// to fill a tmpfs.
func TestSpecialFilesAreNotOpened(t *testing.T) {
	testbundle.Need(t)
	for name, kind := range map[string]uint32{"device": unix.S_IFCHR, "FIFO": unix.S_IFIFO} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Writable,
				testbundle.AddMount(specs.Mount{Destination: "/opt", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}}))
			b.File("/bin/script", "#!/bin/evil\n", 0o755)
			files := plant(t, b, kind, "/etc/passwd", "/etc/group", "/bin/evil", "/opt/evil")
			opened := watchOpens(t, files...)
			for _, args := range [][]string{{"true"}, {"/bin/evil"}, {"evil"}, {"/bin/script"}, {"/opt/evil"}} {
				b.Spec.Process.Args = args
				_ = b.Run()
			}
			b.Spec.Process.Args = []string{"sh", "-c", "echo up; exec sleep 1000"}
			_, stop := b.Background(t)
			defer stop()
			for _, args := range [][]string{{"true"}, {"/bin/evil"}, {"/bin/script"}} {
				_ = b.Minirun(append([]string{"exec", b.ID}, args...)...)
			}
			for _, file := range opened() {
				t.Errorf("%s was opened", file)
			}
		})
	}
	t.Run("names of users", func(t *testing.T) {
		b := testbundle.New(t)
		withStore(t, b)
		name := testbundle.Prefix + "names"
		b.Minirun("run", "--detach", "--name", name, "box", "sh", "-c",
			"rm /etc/passwd; mknod /etc/passwd c 1 3; mknod /etc/group p; touch /made; exec sleep 1000").Exit(t, 0)
		defer func() { b.Minirun("rm", "-f", name).Exit(t, 0) }()
		var pid int
		if _, err := fmt.Sscanf(b.Minirun("ps", "--format", "json", name).Stdout, "[%d", &pid); err != nil {
			t.Fatal(err)
		}
		root := fmt.Sprintf("/proc/%d/root", pid)
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(root, "made")); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the container did not make its files")
			}
		}
		opened := watchOpens(t, filepath.Join(root, "etc/passwd"), filepath.Join(root, "etc/group"))
		_ = b.Minirun("exec", "-u", "root", name, "true")
		_ = b.Minirun("exec", "-u", "root:root", name, "true")
		for _, file := range opened() {
			t.Errorf("%s was opened", file)
		}
	})
	t.Run("exchanged while a tmpfs is filled", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Args("true"),
			testbundle.AddMount(specs.Mount{Destination: "/opt", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}}))
		b.File("/opt/file", "x", 0o644)
		files := plant(t, b, unix.S_IFCHR, "/opt/other")
		device := openPath(t, files[0])
		opened := watchOpens(t, fmt.Sprintf("/proc/self/fd/%d", device))
		stop := swap(t, b.Path("/opt/file"), b.Path("/opt/other"))
		defer stop()
		for range 60 {
			_ = b.Run()
		}
		if len(opened()) > 0 {
			t.Error("the device was opened")
		}
	})
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t)
		files := plant(t, b, unix.S_IFCHR, "/etc/passwd")
		opened := watchOpens(t, files...)
		if out, err := exec.Command("dd", "if="+files[0], "of=/dev/null", "count=1").CombinedOutput(); err != nil {
			t.Fatalf("dd: %v: %s", err, out)
		}
		if len(opened()) != 1 {
			t.Error("the check does not see that a device is opened")
		}
	})
}

func openPath(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}
