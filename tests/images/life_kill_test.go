package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestKilledLifeCommands kills the commands for the life of a container at random times, sometimes with
// its monitor: afterwards it can be restarted, or it is gone; and after `rm -f` nothing is left.
func TestKilledLifeCommands(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("k")
	commands := []string{"stop -t 0", "restart -t 0", "start", "rm -f", "rename", "kill"}
	for n := range testbundle.Kills(t) / 3 {
		command := commands[n%len(commands)]
		flags := []string{"run", "-d", "--name", id}
		if n%4 == 1 {
			flags = append(flags, "--restart", "always")
		}
		s.Do(append(flags, "busybox")...)
		if n%len(commands) == 2 || n%len(commands) == 4 {
			s.Do("stop", "-t", "0", id)
		}
		args := append(strings.Fields(command), id)
		if command == "rename" {
			args = append(args, name("renamed"))
		}
		cmd := s.Command(args...)
		testbundle.StartGroup(t, cmd)
		testbundle.WaitRandomly(40 * time.Millisecond)
		testbundle.KillGroup(cmd)
		_ = cmd.Wait()
		if n%3 == 0 {
			_ = exec.Command("pkill", "-KILL", "-f", "monitor "+id+"$").Run()
		}
		testbundle.Reap()
		now := id
		if s.state(id).Container == "" && command == "rename" {
			now = name("renamed")
		}
		if s.state(now).Container != "" {
			if r := s.Minirun("restart", "-t", "0", now); r.Status != 0 || s.state(now).State != "running" {
				t.Fatalf("kill %d of %s: %s%+v", n, command, r.Stderr, s.state(now))
			}
			s.Do("rm", "-f", now)
		} else if r := s.Minirun("rm", "-f", now); r.Status != 0 { // the rest of a removal
			t.Fatalf("kill %d of %s: %s", n, command, r.Stderr)
		}
		s.Do("prune")
		for _, dir := range []string{filepath.Join(s.StoreDir, "containers"), s.Root} {
			if files, err := os.ReadDir(dir); err != nil && !os.IsNotExist(err) || len(files) != 0 {
				t.Fatalf("kill %d of %s: left: %v, %v", n, command, files, err)
			}
		}
	}
	s.Check()
}
