package images

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// cpContainers returns a store with a running, a stopped and ... container that have the same files.
func cpContainers(t *testing.T) (s *store, running, stopped string) {
	t.Helper()
	s = loaded(t, runs("sh", "-c", `mkdir -p /d/sub; echo text >/d/file; ln -s file /d/link; ln /d/file /d/hard; echo deep >/d/sub/deep
ln -s /d /abs; ln -s /nowhere /dangling; chown -R 1000:1000 /d; chmod 4755 /d/sub/deep; mkfifo /d/fifo; echo ready; exec sleep 1000`))
	running, stopped = name("cprun"), name("cpstop")
	for _, id := range []string{running, stopped} {
		s.Do("run", "-d", "--name", id, "-v", "cpdata:/data", "busybox")
		testbundle.Await(t, "the container", func() bool { return s.Do("logs", id) == "ready" })
	}
	s.Do("stop", "-t", "0", stopped)
	t.Cleanup(func() { s.Minirun("rm", "-f", running, stopped) })
	return s, running, stopped
}

// listFiles returns all names below a directory, with the text of files and links.
func listFiles(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		text := ""
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = "=" + strings.TrimSpace(string(content))
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text = "->" + target
		case info.IsDir():
			text = "/"
		}
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			out = append(out, rel+text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

const cpTree = "d/ d/fifo d/file=text d/hard=text d/link->file d/sub/ d/sub/deep=deep"

// TestCpOut follows the table of docker's documentation, for running and stopped containers.
func TestCpOut(t *testing.T) {
	s, running, stopped := cpContainers(t)
	content := strings.ReplaceAll(strings.TrimPrefix(cpTree, "d/ "), "d/", "")
	for _, id := range []string{running, stopped} {
		for _, c := range []struct{ flags, from, to, want string }{
			{"", "/d/file", "new", "new=text"},
			{"", "d/file", "dir", "dir/ dir/file=text"},
			{"", "/d/file", "dir/", "dir/ dir/file=text"},
			{"", "/d/file", "old", "old=text"},
			{"", "/d/link", "new", "new->file"},
			{"-L", "/d/link", "new", "new=text"},
			{"-L", "/d/link", "dir", "dir/ dir/link=text"},
			{"", "/d", "dir", "dir/ " + "dir/" + strings.ReplaceAll(cpTree, " ", " dir/")},
			{"", "/abs/", "new", strings.ReplaceAll(" "+cpTree, " d/", " new/")[1:]},
			{"", "/d", "new", strings.ReplaceAll(" "+cpTree, " d/", " new/")[1:]},
			{"", "/d/", "new/", strings.ReplaceAll(" "+cpTree, " d/", " new/")[1:]},
			{"", "/d/.", "dir", "dir/ dir/" + strings.ReplaceAll(content, " ", " dir/")},
			{"", "/d/.", "new", strings.ReplaceAll(" "+cpTree, " d/", " new/")[1:]},
			{"", "/../../d/sub/deep", "dir/other", "dir/ dir/other=deep"},
		} {
			dir := t.TempDir()
			if strings.HasPrefix(c.to, "dir") {
				if err := os.Mkdir(dir+"/dir", 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if c.to == "old" {
				if err := os.WriteFile(dir+"/old", []byte("old content that is longer"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			args := append([]string{"cp"}, strings.Fields(c.flags)...)
			s.Do(append(args, id+":"+c.from, dir+"/"+c.to)...)
			if got := listFiles(t, dir); got != c.want {
				t.Errorf("%s: cp %s %s %s: %s, want %s", id, c.flags, c.from, c.to, got, c.want)
			}
		}
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/old", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for from, want := range map[string][2]string{
			"/d": {"old", "cannot be copied to a file"}, "/d/file": {"none/", "no such directory"}, "/none": {"new", "no such file"},
			"/d/file/": {"new", "not a directory"}, "/dangling/": {"new", "no such file"}, "/d/fifo": {"none/x", "does not exist"},
		} {
			s.Minirun("cp", id+":"+from, dir+"/"+want[0]).Fails(t, want[1])
		}
		if got := listFiles(t, dir); got != "old=" {
			t.Errorf("after failures: %s", got)
		}
	}
	s.Check()
}

// TestCpOutOwnersAndRights: files belong to the caller and have no set-ID bits, except with -a.
func TestCpOutOwnersAndRights(t *testing.T) {
	s, running, stopped := cpContainers(t)
	for _, id := range []string{running, stopped} {
		dir := t.TempDir()
		s.Do("cp", id+":/d", dir+"/plain")
		s.Do("cp", "-a", "-q", id+":/d", dir+"/archive")
		for name, want := range map[string][3]uint32{"plain": {0, 0, 0o755}, "archive": {1000, 1000, 0o4755}} {
			var st, first, second unix.Stat_t
			if err := unix.Lstat(dir+"/"+name+"/sub/deep", &st); err != nil {
				t.Fatal(err)
			}
			if got := [3]uint32{st.Uid, st.Gid, st.Mode & 0o7777}; got != want {
				t.Errorf("%s: owner and mode %d, want %d", name, got, want)
			}
			_ = unix.Lstat(dir+"/"+name+"/file", &first)
			_ = unix.Lstat(dir+"/"+name+"/hard", &second)
			if first.Ino == 0 || first.Ino != second.Ino {
				t.Errorf("%s: the hard link became a copy", name)
			}
		}
		if r := s.Minirun("cp", id+":/dev/.", dir); id == running && !strings.Contains(r.Stderr, "devices are not copied") {
			t.Errorf("/dev: %s", r.Stderr)
		}
		if _, err := os.Lstat(dir + "/null"); err == nil {
			t.Error("a device was copied")
		}
	}
}

// TestCpIn copies into containers: new files belong to root there, or with -a to the owner.
func TestCpIn(t *testing.T) {
	s, running, stopped := cpContainers(t)
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/src/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"src/file": "new text", "src/sub/x": "x"} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	sparse, err := os.Create(dir + "/src/sparse")
	if err != nil {
		t.Fatal(err)
	}
	if err := sparse.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	sparse.Close()
	for _, path := range []string{"src", "src/file", "src/sub", "src/sub/x", "src/sparse"} {
		if err := os.Lchown(dir+"/"+path, 1234, 1235); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{running, stopped} {
		s.Do("cp", dir+"/src", id+":/")
		s.Do("cp", "-a", dir+"/src/.", id+":/abs/sub")
		s.Do("cp", dir+"/src/file", id+":/d/link")
		s.Do("cp", dir+"/src/file", id+":/dangling")
		s.Do("cp", dir+"/src/sub", id+":created")
		s.Minirun("cp", dir+"/src", id+":/d/file").Fails(t, "cannot be copied to a file")
		s.Minirun("cp", dir+"/src/file", id+":/none/x").Fails(t, "/none does not exist")
		s.Minirun("cp", dir+"/src/file", id+":/proc/new").Fails(t)
		if id == stopped {
			s.Minirun("cp", dir+"/src/file", id+":/dev/shm").Fails(t, "only while the container runs", "hint: ")
			s.Do("cp", dir+"/src/sub", id+":/data")
			s.Do("cp", id+":/etc/hosts", dir+"/hosts")
			out := t.TempDir()
			s.Do("cp", "-a", id+":/", out)
			for path, want := range map[string]string{"src/file": "new text", "d/sub/sub/x": "x", "d/file": "new text", "nowhere": "new text",
				"created/x": "x", "d/link": "new text", "data/sub/x": "x"} {
				if text, err := os.ReadFile(out + "/" + path); err != nil || string(text) != want {
					t.Errorf("%s: %q, %v", path, text, err)
				}
			}
			continue
		}
		s.Do("cp", dir+"/src/file", id+":/data") // the volume of both
		got := s.Do("exec", id, "sh", "-c", `cat /src/file /d/sub/sub/x /d/file /nowhere /created/x /data/file; echo
stat -c '%n %u:%g %a' /src /src/file /d/sub/file; stat -c %b /src/sparse; readlink /d/link`)
		if want := "new textxnew textnew textxnew text\n/src 0:0 755\n/src/file 0:0 640\n/d/sub/file 1234:1235 640\n0\nfile"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	s.Do("rm", stopped)
	s.Check()
}

// TestCpArchive: - is an archive in both directions.
func TestCpArchive(t *testing.T) {
	s, running, stopped := cpContainers(t)
	archive := s.Minirun("cp", stopped+":/d", "-")
	archive.Exit(t, 0)
	r := tar.NewReader(strings.NewReader(archive.Stdout))
	names := ""
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		names += h.Name + " "
		if h.Uid != 1000 && h.Name != "d/fifo" {
			t.Errorf("%s belongs to %d", h.Name, h.Uid)
		}
	}
	if names != "d/ d/fifo d/file d/hard d/link d/sub/ d/sub/deep " {
		t.Errorf("names: %s", names)
	}
	s.Do("exec", running, "mkdir", "/target")
	cmd := s.Command("cp", "-", running+":target")
	cmd.Stdin = strings.NewReader(archive.Stdout)
	testbundle.Finish(t, cmd).Exit(t, 0)
	if got := s.Do("exec", running, "stat", "-c", "%u %a", "/target/d/sub/deep"); got != "1000 4755" {
		t.Errorf("%s", got)
	}
	cmd = s.Command("cp", "-", running+":/d/file")
	cmd.Stdin = strings.NewReader(archive.Stdout)
	testbundle.Finish(t, cmd).Fails(t, "must be an existing directory")
	var hostile bytes.Buffer
	w := tar.NewWriter(&hostile)
	if err := w.WriteHeader(&tar.Header{Name: "../../../escaped", Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	cmd = s.Command("cp", "-", running+":/target")
	cmd.Stdin = &hostile
	testbundle.Finish(t, cmd).Fails(t, "leads out of")
	s.Minirun("cp", "a", "b").Fails(t, "neither path", "hint: ")
	s.Minirun("cp", running+":a", stopped+":b").Fails(t, "both paths", "hint: ")
	s.Minirun("cp", "none:a", "b").Fails(t, "no such container")
}

// TestCpStopsWithSignal: also while no process reads the archive.
func TestCpStopsWithSignal(t *testing.T) {
	s, running, _ := cpContainers(t)
	s.Do("exec", running, "dd", "of=/big", "bs=1M", "seek=100000", "count=0")
	cmd := s.Command("cp", running+":/big", "-")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Start(cmd)
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%v", err)
	}
	_ = out.Close()
	in := s.Command("cp", "-", running+":/")
	stdin, err := in.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Start(in)
	if _, err := stdin.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	testbundle.Await(t, "cp to read", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/0", in.Process.Pid))
		return err == nil && len(text) > 0 && strings.Contains(threadStates(in.Process.Pid), "pipe_read")
	})
	if err := in.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := in.Wait(); err == nil || in.ProcessState.ExitCode() != 1 {
		t.Errorf("%v", err)
	}
	s.Check()
}

// threadStates returns where the threads of a process wait.
func threadStates(pid int) (states string) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		states += string(text) + " "
	}
	return states
}

// TestCpUnprivileged: files of the user's own ranges, in running and stopped containers.
func TestCpUnprivileged(t *testing.T) {
	u := testbundle.NewUnprivileged(t)
	write(t, filepath.Join(u.Home, "rootfs.tar"), string(archive(t, busybox(t).entries)))
	u.Do(t, "minirun import rootfs.tar box")
	u.Do(t, `minirun run -d --name box box sh -c 'mkdir -m 700 /private; echo secret >/private/file; chown -R 1000:1000 /private; echo ready; exec sleep 1000'`)
	testbundle.Await(t, "the container", func() bool { return u.Do(t, "minirun logs box") == "ready" })
	for _, running := range []bool{true, false} {
		u.Do(t, "rm -rf out; minirun cp -q box:/private out; echo new >in; minirun cp -q in box:/private/in; minirun cp -q box:/private/in back")
		if got := u.Do(t, "cat out/file back; stat -c %U out out/file | sort -u; id -un"); strings.Join(strings.Fields(got)[:2], " ") != "secret new" ||
			strings.Fields(got)[2] != strings.Fields(got)[3] {
			t.Errorf("%q", got)
		}
		if running {
			if got := u.Do(t, "minirun exec box stat -c '%u %n' /private/file /private/in"); got != "1000 /private/file\n0 /private/in" {
				t.Errorf("%q", got)
			}
			u.Do(t, "minirun stop -t 0 box")
		}
	}
	u.Do(t, "minirun rm box; minirun store check; minirun prune --all --force")
}
