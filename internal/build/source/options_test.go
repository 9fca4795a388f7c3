package source

import (
	"slices"
	"strings"
	"testing"
)

// TestApplyOptionsMergesFlagsAndURL: a flag and the URL may say the same, but not contradict each
// other; the time of the commit is only a default.
func TestApplyOptionsMergesFlagsAndURL(t *testing.T) {
	yes, no := true, false
	parse := func(query string) *GitRef {
		t.Helper()
		r, ok, err := ParseGit("https://example.com/r.git" + query)
		if err != nil || !ok {
			t.Fatal(query, err)
		}
		return r
	}
	for _, c := range []struct {
		query string
		o     GitOptions
		check func(*GitRef) bool
	}{
		{"", GitOptions{}, func(r *GitRef) bool { return !r.keepsGitDir() && !r.commitTimes() }},
		{"", GitOptions{KeepGitDir: &yes}, (*GitRef).keepsGitDir},
		{"?keep-git-dir=0", GitOptions{ForceGitDir: true}, (*GitRef).keepsGitDir},
		{"", GitOptions{CommitTimes: true}, (*GitRef).commitTimes},
		{"?mtime=checkout", GitOptions{CommitTimes: true}, func(r *GitRef) bool { return !r.commitTimes() }},
		{"?checksum=" + whole, GitOptions{Checksum: whole}, func(r *GitRef) bool { return r.Checksum == whole }},
	} {
		r := parse(c.query)
		if err := r.applyOptions(c.o); err != nil || !c.check(r) {
			t.Errorf("%q with %+v: %+v, %v", c.query, c.o, r, err)
		}
	}
	for query, c := range map[string]struct {
		o    GitOptions
		want string
	}{
		"?keep-git-dir=1":        {GitOptions{KeepGitDir: &no}, "--keep-git-dir is false, but"},
		"?checksum=0123456":      {GitOptions{Checksum: "1234567"}, "two values for the commit"},
		"?fetch-by-commit=1#abc": {GitOptions{}, "needs a full commit ID"},
		"":                       {GitOptions{Checksum: "xyz"}, "is not a commit"},
	} {
		if err := parse(query).applyOptions(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q with %+v: %v, want %q", query, c.o, err, c.want)
		}
	}
}

// TestFullNamesPreferBranches: git asks for these names, and the first that exists is used.
func TestFullNamesPreferBranches(t *testing.T) {
	for ref, want := range map[string][]string{
		"": {"HEAD"}, "HEAD": {"HEAD"}, "refs/pull/1/head": {"refs/pull/1/head"},
		"v1": {"refs/heads/v1", "refs/tags/v1", "refs/v1"},
	} {
		if got := (&GitRef{Ref: ref}).fullNames(); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", ref, got, want)
		}
	}
}

// TestMayMatchBelow: a directory that .dockerignore excludes is read only if a pattern with ! can
// match a file in it.
func TestMayMatchBelow(t *testing.T) {
	for _, c := range []struct {
		pattern, dir string
		want         bool
	}{
		{"a/b", "a", true}, {"a/b", "a/b", false}, {"a/b", "c", false}, {"a", "a/b", false},
		{"*/b", "x", true}, {"**/b", "x/y/z", true}, {"a/**", "a/b", true}, {"a/**/c", "b", false},
		{"a/*/c", "a/x", true},
	} {
		if got := mayMatchBelow(strings.Split(c.pattern, "/"), strings.Split(c.dir, "/")); got != c.want {
			t.Errorf("%s below %s: %t", c.pattern, c.dir, got)
		}
	}
}

// TestRedactURLHidesSecrets: messages and records have neither the user nor the password.
func TestRedactURLHidesSecrets(t *testing.T) {
	for url, want := range map[string]string{
		"https://me:word@h/r.git": "https://h/r.git", "ssh://git@h/r": "ssh://h/r", "https://h/a@b": "https://h/a@b",
		"git@h:r": "git@h:r", "dir": "dir",
	} {
		if got := RedactURL(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
