// Package build tests minirun build as its users have it, and against BuildKit.
//
//	main_test.go     a store with base images; a case's directory
//	corpus_test.go   corpus/*.txt: Dockerfiles, a family a file
//	git_test.go      git repositories as contexts
//	ssh_test.go      --ssh: keys and agents, of RUN and of git
//	served_test.go   what ADD fetches: files and git repositories, on loopback
//	picture_test.go  an image as text: files, configuration, history
//	compare_test.go  every Dockerfile of the corpus against golden/, which BuildKit has made
//	declared_test.go differences that are declared, with a reason
//	oracle_test.go   makes golden/ with BuildKit (README.md says how)
//	buildah_test.go  makes golden-buildah/ with buildah, and compares it
//	lint_test.go     what --check finds, against golden-lint/, which BuildKit has made
//	call_test.go     what --call prints, against golden-call/, which BuildKit has made
//	given_test.go    where a Dockerfile and its context come from
//	upstream_test.go BuildKit's own tests of its parser
//	workshop_test.go the workshop's exercises
//	mistakes_test.go classic mistakes, and what is said of them
//	terminal_test.go what people see; explain_test.go: what --explain says
//	progress_test.go which steps of a build ran, as it tells
//	cache_test.go    what is built again, and what is not
//	share_*test.go   caches in directories, registries and images; damaged ones
//	why_test.go      what --explain says of it; what is fetched; lost power
//	random_test.go   random edits: the cache against none
//	differential_test.go random Dockerfiles: minirun against BuildKit; generate_test.go: what they are made of
//	kill_test.go     builds that are killed
//	safety*_test.go  what a build must not reach
//	options_test.go  flags that are rejected, or have no effect; limits_test.go: of RUN
//	devices_test.go  RUN --device
//	output_test.go   --output, --annotation, attestations, what is told of a result
//	platform_test.go several platforms, bases of an index, emulators
//	reproducible_test.go the same bytes from two builders
package build

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) {
	if os.Getenv(agentVariable) != "" {
		if err := askAgent(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	testbundle.MainWithImages(m)
}

// A store is minirun with a store of the test's own.
type store struct {
	*testbundle.Bundle
	t   testing.TB
	dir string
}

// newStore has the images base, configured and onbuild.
func newStore(t testing.TB) *store {
	t.Helper()
	b := testbundle.New(t)
	s := &store{b, t, filepath.Join(b.Host, "store")}
	b.Global = append(b.Global, "--store", s.dir)
	for _, i := range baseImages {
		args := []string{"import"}
		for _, c := range i.changes {
			args = append(args, "--change", c)
		}
		s.do(append(args, baseArchive(t), i.name)...)
	}
	return s
}

// do runs minirun, which must succeed, and returns what it prints.
func (s *store) do(args ...string) string {
	s.t.Helper()
	r := s.Minirun(args...)
	if r.Status != 0 {
		s.t.Fatalf("minirun %s: status %d: %s%s", strings.Join(args, " "), r.Status, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}

var baseImages = []struct {
	name    string
	changes []string
}{
	{"base", nil},
	{"configured", []string{
		"ENV BASE_VAR=base", "USER app", "WORKDIR /home/app", `ENTRYPOINT ["/bin/entry"]`, `CMD ["from-base"]`, "LABEL base=1 shared=base",
		"HEALTHCHECK --interval=9s CMD base-check", "VOLUME /base-volume", "EXPOSE 1234", "STOPSIGNAL SIGUSR1",
	}},
	{"onbuild", []string{"ONBUILD COPY f /triggered", "ONBUILD RUN echo $TRIGGER > /var-of-trigger", "ENV TRIGGER=pulled"}},
}

// basePrograms are the names of busybox.
var basePrograms = func() func(testing.TB) []string {
	list := sync.OnceValues(func() ([]string, error) {
		out, err := exec.Command("busybox", "--list").Output()
		return append(strings.Fields(string(out)), "busybox"), err
	})
	return func(t testing.TB) []string {
		t.Helper()
		names, err := list()
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
}()

// baseArchive is a root file system of busybox, the same each time.
func baseArchive(t testing.TB) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("busybox is not installed: apt install busybox-static")
	}
	dir := filepath.Join(t.TempDir(), "base")
	script := `set -e
mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/root" "$1/home/app"
cp "$2" "$1/bin/busybox"
for a in $("$2" --list); do [ "$a" = busybox ] || ln -s busybox "$1/bin/$a"; done
printf 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n' > "$1/etc/passwd"
printf 'root:x:0:\nwww-data:x:33:\napp:x:1000:\n' > "$1/etc/group"
chmod 1777 "$1/tmp"; chown 1000:1000 "$1/home/app"
find "$1" -exec touch -h -d 2020-01-01T00:00:00Z {} +
tar --sort=name --numeric-owner -C "$1" -cf "$1.tar" .`
	if out, err := exec.Command("sh", "-c", script, "sh", dir, busybox).CombinedOutput(); err != nil {
		t.Fatalf("make the base: %v: %s", err, out)
	}
	return dir + ".tar"
}

// contextDir makes a directory of files, all as old as each other but for those
// that the script has made older.
func contextDir(t testing.TB, files map[string]string, script string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "context")
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-ec", script+"\nfind . -newermt 2024-01-01 -exec touch -h -d 2020-02-02T00:00:00Z {} +")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		cmd.Env = append(cmd.Env, "GIT_"+who+"_NAME=somebody", "GIT_"+who+"_EMAIL=s@example.org", "GIT_"+who+"_DATE=2020-02-02T00:00:00Z")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
	return dir
}

var old = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
