package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gitServer serves a repository as SERVED/NAME.git, created by a script that runs in its working
// tree, and returns the address.
func gitServer(t *testing.T, files map[string]string, script string) (url string) {
	t.Helper()
	all := map[string]string{"Dockerfile": "SERVER"}
	for name, text := range files {
		all["w/"+name] = text
	}
	dir := contextDir(t, all, "mkdir SERVED; cd w; "+script+"; cd ..; git clone -q --mirror w SERVED/r.git; git clone -q --mirror w SERVED/dumb.git; git -C SERVED/dumb.git update-server-info")
	serve(t, dir)
	address, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + string(address)
}

// TestGitContextURLForms: the URL forms for the build's own context and for others, with both object
// formats, and one repository in several places of the same build.
func TestGitContextURLForms(t *testing.T) {
	s := newStore(t)
	for _, format := range []string{"sha1", "sha256"} {
		if out, err := exec.Command("git", "init", "-q", "--object-format="+format, t.TempDir()).CombinedOutput(); err != nil {
			t.Skipf("git has no repositories of %s: %s", format, out)
		}
		url := gitServer(t, map[string]string{"Dockerfile": copiesAll, "a": "1", "d/Dockerfile": copiesAll, "d/b": "2"},
			"git init -q -b main --object-format="+format+"; git add .; git commit -q -m one; git tag -am note v1; git branch dev; echo 2 > c; git add .; git commit -q -m two")
		both := contextDir(t, map[string]string{
			"Dockerfile": "FROM scratch AS other\nADD --keep-git-dir=true " + url + "/r.git#dev /x/\nFROM scratch\nCOPY --from=one . /x/\nCOPY --from=two . /x/\nCOPY --from=other /x/a /x/3\n" +
				"ADD " + url + "/r.git#v1:d /x/\n",
		}, "")
		const top = "Dockerfile a d"
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"/r.git"}, "Dockerfile a c d"},
			{[]string{"/dumb.git"}, "Dockerfile a c d"},
			{[]string{"/dumb.git#v1"}, top},
			{[]string{"/r.git?tag=v1"}, top},
			{[]string{"/r.git?ref=v1#v1"}, top},
			{[]string{"/r.git#dev:d"}, "Dockerfile b"},
			{[]string{"/r.git?branch=dev&subdir=d&keep-git-dir=1"}, "Dockerfile b"},
			{[]string{"/r.git?keep-git-dir=1&tag=v1"}, ".git " + top},
			{[]string{"--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", "/r.git#v1"}, ".git " + top},
			{[]string{"--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=0", "/r.git#v1"}, top},
			{[]string{"--build-context=one=/r.git#v1", "--build-context=two=/r.git#v1", both}, "3 Dockerfile a b d"},
			{[]string{"--build-context=one=/r.git#dev", "--build-context=two=/dumb.git#v1", both}, "3 Dockerfile a b d"},
		} {
			for i, a := range c.args {
				name, ref, found := strings.Cut(a, "=/")
				switch {
				case strings.HasPrefix(a, "/") && a != both:
					c.args[i] = url + a
				case found && strings.HasPrefix(name, "--build-context"):
					c.args[i] = name + "=" + url + "/" + ref
				}
			}
			if got := strings.Join(s.outputNames(append([]string{"--no-cache"}, c.args...)...), " "); got != c.want {
				t.Errorf("%s, %q: %q, want %q", format, c.args, got, c.want)
			}
		}
		s.Minirun("build", url+"/r.git?ref=v1#dev").Fails(t, "two values for the ref: dev and v1")
		s.Minirun("build", "--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=x", url+"/r.git").Fails(t, "is not true or false")
	}
}

// TestGitContextTimes: with SOURCE_DATE_EPOCH, or ?mtime=commit, files of a context have the time of
// the commit, as in BuildKit.
func TestGitContextTimes(t *testing.T) {
	s := newStore(t)
	url := gitServer(t, map[string]string{"Dockerfile": copiesAll, "d/f": "1"},
		"git init -q -b main; git add .; GIT_COMMITTER_DATE=2016-02-03T04:05:06Z git commit -q -m x") + "/r.git"
	named := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY --from=c . /x/\n"}, "")
	commit := time.Date(2016, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{url}, false},
		{[]string{url + "?mtime=commit"}, true},
		{[]string{"--build-arg=SOURCE_DATE_EPOCH=1600000000", url}, true},
		{[]string{"--build-arg=SOURCE_DATE_EPOCH=context", url}, true},
		{[]string{"--build-arg=SOURCE_DATE_EPOCH=1600000000", url + "?mtime=checkout"}, false},
		{[]string{"--build-arg=SOURCE_DATE_EPOCH=", url}, false},
		{[]string{"--build-context=c=" + url + "?mtime=commit", named}, true},
		{[]string{"--build-context=c=" + url, "--build-arg=SOURCE_DATE_EPOCH=1600000000", named}, false},
	} {
		out := filepath.Join(t.TempDir(), "out.tar")
		s.build(append([]string{"--no-cache", "-o", "type=oci,dest=" + out}, c.args...)...)
		r := openResult(t, out)
		m := r.manifest("")
		list := exec.Command("tar", "-tv", "--utc", "--full-time", "-f", "-")
		list.Stdin = strings.NewReader(string(r.plain(m.Layers[len(m.Layers)-1])))
		text, err := list.Output()
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if err != nil || len(lines) != 4 { // x, Dockerfile, d, f
			t.Fatalf("%q: %s, %v", c.args, text, err)
		}
		for _, line := range lines {
			if strings.Contains(line, commit.Format("2006-01-02 15:04:05")) != c.want {
				t.Errorf("%q: %s; the commit's time: %t", c.args, line, c.want)
			}
		}
	}
}
