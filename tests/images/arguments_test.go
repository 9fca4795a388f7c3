package images

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Everything after the container's command belongs to the program, whatever it means to minirun or to
// the library that parses its command line.
func TestArgumentsOfTheProgramReachIt(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("arguments")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	for _, words := range []string{
		"--generate-bash-completion", "a --generate-bash-completion", "--help", "-h", "--version", "-v", "help", "run", "-- a", "-- --generate-bash-completion",
		"--rm --name x", "-it", "--root /", "=", "-", "--",
	} {
		args := strings.Fields(words)
		for verb, flags := range map[string][]string{"run": {"run", "--rm", "--name", name("a"), "busybox"}, "exec": {"exec", id}} {
			if got := s.Do(append(append(flags, "echo"), args...)...); got != words {
				t.Errorf("%s … echo %s: %q", verb, words, got)
			}
		}
	}
	for _, last := range []string{"--generate-bash-completion", "--help"} {
		if r := s.Minirun("run", "--rm", "--name", name("a"), "busybox", last); r.Status != 127 {
			t.Errorf("%s as the program: status %d: %s%s", last, r.Status, r.Stdout, r.Stderr)
		}
	}
}

// TestWrongUseOfImageCommands: the error begins with the name of the command, and no argument is
// ignored.
func TestWrongUseOfImageCommands(t *testing.T) {
	s := newStore(t)
	for line, want := range map[string]string{
		"store frobnicate":    `store: unknown subcommand "frobnicate"`,
		"store check a":       `store check: unexpected argument "a"`,
		"images --frobnicate": "images: unknown flag --frobnicate",
		"tag a --frobnicate":  "tag: unknown flag --frobnicate",
		"tag a":               "tag: missing argument: NAME",
		"tag a b c":           `tag: unexpected argument "c"`,
		"rmi":                 "rmi: missing argument: IMAGE",
	} {
		r := s.Minirun(strings.Fields(line)...)
		if r.Status != 1 || r.Stdout != "" || !strings.HasPrefix(r.Stderr, "minirun: "+want) {
			t.Errorf("minirun %s: status %d, output %q, error %q", line, r.Status, r.Stdout, r.Stderr)
		}
	}
	if out := s.Do("help", "pull"); !strings.Contains(out, "minirun pull") {
		t.Errorf("help pull: %q", out)
	}
	if out := s.Do("images", "busybox", "--quiet"); out != "" {
		t.Errorf("images NAME --quiet in an empty store: %q", out)
	}
}

// TestDetachedRunTakesFlags: the flags that `run` and `create` share also apply to a container that
// is started by a monitor, with paths relative to the caller's directory.
func TestDetachedRunTakesFlags(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	t.Chdir(s.Host)
	l, err := net.Listen("unix", filepath.Join(s.Host, "pidfd"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	received := make(chan string, 1)
	go func() {
		defer close(received)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		data := make([]byte, 100)
		if n, err := conn.Read(data); err == nil {
			received <- string(data[:n])
		}
	}()
	id := name("detached")
	s.Do("run", "-d", "--name", id, "--pid-file", "pid", "--pidfd-socket", "pidfd", "--no-new-keyring", "busybox")
	defer s.Do("rm", "-f", id)
	var state struct{ Pid int }
	if err := json.Unmarshal([]byte(s.Do("state", id)), &state); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile("pid"); err != nil || string(text) != strconv.Itoa(state.Pid) {
		t.Errorf("--pid-file: %q, %v; the container's process is %d", text, err, state.Pid)
	}
	select {
	case text := <-received:
		if text != "standard" {
			t.Errorf("--pidfd-socket: received %q", text)
		}
	case <-time.After(time.Minute):
		t.Error("--pidfd-socket: nothing was sent")
	}
}

// TestFlagsWithoutEffectAreRefused: a flag that is impossible for a container created from an image
// is an error, and no container is left.
func TestFlagsWithoutEffectAreRefused(t *testing.T) {
	s := loaded(t, runs("true"))
	for _, flags := range []string{
		"--layer=x", "--ephemeral", "--keep", "--explain-level=x", "--explain-to=/none/such/file",
		"-d --preserve-fds=1", "-d --explain", "-d --trace=x",
	} {
		words := strings.Fields(flags)
		flag, _, _ := strings.Cut(words[len(words)-1], "=")
		r := s.Minirun(append(append([]string{"run", "--name", name("f")}, words...), "busybox")...)
		r.Fails(t, flag)
		if r.Status != 125 {
			t.Errorf("%s: status %d", flags, r.Status)
		}
	}
	if left := s.Do("ps", "-a", "-q"); left != "" {
		t.Errorf("left: %s", left)
	}
	t.Setenv("NOTIFY_SOCKET", "/none/such/socket")
	r := s.Minirun("run", "-d", "--rm", "--name", name("f"), "busybox")
	if r.Status != 0 || !strings.Contains(r.Stderr, "NOTIFY_SOCKET has no effect") {
		t.Errorf("with NOTIFY_SOCKET: status %d: %s", r.Status, r.Stderr)
	}
}
