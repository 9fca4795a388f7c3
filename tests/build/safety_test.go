package build

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/tartest"
	"github.com/minirun/minirun/tests/testbundle"
)

// These tests check what a build must not reach. Files:
//
//	safety_test.go    the outside directory, and a check that it was not read or changed; contexts
//	safety_place_test.go   where COPY and ADD write
//	safety_run_test.go     what RUN can do; what needs --allow
//	safety_secret_test.go  where a secret must not be
//
// The outside directory is a directory of the host. Its contents are known, so that a test can find
// in a result what was read from it, and detect what was changed.

const (
	theHosts = "THE-HOST'S-OWN-CONTENT"
	deadline = time.Minute // a build that takes longer hangs
)

// An outside is a directory next to the contexts.
type outside struct {
	t     *testing.T
	store *store
	dir   string
	was   []string
}

func newOutside(t *testing.T, s *store) *outside {
	t.Helper()
	o := &outside{t: t, store: s, dir: filepath.Join(s.Host, "outside")}
	shell(t, s.Host, "mkdir -p outside/empty outside/d; printf '"+strings.ReplaceAll(theHosts, "'", `'"'"'`)+"' > outside/secret; cp outside/secret outside/d/secret; : > outside/nothing; printf 'FROM base\n' > outside/Dockerfile")
	o.was = tree(t, o.dir)
	t.Cleanup(o.untouched)
	return o
}

// tree lists a directory: names, kinds, modes, owners, contents.
func tree(t testing.TB, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		line := strings.Join([]string{path, os.FileMode(st.Mode).String(), itoa(int(st.Uid)), itoa(int(st.Size)), itoa(int(st.Mtim.Nsec)), itoa(int(st.Ctim.Nsec))}, " ")
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			// The times of a directory depend on the files in it.
			line = strings.Join([]string{path, os.FileMode(st.Mode).String(), itoa(int(st.Uid))}, " ")
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (o *outside) untouched() {
	o.t.Helper()
	if now := tree(o.t, o.dir); !slices.Equal(now, o.was) {
		o.t.Errorf("the outside is\n  %s\nand was\n  %s", strings.Join(now, "\n  "), strings.Join(o.was, "\n  "))
	}
}

// build builds a context created by a script, in which OUT is replaced with the outside directory's
// path, and returns the result's files, if any.
func (o *outside) build(dockerfile, script string, flags ...string) (*built, string) {
	o.t.Helper()
	dir := contextDir(o.t, map[string]string{"Dockerfile": o.path(dockerfile)}, o.path(script))
	return o.builds(dir, flags...)
}

func (o *outside) path(text string) string { return strings.ReplaceAll(text, "OUT", o.dir) }

func (o *outside) builds(dir string, flags ...string) (*built, string) {
	o.t.Helper()
	out := filepath.Join(o.t.TempDir(), "result")
	hangs := time.AfterFunc(deadline, func() { o.t.Errorf("a build of %s hangs", dir) })
	defer hangs.Stop()
	b := o.store.try(dir, append(flags, "-o", out)...)
	if strings.Contains(b.Stderr, "panic: ") {
		o.t.Errorf("the builder panics: %s", b.Stderr)
	}
	return b, out
}

// leaked reports whether something from the outside directory is in a result or in the output.
func (o *outside) leaked(b *built, out string) bool {
	o.t.Helper()
	if strings.Contains(b.said+b.Stderr+b.Stdout, theHosts) {
		return true
	}
	return len(holding(o.t, out, theHosts)) > 0
}

// holding returns the files below a directory that contain a text in their contents, names, link
// targets or attributes.
func holding(t testing.TB, dir, text string) (out []string) {
	t.Helper()
	if _, err := os.Lstat(dir); err != nil {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) { // a build is running at the same time
				return nil
			}
			return err
		}
		if strings.Contains(filepath.Base(path), text) {
			out = append(out, path)
		}
		switch {
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err == nil && bytes.Contains(data, []byte(text)) {
				out = append(out, path)
			}
		case d.Type()&fs.ModeSymlink != 0:
			if to, err := os.Readlink(path); err == nil && strings.Contains(to, text) {
				out = append(out, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestContextLinksCannotEscape: nothing outside a context is read, wherever its symbolic links lead.
func TestContextLinksCannotEscape(t *testing.T) {
	o := newOutside(t, newStore(t))
	// The check detects what is read.
	if b, out := o.build("FROM scratch\nCOPY f /\n", "cp OUT/secret f"); b.Status != 0 || !o.leaked(b, out) {
		t.Fatalf("the check does not see what a context has: %s", b.Stderr)
	}
	if b, out := o.build("FROM base\nRUN --mount=target=/m cat /m/f\n", "cp OUT/secret f"); b.Status != 0 || !o.leaked(b, out) {
		t.Fatalf("the check does not see what a program says: %s", b.Stderr)
	}
	const up = "../../../../../../../../../../../.."
	for name, c := range map[string]struct {
		dockerfile, script string
		fails              string // part of the error; "ok": success; "": a dangling link may be copied or fail
	}{
		"..":                        {"FROM scratch\nCOPY " + up + "OUT/secret /x\n", "true", "not found"},
		".. in a linked directory":  {"FROM scratch\nCOPY d/../../outside/secret /x\n", "ln -s OUT d", "not found"},
		"absolute":                  {"FROM scratch\nCOPY OUT/secret /x\n", "true", "not found"},
		"a link":                    {"FROM base\nCOPY l /x\nRUN cat /x || true\n", "ln -s OUT/secret l", ""},
		"a link up":                 {"FROM base\nCOPY l /x\nRUN cat /x || true\n", "ln -s " + up + "OUT/secret l", ""},
		"a link to a link":          {"FROM base\nCOPY a /x\nRUN cat /x || true\n", "ln -s b a; ln -s c/secret b; ln -s OUT c", ""},
		"a linked directory":        {"FROM scratch\nCOPY l /x\n", "ln -s OUT l", ""},
		"in a linked directory":     {"FROM scratch\nCOPY l/secret /x\n", "ln -s OUT l", "not found"},
		"a glob in one":             {"FROM scratch\nCOPY l/* /x/\n", "ln -s OUT l", ""},
		"a glob of directories":     {"FROM scratch\nCOPY */secret /x/\n", "ln -s OUT l", ""},
		"--parents":                 {"FROM scratch\nCOPY --parents l/secret /x/\n", "ln -s OUT l", "not found"},
		"--parents **":              {"FROM scratch\nCOPY --parents ** /x/\n", "ln -s OUT l", ""},
		"--parents, cut":            {"FROM scratch\nCOPY --parents l/./secret /x/\n", "ln -s OUT l", "not found"},
		"all":                       {"FROM base\nCOPY . /x\nRUN cat /x/l /x/m/secret || true\n", "ln -s OUT/secret l; ln -s " + up + "OUT m", "ok"},
		"magic":                     {"FROM scratch\nCOPY l/secret /x\n", "ln -s /proc/self/cwd/../outside l", "not found"},
		"an archive that is a link": {"FROM scratch\nADD l.tar /x/\n", "tar -C OUT -cf ../a.tar secret; ln -s ../a.tar l.tar; ln -s $PWD/../a.tar abs.tar", ""},
		"mount":                     {"FROM base\nRUN --mount=target=/m,source=l cat /m/secret\n", "ln -s OUT l", "minirun: "},
		"mount ..":                  {"FROM base\nRUN --mount=target=/m,source=" + up + "OUT cat /m/secret\n", "true", "not found"},
		"mount, a link up":          {"FROM base\nRUN --mount=target=/m,source=l,rw cat /m/secret; echo > /m/new\n", "ln -s " + up + "OUT l", "minirun: "},
		"mount, a link in it":       {"FROM base\nRUN --mount=target=/m,rw cat /m/l/secret || true; echo > /m/l/new\n", "ln -s OUT l", "can't create"},
		"mount of a stage":          {"FROM base AS s\nRUN ln -s OUT /l\nFROM base\nRUN --mount=from=s,target=/m,source=l,rw cat /m/secret; echo > /m/new\n", "true", "minirun: "},
		"COPY of a stage":           {"FROM base AS s\nRUN ln -s OUT /l; ln -s " + up + "OUT /m\nFROM base\nCOPY --from=s /l/secret /m/secret /x/\n", "true", "not found"},
		"COPY of all of a stage":    {"FROM base AS s\nRUN mkdir /d; ln -s OUT /d/l\nFROM base\nCOPY --from=s /d/ /x/\nRUN cat /x/l/secret || true\n", "true", "ok"},
		".dockerignore is a link":   {"FROM scratch\nCOPY . /\n", "ln -s OUT/secret .dockerignore", "ok"},
		"its own .dockerignore":     {"FROM scratch\nCOPY . /\n", "ln -s OUT/secret Dockerfile.dockerignore", "ok"},
		".dockerignore, a FIFO":     {"FROM scratch\nCOPY . /\n", "mkfifo .dockerignore", "not a regular file"},
		".dockerignore, a device":   {"FROM scratch\nCOPY . /\n", "mknod .dockerignore c 1 5", "not a regular file"},
		"Dockerfile, a FIFO":        {"", "rm Dockerfile; mkfifo Dockerfile", "not a regular file"},
		"Dockerfile, a device":      {"", "rm Dockerfile; mknod Dockerfile c 1 5", "not a regular file"},
		"no Dockerfile":             {"", "rm Dockerfile", "there is no Dockerfile"},
		"a FIFO":                    {"FROM base\nCOPY f /f\nRUN [ -p /f ]\n", "mkfifo f", "ok"},
		"a FIFO, mounted":           {"FROM base\nRUN --mount=target=/m [ -p /m/f ]\n", "mkfifo f", "ok"},
		"a FIFO as an archive":      {"FROM base\nADD f /f\nRUN [ -p /f ]\n", "mkfifo f", "ok"},
		"a device":                  {"FROM base\nCOPY f /f\n", "mknod f b 7 0", "device files of a context are not copied"},
		"a device among others":     {"FROM base\nCOPY . /f\n", "mkdir d; mknod d/f c 1 5", "device files of a context are not copied"},
		"a socket":                  {"FROM base\nCOPY . /f\nRUN [ -f /f/s ] && [ ! -s /f/s ]\n", `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("s")'`, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			b, out := o.build(c.dockerfile, c.script)
			if o.leaked(b, out) {
				t.Errorf("the outside was read: %s", b.Stderr)
			}
			says := strings.Contains(b.Stderr+b.said, c.fails)
			if c.fails == "ok" && b.Status != 0 || c.fails != "ok" && c.fails != "" && (b.Status == 0 || !says) {
				t.Errorf("status %d: %s%s", b.Status, b.said, b.Stderr)
			}
		})
	}
}

// TestDockerfileElsewhere: with -f, or with a symbolic link as the Dockerfile in their own directory,
// users decide which file is read. In an archive such a link cannot lead out of the archive.
func TestDockerfileElsewhere(t *testing.T) {
	o := newOutside(t, newStore(t))
	if b, _ := o.build("nonsense", "true", "-f", filepath.Join(o.dir, "Dockerfile")); b.Status != 0 {
		t.Error(b.Stderr)
	}
	if b, _ := o.build("nonsense", "ln -sf OUT/Dockerfile Dockerfile"); b.Status != 0 {
		t.Error(b.Stderr)
	}
	for name, link := range map[string]string{"absolute": filepath.Join(o.dir, "Dockerfile"), "up": "../../../../../../../../../.." + filepath.Join(o.dir, "Dockerfile")} {
		o.store.Stdin = string(tartest.Archive(t, old, tartest.Symlink("Dockerfile", link)))
		if b, _ := o.builds("-"); b.Status == 0 || !strings.Contains(b.Stderr, "no such file") {
			t.Errorf("%s: status %d: %s", name, b.Status, b.Stderr)
		}
		o.store.Stdin = ""
	}
}

// TestContextDirectoriesReplacedByLinks: directories of a context are replaced with symbolic links
// while it is read.
func TestContextDirectoriesReplacedByLinks(t *testing.T) {
	o := newOutside(t, newStore(t))
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY d /x\n"}, "mkdir d; echo inside > d/secret; for i in $(seq 200); do echo $i > d/$i; done; ln -s "+o.dir+" link")
	stop, stopped := make(chan bool), make(chan bool)
	swaps := 0
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, "d"), unix.AT_FDCWD, filepath.Join(dir, "link"), unix.RENAME_EXCHANGE) == nil {
				swaps++
			}
		}
	}()
	whole := 0
	for range 30 {
		b, out := o.builds(dir, "--no-cache")
		if o.leaked(b, out) {
			t.Errorf("the outside was read: %s", b.Stderr)
		}
		if b.Status == 0 {
			whole++
		}
	}
	close(stop)
	<-stopped
	t.Logf("%d builds succeeded while names were exchanged %d times", whole, swaps)
	if swaps < 100 {
		t.Error("they were hardly exchanged")
	}
}

// mountsOf returns the host's mounts.
func mountsOf() []string { return testbundle.Mounts("self") }
