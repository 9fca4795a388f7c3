package runtarget

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// world is a set of facts: the kinds of paths, and the images in the store.
type world struct {
	paths  map[string]PathKind
	images []string
}

func (w world) Path(path string) PathKind { return w.paths[filepath.Clean(path)] }

func (w world) HasImage(name string) bool { return slices.Contains(w.images, name) }

func (w world) Images() []string { return w.images }

func (w world) Subdirectories(path string) (out []string) {
	for p, kind := range w.paths {
		if kind >= Directory && p != "." && filepath.Dir(p) == filepath.Clean(path) {
			out = append(out, filepath.Base(p))
		}
	}
	slices.Sort(out)
	return out
}

// project is a directory of a Node application with some bundles and images.
var project = world{
	paths: map[string]PathKind{".": ForeignConfig, "bundle": Bundle, "app": ForeignConfig, "nginx": Directory,
		"out": Directory, "out/web": Bundle, "/srv": Directory, "/srv/bundle": Bundle, "README.md": File, "empty": Directory,
		"busybox": Directory},
	images: []string{"busybox", "redis:7", "quay.io/team/app"},
}

// inBundle is a directory with a bundle's config.json.
var inBundle = world{paths: map[string]PathKind{".": Bundle, "rootfs": Directory}, images: []string{"busybox"}}

func TestDecideByWhatExists(t *testing.T) {
	for _, c := range []struct {
		facts world
		line  string // a first word -b DIR is --bundle
		want  string // bundle ID DIR, image NAME, stored NAME, or part of an error
	}{
		// rules 1 to 4: bundles
		{project, "-b out/web web", "bundle web out/web"},
		{project, "-b out/web", "bundle  out/web"},
		{project, "web bundle", "bundle web bundle"},
		{project, "web /srv/bundle", "bundle web /srv/bundle"},
		{project, "bundle", "bundle  bundle"},
		{project, "./bundle", "bundle  ./bundle"},
		{project, "bundle/", "bundle  bundle/"},
		{project, "web app/", "bundle web app/"},
		{project, "app/", "bundle  app/"}, // the loader reports what is missing in its config.json
		{inBundle, "web", "bundle web ."},
		{inBundle, "busybox", "bundle busybox ."}, // as in runc, whose callers do not know about images
		{inBundle, ".", "bundle  ."},
		// rule 5: images in the store
		{project, "busybox", "stored busybox"}, // although a directory has the name
		{project, "busybox ls -l", "stored busybox"},
		{project, "quay.io/team/app", "stored quay.io/team/app"},
		{inBundle, "busybox ls", "stored busybox"},
		// rule 8: images in a registry
		{project, "debian", "image debian"}, // config.json here is not a bundle's
		{project, "debian ls /tmp", "image debian"},
		{project, "nginx nginx -g x", "image nginx"}, // a bundle takes no arguments
		{project, "redis:8", "image redis:8"},        // another tag is not a typing error
		{project, "team/app", "image team/app"},
		{project, "registry:5000/a/b/c", "image registry:5000/a/b/c"},
		{project, "docker.io/a/b/c", "image docker.io/a/b/c"},
		{project, "debian ''", "an argument is empty"},
		{project, "debian echo ''", "image debian"},
		{project, "busybox ''", "stored busybox"},
		{inBundle, "debian:12", "image debian:12"},
		// refused
		{project, "", "missing argument: BUNDLE or IMAGE"},
		{project, "''", "an argument is empty"},
		{project, "-b bundle ''", "an argument is empty"},
		{project, "-b bundle web more", `unexpected argument "more"`},
		{project, "bundle ls", `unexpected argument "ls": a bundle takes no arguments`},
		{project, "web bundle ls", "image web"},
		{project, "./bundel", "did you mean bundle/?"},
		{project, "./nothing", "directory ./nothing does not exist"},
		{project, "web ./bundel", "did you mean bundle/?"},
		{project, "web nothing/", "directory nothing/ does not exist"},
		{project, "debian ./start", "image debian"},
		{project, "bundel", "did you mean bundle/?"},
		{project, "out/wbe", "directory out/wbe does not exist"},
		{project, "out/something", "minirun pull docker.io/out/something"},
		{project, "busybx", "did you mean busybox?"},
		{project, "nginx", "is a directory but not a bundle"},
		{project, "empty/", "empty/ is not a bundle (no config.json)"},
		{project, "app", "bundle  app"},
		{project, "web /srv", "/srv is not a bundle"},
		{project, "README.md", "README.md is a file"},
		{project, "Debian", "hint: use debian"},
		{project, "a/b/c", "directory a/b/c does not exist"},
		{project, "a_b_/x", "invalid component"},
		{inBundle, "a/b/c", "directory a/b/c does not exist"},
		{inBundle, "./README.md", "directory ./README.md does not exist"},
	} {
		q := Question{Command: "run"}
		for _, word := range strings.Fields(c.line) {
			q.Arguments = append(q.Arguments, strings.Trim(word, "'"))
		}
		if len(q.Arguments) > 1 && q.Arguments[0] == "-b" {
			q.Bundle, q.Arguments = q.Arguments[1], q.Arguments[2:]
		}
		target, err := Decide(q, c.facts)
		got := fmt.Sprintf("bundle %s %s", target.ID, target.Bundle)
		switch {
		case err != nil:
			got = err.Error()
		case target.Stored:
			got = "stored " + target.Image
		case target.Image != "":
			got = "image " + target.Image
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("run %s: %s\nwant %s", c.line, got, c.want)
		}
		if lines := strings.Count(got, "\n"); lines > 2 {
			t.Errorf("run %s: %d lines: %s", c.line, lines+1, got)
		}
	}
}

// TestRegistryIsAskedOnRequest: --pull always, and a digest, are not typing errors.
func TestRegistryIsAskedOnRequest(t *testing.T) {
	digest := "busybx@sha256:" + strings.Repeat("0", 64)
	for _, q := range []Question{{Arguments: []string{"busybx"}, AlwaysPull: true}, {Arguments: []string{digest}}} {
		if target, err := Decide(q, project); err != nil || target.Image == "" {
			t.Errorf("%v: %+v, %v", q.Arguments, target, err)
		}
	}
}

func TestSimilarNames(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"bundle", "bundel"}: true, {"busybox", "busybx"}: true, {"nginx", "ngnix"}: true, {"bundle", "bundle"}: false,
		{"go", "do"}: false, {"node", "code"}: true, {"node", "nodejs"}: false, {"postgres", "postgers"}: true,
		{"alpine", "debian"}: false, {"library/go", "library/do"}: false,
	} {
		if got := isSimilar(pair[0], pair[1]); got != want {
			t.Errorf("%v: %t", pair, got)
		}
	}
}

// TestConfigOfAnotherProgram: only a config.json with ociVersion is a bundle's.
func TestConfigOfAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	long := `{"hooks":"` + strings.Repeat("x", 100_000) + `","ociVersion":"1.0.2"}`
	for name, text := range map[string]string{
		"bundle": `{"ociVersion": "1.0.2"}`, "long": long, "case": `{"OCIVersion":"1.0.2"}`, "node": `{"port": 8080}`,
		"nothing": "", "huge": strings.Repeat(" ", 1<<20) + `{"ociVersion": "1.0.2"}`,
	} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(name, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"fifo", "dir/config.json", "plain"} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo("fifo/config.json", 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]PathKind{
		"bundle": Bundle, "bundle/": Bundle, "long": Bundle, "case": Bundle, "node": ForeignConfig, "nothing": ForeignConfig,
		"huge": ForeignConfig, "fifo": ForeignConfig, "dir": ForeignConfig, "plain": Directory, "none": Nothing,
		"node/config.json": File,
	} {
		var h Host
		if got := h.Path(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}
