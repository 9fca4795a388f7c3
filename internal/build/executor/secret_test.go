package executor

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/sshagent"
)

func TestSecret(t *testing.T) {
	x := newBox(t)
	const text = "SuperSecretText"
	file := filepath.Join(x.host, "password")
	if err := os.WriteFile(file, []byte(text+"-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, out := x.step("cat /run/secrets/a; echo; stat -c '%u:%g %a' /run/secrets/a /etc/pw; cat /etc/pw; echo; echo $TOKEN; cat /both; ls /run/secrets; touch /run/secrets/a 2>/dev/null || echo ro",
		graph.Mount{Type: "secret", ID: "a"},
		graph.Mount{Type: "secret", ID: "f", Target: "/etc/pw", UID: 1000, GID: 50, Mode: 0o440},
		graph.Mount{Type: "secret", ID: "a", Env: "TOKEN"},
		graph.Mount{Type: "secret", ID: "a", Env: "BOTH", Target: "/both"},
		graph.Mount{Type: "secret", ID: "absent"},
	)
	s.Secrets = Secrets{"a": {Data: []byte(text)}, "f": {File: file}}
	said, layer := x.run(s, out)
	if want := text + "\n0:0 400\n1000:50 440\n" + text + "-file\n" + text + "\n" + text + "a\nro"; said != want {
		t.Errorf("%q", said)
	}
	if left := files(t, layer); len(left) > 0 {
		t.Errorf("the layer has %s", left)
	}
	// While the step runs, the secret is not in the store either.
	s, _ = x.step("cat /run/secrets/a > /dev/null; touch /meet/there; until [ -e /meet/go ]; do sleep 0.01; done",
		graph.Mount{Type: "secret", ID: "a"}, graph.Mount{Type: "secret", ID: "a", Env: "TOKEN"},
		graph.Mount{Type: "cache", ID: "meet", Target: "/meet"})
	s.Secrets = Secrets{"a": {Data: []byte(text)}}
	done := make(chan error)
	go func() { done <- x.Run(context.Background(), s) }()
	meet := filepath.Join(x.cacheDir("meet"), "fs")
	waitFor(t, "the program", there(filepath.Join(meet, "there")))
	looked := 0
	for _, name := range files(t, x.Store.Dir) {
		path := filepath.Join(x.Store.Dir, name)
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
			continue
		}
		data, err := os.ReadFile(path)
		if looked++; err == nil && strings.Contains(string(data), text) {
			t.Errorf("the secret is in %s", path)
		}
	}
	if looked < 3 { // the state, at least
		t.Errorf("looked at %d files only", looked)
	}
	if err := os.WriteFile(filepath.Join(meet, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	s, _ = x.step("true", graph.Mount{Type: "secret", ID: "absent", Required: true})
	x.fails(s, "--secret id=absent", "required")
	s, _ = x.step("true", graph.Mount{Type: "ssh", ID: "absent", Required: true})
	x.fails(s, "--ssh absent", "required")
}

func TestSSHAgentIsMounted(t *testing.T) {
	x := newBox(t)
	path := filepath.Join(x.host, "agent")
	agent, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := agent.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(c)
			_, _ = c.Write([]byte("you said " + string(text)))
			_ = c.Close()
		}
	}()
	s, out := x.step("stat -c '%u:%g %a %F' $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK; ls /a.sock; echo $$ > /meet/pid; until [ -e /meet/go ]; do sleep 0.01; done",
		graph.Mount{Type: "ssh", UID: 1000, GID: 1000, Mode: 0o600},
		graph.Mount{Type: "ssh", ID: "default", Target: "/a.sock"}, graph.Mount{Type: "ssh", ID: "absent"})
	forwarded, err := sshagent.Open([]string{path}, true)
	if err != nil {
		t.Fatal(err)
	}
	s.SSH = map[string]*sshagent.Agent{"default": forwarded}
	s.Op.User = "user"
	s.Op.Mounts = append(s.Op.Mounts, graph.Mount{Type: "cache", ID: "meet", Target: "/meet", Mode: 0o777})
	done := make(chan error)
	go func() { done <- x.Run(context.Background(), s) }()
	meet := filepath.Join(x.cacheDir("meet"), "fs")
	waitFor(t, "the program", there(filepath.Join(meet, "pid")))
	if got := x.speak("/run/buildkit/ssh_agent.0", "hello"); got != "you said hello" {
		t.Errorf("%q", got)
	}
	if err := os.WriteFile(filepath.Join(meet, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if want := "1000:1000 600 socket\n/run/buildkit/ssh_agent.0\n/a.sock\n"; out.String() != want {
		t.Errorf("%q", out)
	}
	if left := files(t, filepath.Join(s.Dir, "fs")); len(left) > 0 {
		t.Errorf("the layer has %s", left)
	}
}

// speak sends text to a socket in the running container, and returns the answer.
func (x *box) speak(path, text string) string {
	x.t.Helper()
	root, err := os.Open("/proc/" + x.pid() + "/root" + filepath.Dir(path))
	if err != nil {
		x.t.Fatal(err)
	}
	defer root.Close()
	c, err := net.DialUnix("unix", nil,
		&net.UnixAddr{Name: "/proc/self/fd/" + itoa(int(root.Fd())) + "/" + filepath.Base(path), Net: "unix"})
	if err != nil {
		x.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		x.t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		x.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		x.t.Fatal(err)
	}
	return string(answer)
}
