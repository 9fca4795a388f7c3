package images

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

// longest is the maximum time that the commands here take.
const longest = 80 * time.Millisecond

// TestKilledCommandsLeaveConsistentStore kills pull, load, unpack, import, rmi and prune at random
// times, two at once: the store is always consistent, images that had been reported as stored are still
// there, and the killed command succeeds the next time.
func TestKilledCommandsLeaveConsistentStore(t *testing.T) {
	s, l := newStore(t), newLayout(t)
	var many []tar.Header
	for n := range 400 {
		many = append(many, file(fmt.Sprintf("d%d/f%d", n%20, n), strings.Repeat("x", n*20)))
	}
	base := busybox(t)
	l.add("one", runs("sh"), base, layer{entries: many})
	l.add("two", runs("sh"), base, layer{entries: []tar.Header{file("big", noise(3<<20))}}, layer{entries: []tar.Header{file("d0/.wh.f0", "")}, compression: "zstd"})
	r := newRegistry(t, l)
	rootfs := filepath.Join(s.Host, "rootfs.tar")
	write(t, rootfs, string(archive(t, many)))
	s.Do("load", "-q", "--name", "kept", l.dir) // the layout's last image, two
	s.Do("run", "--name", name("kept"), "kept", "true")
	commands := [][]string{
		{"pull", "-q", r.host() + "/x:one"}, {"pull", "-q", r.host() + "/x:two"}, {"load", "-q", l.dir}, {"import", rootfs, "imported"},
		{"unpack", "kept"}, {"prune"}, {"prune", "--all", "--force"}, {"rmi", "two"}, {"pull", "-q", "--no-unpack", r.host() + "/z:one"}, {"unpack", r.host() + "/z:one"}, {"tag", "kept", "also"},
	}
	killed, rubbish := 0, 0
	for n := range testbundle.Kills(t) {
		var running []*exec.Cmd
		for range 1 + n%2 {
			c := commands[rand.IntN(len(commands))]
			cmd := s.Command(c...)
			testbundle.StartGroup(t, cmd)
			running = append(running, cmd)
		}
		testbundle.WaitRandomly(longest)
		for _, cmd := range running {
			if testbundle.KillGroup(cmd) {
				killed++
			}
			_ = cmd.Wait()
		}
		rubbish += consistent(t, s)
		if t.Failed() {
			t.Fatalf("after kill %d, of %q", n, running[0].Args)
		}
	}
	t.Logf("%d killed; rubbish was seen %d times", killed, rubbish)
	// Now all of them succeed.
	for _, c := range commands {
		if c[0] != "rmi" {
			s.Do(c...)
		}
		s.Check()
	}
	s.Do("rm", name("kept"))
	s.Do("prune", "--all", "--force")
	for _, dir := range []string{"blobs/sha256", "layers", "unpacked", "tmp", "locks"} {
		if files, err := os.ReadDir(filepath.Join(s.StoreDir, dir)); err != nil || len(files) != 0 {
			t.Errorf("%s has %d files left, %v", dir, len(files), err)
		}
	}
}

// consistent checks the store, and that the image of the container that is kept still exists.
func consistent(t *testing.T, s *store) (rubbish int) {
	t.Helper()
	if len(s.Check()) > 0 {
		rubbish = 1
	}
	if got := s.Minirun("layers", name("kept"), "/bin/busybox"); got.Status != 0 {
		t.Errorf("the container has lost its layers: %s", got.Stderr)
	}
	return rubbish
}

// TestConcurrentPullFetchesOnce: eight concurrent commands need the same image; it is fetched once.
func TestConcurrentPullFetchesOnce(t *testing.T) {
	l := newLayout(t)
	l.add("app", runs("sh"), busybox(t), layer{entries: []tar.Header{file("big", noise(1<<20))}})
	s, r := newStore(t), newRegistry(t, l)
	done := make(chan testbundle.Result)
	for n := range 8 {
		go func() {
			if n%2 == 0 {
				done <- testbundle.Finish(t, s.Command("pull", "-q", fmt.Sprintf("%s/x%d:app", r.host(), n)))
			} else {
				done <- testbundle.Finish(t, s.Command("run", "--rm", "--name", name(fmt.Sprint("r", n)), fmt.Sprintf("%s/x%d:app", r.host(), n), "true"))
			}
		}()
	}
	for range 8 {
		if got := <-done; got.Status != 0 {
			t.Errorf("status %d: %s", got.Status, got.Stderr)
		}
	}
	if n := r.count("/blobs/"); n != 3 {
		t.Errorf("%d blobs were fetched, not 3: %q", n, r.requests)
	}
	s.Check()
}

// TestKilledRunLeavesNothingAfterRemove kills `run` in the foreground and in the background with its
// monitor at random times: after `rm --force` nothing is left.
func TestKilledRunLeavesNothingAfterRemove(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("k")
	for n := range testbundle.Kills(t) / 3 {
		args := []string{"run", "--name", id, "--health-cmd", "true", "--health-interval", "10ms", "busybox"}
		if n%2 == 0 {
			args = append([]string{"run", "-d"}, args[1:]...)
		}
		cmd := s.Command(args...)
		testbundle.StartGroup(t, cmd)
		testbundle.WaitRandomly(40 * time.Millisecond)
		testbundle.KillGroup(cmd)
		_ = cmd.Wait()
		if n%4 == 0 {
			_ = exec.Command("pkill", "-KILL", "-f", "monitor "+id+"$").Run()
		}
		// A living monitor may be about to start it.
		var r testbundle.Result
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			// The parent of a check that was killed is this process, and a PID namespace ends only
			// after all its processes have been reaped.
			testbundle.Reap()
			starting := exec.Command("pgrep", "-f", "monitor "+id+"$").Run() == nil
			r = s.Minirun("rm", "-f", id)
			if !starting && (r.Status == 0 || strings.Contains(r.Stderr, "no such container")) {
				break
			}
			if time.Now().After(end) {
				state, _ := os.ReadFile(filepath.Join(s.Root, id, "state.json"))
				t.Fatalf("kill %d of %q: rm --force: %s%s", n, args, r.Stderr, state)
			}
		}
		_ = exec.Command(testbundle.Binary, "--root", s.Root, "delete", "--force", id).Run()
		if files, err := os.ReadDir(filepath.Join(s.StoreDir, "containers")); err != nil || len(files) != 0 {
			t.Fatalf("kill %d of %q: left: %v, %v", n, args, files, err)
		}
	}
	s.Check()
}

// TestContainerOutlivesKilledMonitor: a container whose monitor is killed continues to run, and can be
// removed.
func TestContainerOutlivesKilledMonitor(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("m")
	s.Do("run", "-d", "--name", id, "busybox")
	if err := exec.Command("pkill", "-KILL", "-f", "monitor "+id+"$").Run(); err != nil {
		t.Fatal(err)
	}
	if got := s.Do("exec", id, "echo", "alive"); got != "alive" {
		t.Errorf("%q", got)
	}
	s.Minirun("rm", id).Fails(t, "is running")
	s.Do("stop", "-t", "0", id)
	if got := s.Do("ps", "-a"); !strings.Contains(got, id) {
		t.Errorf("ps -a: %s", got)
	}
	s.Do("rm", id)
	s.Check()
}

// TestRemoveBeforeCreated: `rm --force` of a container that its monitor has not created yet kills the
// container once it exists.
func TestRemoveBeforeCreated(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("early")
	s.Do("run", "-d", "--name", id, "busybox")
	s.Do("stop", "-t", "0", id)
	dir := filepath.Join(s.StoreDir, "containers", id)
	attended, err := os.Open(filepath.Join(dir, "attended")) // as a monitor
	if err != nil {
		t.Fatal(err)
	}
	defer attended.Close()
	if err := syscall.Flock(int(attended.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	removal := s.Command("rm", "--force", id)
	removed := make(chan testbundle.Result)
	go func() { removed <- testbundle.Finish(t, removal) }()
	time.Sleep(300 * time.Millisecond) // rm has most likely found nothing to kill
	create := exec.Command(testbundle.Binary, "--root", s.Root, "create", "--bundle", dir, id)
	create.Stderr = os.Stderr
	if err := create.Run(); err != nil {
		t.Logf("create: %v", err) // killed before it finished
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(s.Root, id)); os.IsNotExist(err) {
			break
		}
		if time.Now().After(end) {
			t.Error("rm --force does not kill the container")
			_ = exec.Command(testbundle.Binary, "--root", s.Root, "delete", "--force", id).Run()
			break
		}
	}
	attended.Close()
	if r := <-removed; r.Status != 0 {
		t.Errorf("rm --force: %s", r.Stderr)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the container's directory is left: %v", err)
	}
	s.Check()
}
