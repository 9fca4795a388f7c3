package source

import (
	"context"
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const whole = "0123456789abcdef0123456789abcdef01234567"

func TestParseGit(t *testing.T) {
	ref := func(remote string, change func(*GitRef)) *GitRef {
		r := &GitRef{Remote: remote, Submodules: true}
		if change != nil {
			change(r)
		}
		return r
	}
	yes, no := true, false
	const remote = "https://example.com/u/r.git"
	for word, want := range map[string]*GitRef{
		remote:                               ref(remote, nil),
		"http://example.com:8080/r.git":      ref("http://example.com:8080/r.git", nil),
		"git://example.com/r":                ref("git://example.com/r", nil),
		"ssh://git@example.com:2222/u/r.git": ref("ssh://git@example.com:2222/u/r.git", nil),
		"ssh://git:word@example.com/r.git":   ref("ssh://git@example.com/r.git", nil),
		"git@example.com:u/r.git":            ref("git@example.com:u/r.git", nil),
		"git@example.com:u/r":                ref("git@example.com:u/r", nil),
		"https://me:word@example.com/r.git":  ref("https://example.com/r.git", func(r *GitRef) { r.User = url.UserPassword("me", "word") }),
		"github.com/u/r":                     ref("https://github.com/u/r", func(r *GitRef) { r.LikePath = true }),
		"github.com/u/r#v1:d":                ref("https://github.com/u/r", func(r *GitRef) { r.LikePath, r.Ref, r.Subdir = true, "v1", "d" }),
		remote + "#":                         ref(remote, nil),
		remote + "#main":                     ref(remote, func(r *GitRef) { r.Ref = "main" }),
		remote + "#main:":                    ref(remote, func(r *GitRef) { r.Ref = "main" }),
		remote + "#:a/b":                     ref(remote, func(r *GitRef) { r.Subdir = "a/b" }),
		remote + "#:/a//b/./":                ref(remote, func(r *GitRef) { r.Subdir = "a/b" }),
		remote + "#pull/42/head:a b":         ref(remote, func(r *GitRef) { r.Ref, r.Subdir = "pull/42/head", "a b" }),
		remote + "#" + whole:                 ref(remote, func(r *GitRef) { r.Ref = whole }),
		"git@example.com:r.git#v1:d":         ref("git@example.com:r.git", func(r *GitRef) { r.Ref, r.Subdir = "v1", "d" }),
		"git@example.com:r.git?branch=b":     ref("git@example.com:r.git", func(r *GitRef) { r.Ref = "refs/heads/b" }),
		remote + "?ref=v1":                   ref(remote, func(r *GitRef) { r.Ref = "v1" }),
		remote + "?tag=v1&subdir=d":          ref(remote, func(r *GitRef) { r.Ref, r.Subdir = "refs/tags/v1", "d" }),
		remote + "?branch=b":                 ref(remote, func(r *GitRef) { r.Ref = "refs/heads/b" }),
		remote + "?subdir=a/b#v1":            ref(remote, func(r *GitRef) { r.Ref, r.Subdir = "v1", "a/b" }),
		remote + "?checksum=0123456":         ref(remote, func(r *GitRef) { r.Checksum = "0123456" }),
		remote + "?commit=" + whole:          ref(remote, func(r *GitRef) { r.Checksum = whole }),
		remote + "?keep-git-dir=true":        ref(remote, func(r *GitRef) { r.KeepGitDir = &yes }),
		remote + "?keep-git-dir":             ref(remote, func(r *GitRef) { r.KeepGitDir = &yes }),
		remote + "?keep-git-dir=0":           ref(remote, func(r *GitRef) { r.KeepGitDir = &no }),
		remote + "?submodules=false":         ref(remote, func(r *GitRef) { r.Submodules = false }),
		remote + "?mtime=checkout":           ref(remote, func(r *GitRef) { r.Mtime = mtimeCheckout }),
		remote + "?mtime=commit":             ref(remote, func(r *GitRef) { r.Mtime = mtimeCommit }),
		remote + "#:a/../b":                  ref(remote, func(r *GitRef) { r.Subdir = "b" }),
		remote + "?ref=a&subdir=d#a:d":       ref(remote, func(r *GitRef) { r.Ref, r.Subdir = "a", "d" }),
		remote + "?tag=a&ref=refs/tags/a":    ref(remote, func(r *GitRef) { r.Ref = "refs/tags/a" }),
		remote + "?branch=a#refs/heads/a":    ref(remote, func(r *GitRef) { r.Ref = "refs/heads/a" }),
		remote + "?fetch-by-commit=1#" + whole: ref(remote, func(r *GitRef) {
			r.Ref, r.Checksum, r.FetchByCommit = whole, whole, true
		}),
		remote + "?commit=" + whole + "&fetch-by-commit=1&tag=v1": ref(remote, func(r *GitRef) {
			r.Checksum, r.FetchByCommit, r.Ref = whole, true, "refs/tags/v1"
		}),
	} {
		got, ok, err := ParseGit(word)
		if err != nil || !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %t, %v\nwant %+v", word, got, ok, err, want)
		}
	}
	for _, word := range []string{
		"", ".", "-", "dir", "./github.com/u/r", "/abs/r.git", "https://example.com/r", "https://example.com/r.tar.gz", "https://example.com/r?x=y.git",
		"file:///r.git", "ext::sh -c true", "example.com/r.git", "host:path", "C:\\x", "ftp://example.com/r.git", "https://example.com/r.tgz#.git", "@host:r",
	} {
		if got, ok, err := ParseGit(word); ok || err != nil {
			t.Errorf("%s: is git: %+v, %v", word, got, err)
		}
	}
	for word, want := range map[string]string{
		remote + "#-x": "cannot be a branch", remote + "#a..b": "cannot be", remote + "#a b": "cannot be", remote + "#a%0ab": "cannot be", remote + "#*": "cannot be",
		remote + "#:../x": "leads out", remote + "#:a/../../x": "leads out", remote + "?subdir=..": "leads out", remote + "?tag=a&branch=b": "two values for the ref: refs/heads/b and refs/tags/a",
		remote + "?ref=a#b": "two values for the ref: a and b", remote + "?subdir=a#:b": "two values for the directory", remote + "?tag=a#a": "two values", remote + "?nonsense=1": "unknown option", remote + "?ref=a&ref=b": "2 times",
		remote + "?checksum=xyz": "is not a commit", remote + "?checksum=abc": "is not a commit", remote + "?submodules=maybe": "must be true or false",
		remote + "?mtime=x": "must be checkout or commit", remote + "?mtime=": "has no value", remote + "?tag=": "has no value",
		remote + "?commit=0123456&checksum=1234567": "two values for the commit", "git@example.com:-oProxyCommand=x": "must not begin with -", "ssh://-oProxyCommand=x/r": "invalid host or user",
		"ssh://-x@host/r": "invalid host or user", "git:///r": "invalid host or user", "https://me:secret@example.com/r.git#-x": "https://example.com/r.git",
	} {
		if got, ok, err := ParseGit(word); !ok || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %+v, %t, %v, want %q", word, got, ok, err, want)
		}
	}
}

func FuzzParseGit(f *testing.F) {
	for _, word := range []string{"https://h/r.git?ref=a#b:c", "git@h:r#x", "ssh://h/x", "github.com/a/b"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		r, ok, err := ParseGit(word)
		if !ok || err != nil {
			return
		}
		if strings.HasPrefix(r.Remote, "-") || strings.HasPrefix(r.Ref, "-") || !filepath.IsLocal("x/"+r.Subdir) || strings.Contains("/"+r.Subdir+"/", "/../") || strings.ContainsAny(r.Ref, " \n*:") {
			t.Errorf("%q: %+v", word, r)
		}
	})
}

// A forge serves repositories over HTTP, like git's own server.
type forge struct {
	dir     string
	fetches atomic.Int32 // git-upload-pack requests that fetch objects
	auth    string
	*httptest.Server
}

func newForge(t *testing.T) *forge {
	t.Helper()
	core, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skip("needs git: ", err)
	}
	f := &forge{dir: t.TempDir()}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + f.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}
	if _, err := os.Stat(backend.Path); err != nil {
		t.Skip("needs git-http-backend: ", err)
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); f.auth != "" && user+":"+password != f.auth {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPost {
			f.fetches.Add(1)
		}
		h := *backend
		if v := r.Header.Get("Git-Protocol"); v != "" {
			h.Env = append(slices.Clone(h.Env), "GIT_PROTOCOL="+v)
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// git runs git in a working tree of the forge and returns its output.
func (f *forge) git(t *testing.T, repo string, args ...string) string {
	t.Helper()
	dir := filepath.Join(f.dir, repo)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=n", "-c", "user.email=e@e", "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes files and commits them.
func (f *forge) commit(t *testing.T, repo string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(f.dir, repo, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.git(t, repo, "add", "-A")
	f.git(t, repo, "commit", "-qm", "m")
	return f.git(t, repo, "rev-parse", "HEAD")
}

func newRepository(t *testing.T) (f *forge, first, second string) {
	f = newForge(t)
	f.git(t, "r.git", "init", "-q")
	first = f.commit(t, "r.git", map[string]string{"f": "1"})
	f.git(t, "r.git", "tag", "light")
	f.git(t, "r.git", "tag", "-am", "heavy", "heavy")
	f.git(t, "r.git", "branch", "old")
	f.git(t, "r.git", "update-ref", "refs/pull/42/head", "HEAD")
	second = f.commit(t, "r.git", map[string]string{"f": "2", "d/g": "g"})
	return f, first, second
}

func TestGit(t *testing.T) {
	f, first, second := newRepository(t)
	cache := t.TempDir()
	for _, c := range []struct {
		ref, commit string
		want        []string
		transfers   bool
	}{
		{"", second, []string{"d/", "d/g=g", "f=2"}, true},
		{"", second, []string{"d/", "d/g=g", "f=2"}, false},
		{"#main:d", second, []string{"g=g"}, false},
		{"#light", first, []string{"f=1"}, true},
		{"#heavy", first, []string{"f=1"}, true}, // the tag itself
		{"#refs/tags/heavy", first, []string{"f=1"}, false},
		{"#old", first, []string{"f=1"}, false},
		{"#pull/42/head", first, []string{"f=1"}, false},
		{"#" + second, second, []string{"d/", "d/g=g", "f=2"}, false},
		{"#" + second[:8], second, []string{"d/", "d/g=g", "f=2"}, false},
		{"?branch=old&checksum=" + first[:10], first, []string{"f=1"}, false},
		{"?tag=x&fetch-by-commit=1&commit=" + first, first, []string{"f=1"}, false},
	} {
		before := f.fetches.Load()
		tr, commit, err := CheckoutGit(context.Background(), f.URL+"/r.git"+c.ref, cache, GitOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.ref, err)
			continue
		}
		if got := list(t, tr.Root.Name()); commit != c.commit || !slices.Equal(got, c.want) || !tr.Foreign {
			t.Errorf("%s: %s %q, want %s %q", c.ref, commit, got, c.commit, c.want)
		}
		// The first POST lists the refs, the second fetches objects.
		if n := f.fetches.Load() - before; (n > 1) != c.transfers {
			t.Errorf("%s: %d requests", c.ref, n)
		}
		tr.Root.Close()
	}
}

// Each way to name a commit with an empty cache, and a repository that changes.
func TestGitFresh(t *testing.T) {
	f, first, second := newRepository(t)
	for _, ref := range []string{"#" + first, "#" + first[:7], "#heavy", "#light", "?fetch-by-commit=1&commit=" + first} {
		cache := t.TempDir()
		tr, commit, err := CheckoutGit(context.Background(), f.URL+"/r.git"+ref, cache, GitOptions{})
		if err != nil || commit != first {
			t.Errorf("%s: %s, %v", ref, commit, err)
			continue
		}
		tr.Root.Close()
		tr, commit, err = CheckoutGit(context.Background(), f.URL+"/r.git#"+second[:9], cache, GitOptions{}) // from a shallow repository
		if err != nil || commit != second {
			t.Errorf("%s, then another: %s, %v", ref, commit, err)
			continue
		}
		tr.Root.Close()
	}
	cache := t.TempDir()
	for _, text := range []string{"3", "4"} {
		want := f.commit(t, "r.git", map[string]string{"f": text})
		tr, commit, err := CheckoutGit(context.Background(), f.URL+"/r.git", cache, GitOptions{})
		if err != nil || commit != want {
			t.Fatalf("%s: %s, want %s, %v", text, commit, want, err)
		}
		tr.Root.Close()
	}
}

func TestGitErrors(t *testing.T) {
	f, first, second := newRepository(t)
	f.git(t, "r.git", "tag", "tree", "HEAD^{tree}")
	cache := t.TempDir()
	for ref, want := range map[string]string{
		"/r.git#none":              "does not contain ref none",
		"/r.git#" + whole:          "has no commit " + whole,
		"/r.git#abcdef12":          "has no commit abcdef12",
		"/r.git#main:none":         "open the directory none: no such file",
		"/r.git#main:f":            "open the directory f: not a directory",
		"/none.git":                "not found",
		"/r.git?checksum=" + first: "checksum mismatch: the default branch is the commit " + second + ", expected checksum to match " + first,
		"/r":                       "https URLs must end with .git",
		"/r.git?branch=light":      "does not contain ref",
		"/r.git#tree":              "not a commit",
		"/r.git?fetch-by-commit=1": "needs a full commit ID",
	} {
		if tr, commit, err := CheckoutGit(context.Background(), f.URL+ref, cache, GitOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %s, %v, want %q", ref, tr, commit, err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := CheckoutGit(ctx, f.URL+"/r.git", cache, GitOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, _, err := CheckoutGit(context.Background(), f.URL+"/r.git", cache, GitOptions{}); err == nil || !strings.Contains(err.Error(), "install git") {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "git/*/trees/tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestGitDir: .git is there if requested, complete and without secrets; the modes are git's.
func TestGitDir(t *testing.T) {
	f, first, _ := newRepository(t)
	f.auth = "me:secret"
	cache, yes := t.TempDir(), true
	address := strings.Replace(f.URL, "http://", "http://me:secret@", 1) + "/r.git#heavy"
	if _, _, err := CheckoutGit(context.Background(), strings.Replace(address, "secret", "other", 1), cache, GitOptions{KeepGitDir: &yes}); err == nil || strings.Contains(err.Error(), "other") {
		t.Errorf("a wrong password: %v", err)
	}
	tr, _, err := CheckoutGit(context.Background(), address, cache, GitOptions{KeepGitDir: &yes})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Root.Close()
	cmd := exec.Command("git", "-C", tr.Root.Name(), "describe", "--always", "--dirty")
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "heavy" {
		t.Errorf("%s, %v", out, err)
	}
	err = filepath.WalkDir(cache, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, err := os.ReadFile(name)
			if err != nil || strings.Contains(string(text), "secret") || strings.Contains(string(text), "bWU6c2VjcmV0") {
				t.Errorf("%s has the password, or %v", name, err)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(filepath.Join(tr.Root.Name(), "f")); err != nil || st.Mode() != 0o755 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	without, commit, err := CheckoutGit(context.Background(), address, cache, GitOptions{})
	if err != nil || commit != first {
		t.Fatal(commit, err)
	}
	defer without.Root.Close()
	if got := list(t, without.Root.Name()); !slices.Equal(got, []string{"f=1"}) {
		t.Errorf("%q", got)
	}
}

// TestGitHostile: a repository's links, submodules and hooks have no effect on the host.
func TestGitHostile(t *testing.T) {
	f, _, _ := newRepository(t)
	secret := files(t, map[string]string{"d/secret": "secret"})
	if err := os.Symlink(secret+"/d", filepath.Join(f.dir, "r.git/out")); err != nil {
		t.Fatal(err)
	}
	f.commit(t, "r.git", nil)
	if tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git#:out", t.TempDir(), GitOptions{}); err == nil {
		t.Errorf("a link led out: %q", list(t, tr.Root.Name()))
	}
	// A submodule that is a directory on this host.
	f.git(t, "mod", "init", "-q")
	commit := f.commit(t, "mod", map[string]string{"m": "m"})
	add := func(address string) {
		f.commit(t, "r.git", map[string]string{".gitmodules": "[submodule \"s\"]\n\tpath = s\n\turl = " + address + "\n"})
		f.git(t, "r.git", "update-index", "--add", "--cacheinfo", "160000,"+commit+",s")
		f.git(t, "r.git", "commit", "-qm", "module")
	}
	add(filepath.Join(f.dir, "mod"))
	if tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git", t.TempDir(), GitOptions{}); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("a submodule of this host: %v, %v", tr, err)
	}
	add("ext::touch " + filepath.Join(secret, "run"))
	if tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git", t.TempDir(), GitOptions{}); err == nil {
		t.Errorf("a submodule that is a command: %q", list(t, tr.Root.Name()))
	}
	if got := list(t, secret); !slices.Equal(got, []string{"d/", "d/secret=secret"}) {
		t.Errorf("%q", got)
	}
	tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git?submodules=0", t.TempDir(), GitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tr.Root.Close()
}

// The working directory may be an untrusted build context. git must not use it as its
// repository: its configuration could name programs to run.
func TestGitIgnoresRepositoryOfWorkingDirectory(t *testing.T) {
	f, _, _ := newRepository(t)
	f.auth = "user:password"
	stranger := t.TempDir()
	marker := filepath.Join(t.TempDir(), "ran")
	f.git(t, "mod", "init", "-q", stranger)
	config := "[core]\n\trepositoryformatversion = 0\n\tgitProxy = touch " + marker + ";false\n" +
		"[credential]\n\thelper = \"!touch " + marker + ";false\"\n"
	if err := os.WriteFile(filepath.Join(stranger, ".git/config"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(stranger)
	cmd := exec.Command("git", "ls-remote", f.URL+"/r.git")
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	_ = cmd.Run() // a plain git command
	if err := os.Remove(marker); err != nil {
		t.Fatal("the check does not see that git runs a program of the context: ", err)
	}
	for _, remote := range []string{f.URL + "/r.git", "git://127.0.0.1:1/r.git"} {
		if _, _, err := CheckoutGit(context.Background(), remote, t.TempDir(), GitOptions{}); err == nil {
			t.Errorf("%s: fetched without a password", remote)
		}
		if _, err := os.Lstat(marker); err == nil {
			t.Errorf("%s: a program that the build context names has run", remote)
		}
	}
	f.auth = ""
	tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git", "cache", GitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tr.Root.Close()
}

// TestSubmodules: with an absolute URL, and with one relative to the repository's.
func TestSubmodules(t *testing.T) {
	f, _, _ := newRepository(t)
	f.git(t, "mod.git", "init", "-q")
	f.commit(t, "mod.git", map[string]string{"m": "m"})
	f.git(t, "r.git", "submodule", "--quiet", "add", filepath.Join(f.dir, "mod.git"), "s")
	f.git(t, "r.git", "config", "-f", ".gitmodules", "submodule.s.url", "../mod.git")
	f.commit(t, "r.git", nil)
	tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git", t.TempDir(), GitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Root.Close()
	got := list(t, tr.Root.Name())
	if !slices.Contains(got, "s/m=m") || slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, ".git/") || strings.Contains(s, ".git=") }) {
		t.Errorf("%q", got)
	}
}

// TestTailIsBounded: only the end of git's messages is kept, because part of them comes from
// the server.
func TestTailIsBounded(t *testing.T) {
	end := &tailBuffer{limit: 10}
	cmd := exec.Command("sh", "-c", "yes remote: | head -c 10000000; echo; echo the end")
	cmd.Stdout = end
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got := end.String(); len(got) != 10 || !strings.HasSuffix(got, "the end\n") {
		t.Errorf("%d bytes are kept: %.20q", len(got), got)
	}
}

// TestGitOutputIsBounded: a server that lists refs endlessly is cut off.
func TestGitOutputIsBounded(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\nexec yes \"" + whole + "\trefs/heads/a\"\n"
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	r := &GitRef{Remote: "https://example.com/r.git"}
	if _, err := r.ListRemote(ctx); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "the output exceeds") {
		t.Errorf("%v; context: %v", err, ctx.Err())
	}
}
