package docker

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

var update = flag.Bool("update", false, "write docs/errors.md")

const gallery = "../../docs/errors.md"

// A mistake is what a beginner does, and what minirun answers is in docs/errors.md.
type mistake struct {
	title    string
	before   string // a script; bundle, in which is a function that creates bundle/
	command  string
	after    string // a script that cleans up
	terminal bool
	user     bool   // without root
	status   int    // default: 1
	works    bool   // it is only a warning
	needs    string // a script that fails where the mistake cannot be made
}

// The limits for a message, and for each of its lines.
const (
	maxLines = 4
	maxWidth = 215
)

// TestErrorGallery: each mistake gets the message in docs/errors.md: what failed, why, and what to do.
// `go test ./tests/docker -run TestErrorGallery -update` writes the page.
func TestErrorGallery(t *testing.T) {
	testbundle.Need(t)
	m := newMachine(t)
	m.write("programs/minirun", "#!/bin/sh\nexec "+testbundle.Binary+" --root "+m.Root+" --store "+m.StoreDir+` "$@"`+"\n")
	user := testbundle.NewSingleID(t)
	want, err := os.ReadFile(gallery)
	if err != nil && !*update {
		t.Fatal(err)
	}
	var page strings.Builder
	page.WriteString(introduction)
	count := 0
	for _, g := range mistakes {
		fmt.Fprintf(&page, "\n## %s\n", g.title)
		for _, c := range g.mistakes {
			count++
			t.Run(c.title, func(t *testing.T) {
				here := *m
				here.t = t
				entry := here.entry(c, user)
				page.WriteString(entry)
				if !*update && !strings.Contains(string(want), entry) {
					t.Errorf("docs/errors.md does not have this entry:%s\nbut:%s", entry, section(string(want), c.title))
				}
			})
		}
	}
	if count < 60 {
		t.Errorf("%d mistakes", count)
	}
	if *update {
		if err := os.WriteFile(gallery, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if n := strings.Count(string(want), "\n### "); n != count {
		t.Errorf("docs/errors.md has %d entries for %d mistakes", n, count)
	}
}

const introduction = `# Errors

Mistakes that beginners make, and what minirun answers. A test compares each message with this page.
The first line says what failed, then why; a line that begins with ` + "`hint:`" + ` says what to do.
`

// prelude defines functions for the scripts.
const prelude = `set -e
bundle() { # a bundle that runs the arguments
	mkdir -p bundle/rootfs/bin; cp /bin/busybox bundle/rootfs/bin/; for a in sh cat sleep id; do ln -sf busybox bundle/rootfs/bin/$a; done
	minirun spec --bundle bundle; sed -i 's/"terminal": true/"terminal": false/' bundle/config.json
	[ $# = 0 ] || sed -i "s|\"sh\"|\"$1\"|" bundle/config.json
}
`

// entry makes a mistake and returns its entry in the gallery.
func (m *machine) entry(c mistake, user *testbundle.Unprivileged) string {
	m.t.Helper()
	if c.needs != "" {
		if out, err := exec.Command("sh", "-c", c.needs).CombinedOutput(); err != nil {
			m.t.Skipf("this machine cannot make the mistake: %s: %v: %s", c.needs, err, out)
		}
	}
	defer m.cleanUp()
	dir := m.dir
	var r testbundle.Result
	if c.user {
		dir = user.Home
		r = testbundle.Finish(m.t, user.Command(prelude+c.before+"\n"+c.command))
	} else {
		if r := testbundle.Finish(m.t, m.shell(prelude+c.before)); r.Status != 0 {
			m.t.Fatalf("%s: status %d: %s%s", c.before, r.Status, r.Stdout, r.Stderr)
		}
		defer func() { _ = m.shell(c.after).Run() }()
		r = m.result(line{line: c.command, terminal: c.terminal, plain: !c.terminal})
	}
	want := c.status
	if want == 0 && !c.works {
		want = 1
	}
	if r.Status != want {
		m.t.Errorf("status %d, want %d", r.Status, want)
	}
	text := r.Stderr
	if c.terminal {
		text = r.Stdout
	} else if r.Stdout != "" {
		m.t.Errorf("printed on standard output: %q", r.Stdout)
	}
	text = m.normalize(afterProgress(text), dir)
	if n := strings.Count(afterExcerpt(text), "\n"); n > maxLines || n == 0 {
		m.t.Errorf("the message has %d lines:\n%s", n, text)
	}
	for l := range strings.Lines(text) {
		if len([]rune(l)) > maxWidth {
			m.t.Errorf("this line is too wide: %s", l)
		}
	}
	return fmt.Sprintf("\n### %s\n\n```\n$ %s\n%s```\n", c.title, c.command, text)
}

// afterProgress returns a build's message without the progress before it.
func afterProgress(text string) string {
	i := strings.Index("\n"+text, "\nminirun: ")
	if excerpt := strings.Index("\n"+text, "\nDockerfile:"); excerpt >= 0 {
		return text[excerpt:]
	}
	return text[max(i, 0):]
}

// afterExcerpt returns a build's message without the lines of the Dockerfile.
func afterExcerpt(text string) string {
	const rule = "--------------------\n"
	return text[strings.LastIndex(text, rule)+1:]
}

var (
	processID = regexp.MustCompile(`\b(pid|process|PID) \d+`)
	generated = regexp.MustCompile(`\brun-\d+`)
	resolver  = regexp.MustCompile(`dial udp \S+:53:`)
	temporary = regexp.MustCompile(`\bimport-\d+`)
	random    = regexp.MustCompile(`\b([a-z]+)-[0-9a-f]{6}\b`)
	idRange   = regexp.MustCompile(`\d+:\d+:65536`)
	cgroup    = regexp.MustCompile(`/sys/fs/cgroup/\S*`)
	digestID  = regexp.MustCompile(`sha256:[0-9a-f]{12,64}`)
)

// normalize replaces what differs between machines.
func (m *machine) normalize(text, dir string) string {
	for _, pair := range [][2]string{{dir, "/home/me"}, {m.StoreDir, "/var/lib/minirun"}, {m.Root, "/run/minirun"}, {m.Host, "/home"}, {filepath.Dir(testbundle.Binary), "/usr/bin"}} {
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	text = processID.ReplaceAllString(text, "$1 4711")
	text = resolver.ReplaceAllString(text, "dial udp 192.0.2.53:53:")
	text = temporary.ReplaceAllString(text, "import-1234")
	text = random.ReplaceAllString(text, "$1-012abc")
	text = idRange.ReplaceAllString(text, "54321:100000:65536")
	text = cgroup.ReplaceAllString(text, "/sys/fs/cgroup/…")
	text = generated.ReplaceAllString(text, "run-4711")
	return digestID.ReplaceAllString(text, "sha256:0123456789ab…")
}

// section returns the entry of a page with this title.
func section(page, title string) string {
	_, rest, ok := strings.Cut(page, "\n### "+title+"\n")
	if !ok {
		return ""
	}
	entry, _, _ := strings.Cut(rest, "\n#")
	return "\n### " + title + "\n" + entry + "\n"
}
