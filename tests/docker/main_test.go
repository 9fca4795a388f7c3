// Package docker tests minirun the way users of docker know it: command lines from Docker's reference
// documentation run unchanged, and beginners' mistakes are answered with what to do.
//
//	main_test.go     a store with images, and a program called docker
//	lines_*_test.go  the command lines, by the page of the documentation
//	errors_test.go   docs/errors.md: mistakes and their messages
package docker

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/tartest"
	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) { testbundle.MainWithImages(m) }

// A machine is a directory with files, a store with the images that the documentation uses, and a
// program called docker in PATH, which is minirun.
type machine struct {
	*testbundle.Store
	t    *testing.T
	dir  string
	path string
}

// applets lists the commands of the images' busybox.
var applets = strings.Fields("sh cat echo env grep head hostname httpd id ip ls mkdir mount nslookup ping ps pwd sed sleep stat tail test touch " +
	"true tr ulimit uname wc wget rm ln nc kill seq printf date dd find false cp mv du stty tty top")

func newMachine(t *testing.T) *machine {
	t.Helper()
	s := testbundle.NewStore(t)
	m := &machine{Store: s, t: t, dir: filepath.Join(s.Host, "work"), path: filepath.Join(s.Host, "programs")}
	m.write("programs/docker", "#!/bin/sh\nexec "+testbundle.Binary+" --root "+s.Root+" --store "+s.StoreDir+` "$@"`+"\n")
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.importImages()
	return m
}

// write writes a file below the test's directory.
func (m *machine) write(name, text string) string {
	m.t.Helper()
	path := filepath.Join(m.Host, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// importImages creates the images that the documentation's command lines name, all from one busybox.
func (m *machine) importImages() {
	m.t.Helper()
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		m.t.Skip("needs busybox: ", err)
	}
	run := tartest.File("bin/busybox", string(program))
	run.Mode = 0o755
	bash := tartest.File("bin/bash", "#!/bin/sh\nexec sh \"$@\"\n")
	bash.Mode = 0o755
	entries := []tar.Header{tartest.Dir("bin"), run, bash, tartest.Dir("etc"), tartest.Dir("tmp"), tartest.Dir("root"),
		tartest.File("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), tartest.File("etc/group", "root:x:0:\n"),
		tartest.Dir("var"), tartest.Dir("var/logs"), tartest.File("var/logs/app.log", "ok\nERROR: x\n"), tartest.Dir("work")}
	for _, a := range applets {
		entries = append(entries, tartest.Symlink("bin/"+a, "busybox"))
	}
	archive := m.write("root.tar", string(tartest.Archive(m.t, time.Unix(1700000000, 0), entries...)))
	m.Do("import", "-c", `CMD ["sh"]`, "-c", "ENV PATH=/bin", archive, "busybox:latest")
	m.Do("import", "-c", `CMD ["httpd", "-f", "-v", "-p", "80", "-h", "/etc"]`, "-c", "ENV PATH=/bin", "-c", "EXPOSE 80", archive, "nginx:alpine")
	m.Do("import", "-c", `CMD ["sleep", "1000"]`, "-c", "ENV PATH=/bin", "-c", "LABEL com.example.version=1.0", archive, "redis:latest")
	for _, name := range []string{"ubuntu", "debian", "alpine", "fedora", "java:8", "java:latest", "my_image"} {
		m.Do("tag", "busybox", name)
	}
}

// shell returns a command of bash, in which docker is minirun.
func (m *machine) shell(script string) *exec.Cmd {
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "MINIRUN_NETWORK=", "PATH="+m.path+":"+os.Getenv("PATH"), "HOME="+m.Host)
	return cmd
}

// run runs a script, which must succeed.
func (m *machine) run(script string) string {
	m.t.Helper()
	r := testbundle.Finish(m.t, m.shell(script))
	if r.Status != 0 {
		m.t.Errorf("%s: status %d: %s%s", script, r.Status, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// A line is a command line from the documentation.
type line struct {
	line     string
	before   string // a script that prepares what the documentation assumes
	terminal bool   // on a terminal, in addition to lines with -t
	plain    bool   // never on a terminal
	typed    string // typed on the terminal
	want     string // a regular expression for its output; on a terminal both outputs
	message  string // a regular expression for standard error
	status   int
	check    string // a script that shows the effect
	seen     string // a regular expression for the output of check
	unlisted string // a reason not to count the line, such as a missing program
}

// cleanUp removes the containers, networks, volumes and files of a test.
func (m *machine) cleanUp() {
	m.t.Helper()
	testbundle.ReapOrphans(m.t) // of exec -d: a PID namespace ends only when its last process has been reaped
	if ids := strings.Fields(m.run("docker ps -aq")); len(ids) > 0 {
		m.run("docker rm -f " + strings.Join(ids, " "))
	}
	m.run("docker network prune -f; docker volume prune -a -f; rm -rf ./* ./.??*")
}

// test runs a line on this machine, and removes what it leaves.
func (m *machine) test(t *testing.T, l line) {
	t.Helper()
	here := *m
	here.t = t
	defer here.cleanUp()
	if l.before != "" {
		if r := testbundle.Finish(t, here.shell("set -e; "+l.before)); r.Status != 0 {
			t.Fatalf("%s: status %d: %s%s", l.before, r.Status, r.Stdout, r.Stderr)
		}
	}
	r := here.result(l)
	if r.Status != l.status {
		t.Errorf("status %d, want %d: %s%s", r.Status, l.status, r.Stdout, r.Stderr)
	}
	matches(t, "output", r.Stdout, l.want)
	matches(t, "standard error", r.Stderr, l.message)
	if l.check != "" {
		matches(t, l.check, here.run(l.check), l.seen)
	}
}

func (m *machine) result(l line) testbundle.Result {
	m.t.Helper()
	if l.plain || !l.terminal && !needsTerminal(l.line) {
		return testbundle.Finish(m.t, m.shell(l.line))
	}
	p := testbundle.NewPty(m.t)
	cmd := m.shell(l.line)
	p.Attach(cmd)
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if l.typed != "" {
		p.Type(l.typed)
	}
	_ = cmd.Wait()
	return testbundle.Result{Stdout: strings.ReplaceAll(p.Rest(), "\r\n", "\n"), Status: cmd.ProcessState.ExitCode()}
}

var terminalFlag = regexp.MustCompile(` -(i?td?|t -i|i -t|it[a-z]*) `)

func needsTerminal(line string) bool { return terminalFlag.MatchString(line) }

func matches(t *testing.T, what, text, want string) {
	t.Helper()
	if want != "" && !regexp.MustCompile(`(?m)`+want).MatchString(text) {
		t.Errorf("%s: %q does not match %q", what, text, want)
	}
}

// testLines runs the lines of a page.
func testLines(t *testing.T, lines []line) {
	t.Helper()
	testbundle.Need(t)
	m := newMachine(t)
	for _, l := range lines {
		t.Run(strings.ReplaceAll(l.line, "/", "|"), func(t *testing.T) {
			if l.unlisted != "" {
				t.Skip(l.unlisted)
			}
			m.test(t, l)
		})
	}
	m.Check()
}
