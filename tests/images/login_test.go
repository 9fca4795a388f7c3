package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestLogin: login, pull, push and logout with a registry that needs a password.
func TestLogin(t *testing.T) {
	host := testbundle.PrivateRegistry(t, "user", "right")
	s := loaded(t, runs("sh"))
	config := filepath.Join(t.TempDir(), "docker")
	s.Env = []string{"DOCKER_CONFIG=" + config}
	s.Do("tag", "busybox", host+"/app:1")
	s.Minirun("push", "-q", host+"/app:1").Fails(t, "cannot access it (", "hint: log in with minirun login "+host)
	s.Minirun("pull", "-q", host+"/app:1").Fails(t, "cannot access it (", "hint: log in with minirun login "+host)

	r := s.Minirun("login", "-u", "user", "-p", "wrong", host)
	r.Fails(t, `refuses user "user"`, "password is wrong", "401", "hint: ", "list of processes")
	if _, err := os.Stat(filepath.Join(config, "config.json")); err == nil {
		t.Error("wrong credentials were stored")
	}
	s.Minirun("login", "--password-stdin", host).Fails(t, "needs --username", "hint: ")
	s.Minirun("login", "-p", "x", "--password-stdin", "-u", "user", host).Fails(t, "cannot be combined")
	s.Minirun("login", "-u", "user", host).Fails(t, "not a terminal", "hint: minirun login -u USER --password-stdin "+host)
	s.Minirun("login", "-u", "", host).Fails(t, "is empty", "hint: ")
	s.Minirun("login", "a b").Fails(t, "not a host name", "hint: ")

	cmd := s.Command("login", "--username", "user", "--password-stdin", "http://"+host+"/v2/")
	cmd.Stdin = strings.NewReader("right\n")
	r = testbundle.Finish(t, cmd)
	if r.Status != 0 || !strings.Contains(r.Stdout, "Login Succeeded") || !strings.Contains(r.Stderr, "unencrypted in "+config) {
		t.Fatalf("%+v", r)
	}
	info, err := os.Stat(filepath.Join(config, "config.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	s.Do("push", "-q", host+"/app:1")
	s.Do("rmi", host+"/app:1")
	s.Do("pull", "-q", host+"/app:1")
	if out := s.Do("login", host); !strings.Contains(out, "with the stored credentials") {
		t.Errorf("%s", out)
	}
	if out := s.Do("logout", host); !strings.Contains(out, "Removed the credentials for "+host) {
		t.Errorf("%s", out)
	}
	if out := s.Do("logout", host); out != "Not logged in to "+host {
		t.Errorf("%s", out)
	}
	s.Minirun("pull", "-q", host+"/app:1").Fails(t, "hint: log in with minirun login "+host)
}

// TestLoginAsksOnTerminal: the terminal does not show the password, and echoes again afterwards.
func TestLoginAsksOnTerminal(t *testing.T) {
	host := testbundle.PrivateRegistry(t, "user", "right")
	s := newStore(t)
	s.Env = []string{"DOCKER_CONFIG=" + t.TempDir()}
	for _, password := range []string{"wrong", "right"} {
		pty, cmd := s.onTerminal(t, "login", host)
		before := pty.Termios()
		pty.Expect("User name for " + host + ": ")
		pty.Type("user\n")
		pty.Expect("Password: ")
		pty.Type(password + "\n")
		want := map[string]string{"wrong": "password is wrong", "right": "Login Succeeded"}[password]
		if shown := pty.Expect(want); strings.Contains(shown, password+"\r") {
			t.Errorf("the password is shown: %q", shown)
		}
		if err := cmd.Wait(); (err == nil) != (password == "right") {
			t.Errorf("%s: %v", password, err)
		}
		if after := pty.Termios(); after.Lflag != before.Lflag {
			t.Errorf("the terminal's flags changed from %x to %x", before.Lflag, after.Lflag)
		}
	}
}

// TestLoginUsesHelper: with credsStore, the helper has the password and the file does not, and pull
// gets it from there.
func TestLoginUsesHelper(t *testing.T) {
	host := testbundle.PrivateRegistry(t, "user", "right")
	s := loaded(t, runs("sh"))
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.json"), `{"credsStore": "test", "other": 1}`)
	helper := filepath.Join(dir, "docker-credential-test")
	write(t, helper, `#!/bin/sh
in=$(cat)
case $1 in
get) [ -e `+dir+`/secret ] && cat `+dir+`/secret || { echo credentials not found in native keychain; exit 1; };;
store) echo "$in" >`+dir+`/secret;;
erase) rm `+dir+`/secret;;
esac
`)
	if err := os.Chmod(helper, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Env = []string{"DOCKER_CONFIG=" + dir, "PATH=" + dir + ":" + os.Getenv("PATH")}
	r := s.Minirun("login", "-u", "user", "-p", "right", host)
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if r.Status != 0 || err != nil || strings.Contains(string(text), "dXNlcjpyaWdodA") ||
		!strings.Contains(string(text), `"other": 1`) || strings.Contains(r.Stderr, "unencrypted") {
		t.Fatalf("%+v %v %s", r, err, text)
	}
	s.Do("tag", "busybox", host+"/app:1")
	s.Do("push", "-q", host+"/app:1")
	if out := s.Do("logout", host); !strings.Contains(out, "from docker-credential-test") {
		t.Errorf("%s", out)
	}
	s.Minirun("push", "-q", host+"/app:1").Fails(t, "hint: log in with minirun login "+host)
	if err := os.Remove(helper); err != nil {
		t.Fatal(err)
	}
	s.Minirun("pull", "-q", host+"/app:1").Fails(t, "docker-credential-test is not installed", dir+"/config.json", "hint: ")
}
