// Package setup tests scripts/setup and scripts/lib.sh with stand-ins for apt, sudo and go.
package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A system is a machine with a stand-in for some programs, which write their calls to a log.
type system struct {
	t   *testing.T
	bin string
}

func newSystem(t *testing.T) *system {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to hide the Go of this machine")
	}
	if _, err := os.Stat("/usr/bin/go"); err == nil {
		t.Skip("needs a machine without /usr/bin/go")
	}
	s := &system{t, t.TempDir()}
	s.program("sudo", `exec "$@"`)
	s.program("dpkg-query", `echo "install ok installed"`)
	s.program("ldd", "exit 1") // busybox is static
	for _, name := range []string{"busybox", "make", "git"} {
		s.program(name, "")
	}
	return s
}

// program adds a stand-in, a shell script.
func (s *system) program(name, script string) {
	s.t.Helper()
	text := "#!/bin/sh\necho " + name + ` "$@" >>"$(dirname "$0")/calls"` + "\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(s.bin, name), []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// offers makes apt offer a version of golang-go, which can be installed.
func (s *system) offers(candidate, version string) {
	s.t.Helper()
	s.program("apt-cache", `printf 'golang-go:\n  Installed: (none)\n  Candidate: `+candidate+`\n'`)
	s.program("apt-get", `case "$*" in *install*golang-go*) mv "$(dirname "$0")/future" "$(dirname "$0")/go" ;; esac`)
	s.hasGo(version)
	if err := os.Rename(filepath.Join(s.bin, "go"), filepath.Join(s.bin, "future")); err != nil {
		s.t.Fatal(err)
	}
}

// hasGo adds the go command.
func (s *system) hasGo(version string) {
	s.t.Helper()
	s.program("go", `echo "GOTOOLCHAIN=$GOTOOLCHAIN" >>"$(dirname "$0")/calls"
[ "$1" != version ] || echo "go version go`+version+` linux/amd64"`)
}

// setup runs scripts/setup, and returns its messages and the calls of the stand-ins.
func (s *system) setup() (status int, messages, calls string) {
	s.t.Helper()
	cmd := exec.Command("unshare", "--mount", "sh", "-c",
		"[ ! -d /usr/local/go ] || mount -t tmpfs none /usr/local/go; exec scripts/setup")
	cmd.Dir = "../.."
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "HOME=" + s.bin}
	text, _ := cmd.CombinedOutput()
	logged, _ := os.ReadFile(filepath.Join(s.bin, "calls"))
	return cmd.ProcessState.ExitCode(), string(text), string(logged)
}

func TestSetupInstallsGo(t *testing.T) {
	s := newSystem(t)
	s.offers("2:1.24~2", "1.24.4")
	status, messages, calls := s.setup()
	if status != 0 || !strings.Contains(calls, "golang-go\n") || !strings.Contains(calls, "go list -m\nGOTOOLCHAIN=auto") {
		t.Errorf("status %d, calls:\n%s\nmessages:\n%s", status, calls, messages)
	}
	if strings.Contains(calls, "install -y -q --no-install-recommends busybox-static") {
		t.Errorf("a package that is there is installed:\n%s", calls)
	}
}

func TestSetupExplainsOldGo(t *testing.T) {
	offered := newSystem(t)
	offered.offers("2:1.19~1", "1.19.8")
	present := newSystem(t)
	present.hasGo("1.19.8")
	for name, s := range map[string]*system{"offered": offered, "present": present} {
		status, messages, calls := s.setup()
		if status != 1 || strings.Contains(calls, "install") {
			t.Errorf("%s: status %d, calls:\n%s", name, status, calls)
		}
		for _, want := range []string{"1.19", "cannot fetch Go", "two commands", "\n  sudo "} {
			if !strings.Contains(messages, want) {
				t.Errorf("%s: no %q in\n%s", name, want, messages)
			}
		}
	}
}

// A busybox that needs shared libraries cannot run in a new root file system.
func TestSetupReplacesDynamicBusybox(t *testing.T) {
	s := newSystem(t)
	s.hasGo("1.26.0")
	s.program("ldd", "exit 0")
	s.program("apt-get", "")
	if _, messages, calls := s.setup(); !strings.Contains(calls, "install -y -q --no-install-recommends busybox-static") {
		t.Errorf("calls:\n%s\nmessages:\n%s", calls, messages)
	}
}

// With sudo ./try, the owner of the clone builds: no file in it may belong to root.
func TestOwnerOfTheCloneBuilds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	lib, err := filepath.Abs("../../scripts/lib.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{"0", "1234"} {
		clone := t.TempDir()
		script := `chown ` + owner + ` . && . "$0" && as_owner id -u && as_owner sh -c 'echo $HOME'`
		cmd := exec.Command("sh", "-c", script, lib)
		cmd.Dir, cmd.Env = clone, []string{"PATH=/usr/bin:/bin", "HOME=/root"}
		out, err := cmd.CombinedOutput()
		words := strings.Fields(string(out))
		if err != nil || len(words) != 2 || words[0] != owner || (words[1] == "/root") != (owner == "0") {
			t.Errorf("owner %s: %v, %s", owner, err, out)
		}
	}
}

func TestVersionsAreCompared(t *testing.T) {
	for version, want := range map[string]string{
		"1.19~1": "no", "1.20.14": "no", "1.21": "yes", "1.21~2": "yes", "1.21.0": "yes", "1.24.4-1": "yes", "2.0": "yes", "": "no",
	} {
		cmd := exec.Command("sh", "-c", `. ../../scripts/lib.sh; if fetches_go "$0"; then echo yes; else echo no; fi`, version)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q: %v, %s, want %s", version, err, out, want)
		}
	}
}
