package source

import (
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
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
		"https://me:word@example.com/r.git": ref("https://example.com/r.git",
			func(r *GitRef) { r.User = url.UserPassword("me", "word") }),
		"github.com/u/r": ref("https://github.com/u/r", func(r *GitRef) { r.LikePath = true }),
		"github.com/u/r#v1:d": ref("https://github.com/u/r",
			func(r *GitRef) { r.LikePath, r.Ref, r.Subdir = true, "v1", "d" }),
		remote + "#":                 ref(remote, nil),
		remote + "#main":             ref(remote, func(r *GitRef) { r.Ref = "main" }),
		remote + "#main:":            ref(remote, func(r *GitRef) { r.Ref = "main" }),
		remote + "#:a/b":             ref(remote, func(r *GitRef) { r.Subdir = "a/b" }),
		remote + "#:/a//b/./":        ref(remote, func(r *GitRef) { r.Subdir = "a/b" }),
		remote + "#pull/42/head:a b": ref(remote, func(r *GitRef) { r.Ref, r.Subdir = "pull/42/head", "a b" }),
		remote + "#" + whole:         ref(remote, func(r *GitRef) { r.Ref = whole }),
		"git@example.com:r.git#v1:d": ref("git@example.com:r.git",
			func(r *GitRef) { r.Ref, r.Subdir = "v1", "d" }),
		"git@example.com:r.git?branch=b": ref("git@example.com:r.git",
			func(r *GitRef) { r.Ref = "refs/heads/b" }),
		remote + "?ref=v1":                ref(remote, func(r *GitRef) { r.Ref = "v1" }),
		remote + "?tag=v1&subdir=d":       ref(remote, func(r *GitRef) { r.Ref, r.Subdir = "refs/tags/v1", "d" }),
		remote + "?branch=b":              ref(remote, func(r *GitRef) { r.Ref = "refs/heads/b" }),
		remote + "?subdir=a/b#v1":         ref(remote, func(r *GitRef) { r.Ref, r.Subdir = "v1", "a/b" }),
		remote + "?checksum=0123456":      ref(remote, func(r *GitRef) { r.Checksum = "0123456" }),
		remote + "?commit=" + whole:       ref(remote, func(r *GitRef) { r.Checksum = whole }),
		remote + "?keep-git-dir=true":     ref(remote, func(r *GitRef) { r.KeepGitDir = &yes }),
		remote + "?keep-git-dir":          ref(remote, func(r *GitRef) { r.KeepGitDir = &yes }),
		remote + "?keep-git-dir=0":        ref(remote, func(r *GitRef) { r.KeepGitDir = &no }),
		remote + "?submodules=false":      ref(remote, func(r *GitRef) { r.Submodules = false }),
		remote + "?mtime=checkout":        ref(remote, func(r *GitRef) { r.Mtime = mtimeCheckout }),
		remote + "?mtime=commit":          ref(remote, func(r *GitRef) { r.Mtime = mtimeCommit }),
		remote + "#:a/../b":               ref(remote, func(r *GitRef) { r.Subdir = "b" }),
		remote + "?ref=a&subdir=d#a:d":    ref(remote, func(r *GitRef) { r.Ref, r.Subdir = "a", "d" }),
		remote + "?tag=a&ref=refs/tags/a": ref(remote, func(r *GitRef) { r.Ref = "refs/tags/a" }),
		remote + "?branch=a#refs/heads/a": ref(remote, func(r *GitRef) { r.Ref = "refs/heads/a" }),
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
		"", ".", "-", "dir", "./github.com/u/r", "/abs/r.git", "https://example.com/r",
		"https://example.com/r.tar.gz", "https://example.com/r?x=y.git",
		"file:///r.git", "ext::sh -c true", "example.com/r.git", "host:path", "C:\\x", "ftp://example.com/r.git",
		"https://example.com/r.tgz#.git", "@host:r",
	} {
		if got, ok, err := ParseGit(word); ok || err != nil {
			t.Errorf("%s: is git: %+v, %v", word, got, err)
		}
	}
	for word, want := range map[string]string{
		remote + "#-x": "cannot be a branch", remote + "#a..b": "cannot be", remote + "#a b": "cannot be",
		remote + "#a%0ab": "cannot be", remote + "#*": "cannot be",
		remote + "#:../x": "leads out", remote + "#:a/../../x": "leads out", remote + "?subdir=..": "leads out",
		remote + "?tag=a&branch=b": "two values for the ref: refs/heads/b and refs/tags/a",
		remote + "?ref=a#b":        "two values for the ref: a and b",
		remote + "?subdir=a#:b":    "two values for the directory", remote + "?tag=a#a": "two values",
		remote + "?nonsense=1": "unknown option", remote + "?ref=a&ref=b": "2 times",
		remote + "?checksum=xyz": "is not a commit", remote + "?checksum=abc": "is not a commit",
		remote + "?submodules=maybe": "must be true or false",
		remote + "?mtime=x":          "must be checkout or commit", remote + "?mtime=": "has no value",
		remote + "?tag=": "has no value",
		remote + "?commit=0123456&checksum=1234567": "two values for the commit",
		"git@example.com:-oProxyCommand=x":          "must not begin with -",
		"ssh://-oProxyCommand=x/r":                  "invalid host or user",
		"ssh://-x@host/r":                           "invalid host or user", "git:///r": "invalid host or user",
		"https://me:secret@example.com/r.git#-x": "https://example.com/r.git",
	} {
		if got, ok, err := ParseGit(word); !ok || err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
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
		if strings.HasPrefix(r.Remote, "-") || strings.HasPrefix(r.Ref, "-") || !filepath.IsLocal("x/"+r.Subdir) ||
			strings.Contains("/"+r.Subdir+"/", "/../") || strings.ContainsAny(r.Ref, " \n*:") {
			t.Errorf("%q: %+v", word, r)
		}
	})
}
