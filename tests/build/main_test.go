// Package build tests minirun build as users run it, and compares it with BuildKit.
//
//	main_test.go     a store with base images; a case's directory
//	corpus_test.go   corpus/*.txt: Dockerfiles, one file per family
//	git_test.go      git repositories as contexts
//	ssh_test.go      --ssh: keys and agents, for RUN and for git
//	served_test.go   what ADD fetches: files and git repositories, on loopback
//	picture_test.go  an image as text: files, configuration, history
//	pictures_test.go recorded pictures, stored as differences
//	result_test.go   the result of --output: archives and directories
//	compare_test.go  every Dockerfile of the corpus against golden/, which BuildKit generated
//	declared_test.go declared differences, each with a reason
//	oracle_test.go   generates golden/ with BuildKit (README.md explains how)
//	buildah_test.go  generates golden-buildah/ with buildah, and compares it
//	lint_test.go     findings of --check, against golden-lint/, which BuildKit generated
//	call_test.go     output of --call, against golden-call/, which BuildKit generated
//	given_test.go    where a Dockerfile and its context come from
//	upstream_test.go BuildKit's own tests of its parser
//	workshop_test.go the workshop's exercises
//	mistakes_test.go classic mistakes, and the messages about them
//	terminal_test.go output on a terminal; explain_test.go: output of --explain
//	progress_test.go which steps of a build ran, according to its progress
//	cache_test.go    which steps are built again, and which are not
//	share_*test.go   caches in directories, registries and images; damaged ones
//	why_test.go      reasons for cache misses in --explain; fetched files; power loss
//	random_test.go   random edits: builds with the cache against builds without
//	differential_test.go random Dockerfiles: minirun against BuildKit; generate*_test.go: how they are generated;
//	                 layers_test.go: the comparison
//	kill_test.go     builds that are killed
//	history_test.go  build history; du_test.go: build du and build prune
//	safety*_test.go  what a build must not reach
//	options_test.go  flags that are rejected, or have no effect; limits_test.go: limits of RUN
//	devices_test.go  RUN --device
//	output_*test.go  --output, --annotation, attestations, and the metadata of a result
//	platform_test.go several platforms, base images with an index, emulators
//	bake_*test.go    build bake: its targets, and what it prints for bake/
//	reproducible_test.go the same bytes from two builds
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

// A store is minirun with a separate store for the test.
type store struct{ *testbundle.Store }

// newStore returns a store with the images base, configured and onbuild: a copy of one that is created
// once.
func newStore(t testing.TB) *store {
	t.Helper()
	s := &store{testbundle.NewStore(t)}
	first := testbundle.Shared(t, "store", func(path string) {
		for _, i := range baseImages {
			args := []string{"import"}
			for _, c := range i.changes {
				args = append(args, "--change", c)
			}
			s.Do(append(args, baseArchive(t), i.name)...)
		}
		copyTree(t, s.StoreDir, path)
	})
	if _, err := os.Stat(s.StoreDir); err != nil {
		copyTree(t, first, s.StoreDir)
	}
	return s
}

// copyTree copies a directory with all attributes.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if text, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v: %s", from, err, text)
	}
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

// basePrograms returns the names of busybox's applets.
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

// baseArchive returns a root file system with busybox, always the same bytes.
func baseArchive(t testing.TB) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("busybox is not installed: apt install busybox-static")
	}
	script := `set -e
mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/root" "$1/home/app"
cp "$2" "$1/bin/busybox"
for a in $("$2" --list); do [ "$a" = busybox ] || ln -s busybox "$1/bin/$a"; done
printf 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n' > "$1/etc/passwd"
printf 'root:x:0:\nwww-data:x:33:\napp:x:1000:\n' > "$1/etc/group"
chmod 1777 "$1/tmp"; chown 1000:1000 "$1/home/app"
find "$1" -exec touch -h -d 2020-01-01T00:00:00Z {} +
tar --sort=name --numeric-owner -C "$1" -cf "$1.tar" .
rm -r "$1"`
	return testbundle.Shared(t, "base.tar", func(path string) {
		dir := strings.TrimSuffix(path, ".tar")
		if out, err := exec.Command("sh", "-c", script, "sh", dir, busybox).CombinedOutput(); err != nil {
			t.Fatalf("create the base: %v: %s", err, out)
		}
	})
}

// contextDir creates a directory of files that all have the same time, except those that the script
// made older.
func contextDir(t testing.TB, files map[string]string, script string) string {
	t.Helper()
	return contextOf(t, files, script+"\nfind . -newermt 2024-01-01 -exec touch -h -d 2020-02-02T00:00:00Z {} +")
}

// contextOf creates a directory of files, and runs a script in it.
func contextOf(t testing.TB, files map[string]string, script string) string {
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
	cmd := exec.Command("sh", "-ec", script)
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
