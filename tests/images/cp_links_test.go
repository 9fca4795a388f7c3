package images

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCpWhileLinksAreSwapped: all the time, the container exchanges a directory for a link to a
// directory of the host (CVE-2018-15664). cp reads and writes only the container's files, in both
// directions, and the same is shown to fail without the guard.
func TestCpWhileLinksAreSwapped(t *testing.T) {
	s, running, _ := cpContainers(t)
	host := filepath.Join(s.Host, "of-the-host")
	write(t, host+"/secret", "of the host")
	write(t, host+"/sub/secret", "of the host")
	s.Do("exec", running, "sh", "-c", "mkdir -p /x/sub; echo inside >/x/secret; echo inside >/x/sub/secret; ln -s "+host+" /y; ln -s "+host+"/sub /z")
	root := containerRoot(t, s, running)
	stop := swap(t, root, [2]string{"x", "y"}, [2]string{"x/new", "z"}, [2]string{"x/sub", "z"})
	before := hostState(t, host)

	dir := t.TempDir()
	write(t, dir+"/in", "of the user")
	write(t, dir+"/new/file", "of the user")
	if err := os.Chmod(dir+"/new", 0o777); err != nil {
		t.Fatal(err)
	}
	copied := 0
	for i := range 25 {
		out := fmt.Sprint(dir, "/out", i)
		for _, from := range []string{"/x/secret", "/x/sub/secret", "/x"} {
			if s.Minirun("cp", "-q", "-L", running+":"+from, out).Status == 0 {
				copied++
			}
			if text := listFiles(t, dir); strings.Contains(text, "of the host") {
				t.Fatalf("a file of the host was copied out: %s", text)
			}
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range [][2]string{{"/in", "/x/secret"}, {"/new", "/x"}, {"/new", "/x/sub"}, {"/in", "/x/sub/"}, {"/new/.", "/x/new"}} {
			if s.Minirun("cp", "-q", dir+c[0], running+":"+c[1]).Status == 0 {
				copied++
			}
		}
	}
	if after := hostState(t, host); after != before {
		t.Errorf("the host's directory was changed:\n%s\nbefore:\n%s", after, before)
	}
	if copied < 20 {
		t.Errorf("only %d copies succeeded", copied)
	}
	naive := fmt.Sprintf("/proc/self/fd/%d/x/secret", root)
	for tries := 0; ; tries++ {
		if text, err := os.ReadFile(naive); err == nil && string(text) == "of the host" {
			break
		}
		if tries > 1e6 {
			t.Fatal("without the guard, nothing of the host was read either: the test shows nothing")
		}
	}
	stop()
}

// containerRoot opens the root directory of a running container.
func containerRoot(t *testing.T, s *store, id string) int {
	t.Helper()
	fd, err := unix.Open("/proc/"+s.Do("ps", "--format", "{{.Pid}}", "-f", "name="+id)+"/root", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// swap exchanges pairs of names, as a program in the container would do it, until the test ends or
// the result is called.
func swap(t *testing.T, root int, pairs ...[2]string) func() {
	t.Helper()
	end := make(chan struct{})
	var all sync.WaitGroup
	for _, p := range pairs {
		all.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				// Not through links: this loop must not touch the host itself.
				var fds [2]int
				for i, name := range p {
					var err error
					how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
					if fds[i], err = unix.Openat2(root, filepath.Dir(name), &how); err != nil {
						fds[i] = -1
					}
				}
				if fds[0] >= 0 && fds[1] >= 0 {
					err := unix.Renameat2(fds[0], filepath.Base(p[0]), fds[1], filepath.Base(p[1]), unix.RENAME_EXCHANGE)
					if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
						t.Error(err)
						return
					}
				}
				for _, fd := range fds {
					if fd >= 0 {
						_ = unix.Close(fd)
					}
				}
			}
		})
	}
	stop := sync.OnceFunc(func() {
		close(end)
		all.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// hostState describes the files below a directory: names, contents, owners, modes and times.
func hostState(t *testing.T, dir string) string {
	t.Helper()
	text := listFiles(t, dir)
	for _, name := range []string{"", "/secret", "/sub", "/sub/secret"} {
		var st unix.Stat_t
		if err := unix.Lstat(dir+name, &st); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("\n%s %d:%d %o %v", name, st.Uid, st.Gid, st.Mode, st.Mtim)
	}
	return text
}
