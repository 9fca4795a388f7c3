package source

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCheckoutGit(t *testing.T) {
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
func TestCheckoutGitFollowsBranch(t *testing.T) {
	f, first, second := newRepository(t)
	for _, ref := range []string{"#" + first, "#" + first[:7], "#heavy", "#light",
		"?fetch-by-commit=1&commit=" + first} {
		cache := t.TempDir()
		tr, commit, err := CheckoutGit(context.Background(), f.URL+"/r.git"+ref, cache, GitOptions{})
		if err != nil || commit != first {
			t.Errorf("%s: %s, %v", ref, commit, err)
			continue
		}
		tr.Root.Close()
		// from a shallow repository
		tr, commit, err = CheckoutGit(context.Background(), f.URL+"/r.git#"+second[:9], cache, GitOptions{})
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

func TestCheckoutGitErrors(t *testing.T) {
	f, first, second := newRepository(t)
	f.git(t, "r.git", "tag", "tree", "HEAD^{tree}")
	cache := t.TempDir()
	for ref, want := range map[string]string{
		"/r.git#none":      "does not contain ref none",
		"/r.git#" + whole:  "has no commit " + whole,
		"/r.git#abcdef12":  "has no commit abcdef12",
		"/r.git#main:none": "open the directory none: no such file",
		"/r.git#main:f":    "open the directory f: not a directory",
		"/none.git":        "not found",
		"/r.git?checksum=" + first: "checksum mismatch: the default branch is the commit " + second +
			", expected checksum to match " + first,
		"/r":                       "https URLs must end with .git",
		"/r.git?branch=light":      "does not contain ref",
		"/r.git#tree":              "not a commit",
		"/r.git?fetch-by-commit=1": "needs a full commit ID",
	} {
		if tr, commit, err := CheckoutGit(context.Background(), f.URL+ref, cache, GitOptions{}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %s, %v, want %q", ref, tr, commit, err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := CheckoutGit(ctx, f.URL+"/r.git", cache, GitOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, _, err := CheckoutGit(context.Background(), f.URL+"/r.git", cache, GitOptions{}); err == nil ||
		!strings.Contains(err.Error(), "install git") {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "git/*/trees/tmp-*")); len(left) > 0 {
		t.Errorf("leftover files: %q", left)
	}
}

// TestCheckoutGitKeepsGitDir: .git is there if requested, complete and without secrets; the modes are git's.
func TestCheckoutGitKeepsGitDir(t *testing.T) {
	f, first, _ := newRepository(t)
	f.auth = "me:secret"
	cache, yes := t.TempDir(), true
	address := strings.Replace(f.URL, "http://", "http://me:secret@", 1) + "/r.git#heavy"
	if _, _, err := CheckoutGit(context.Background(), strings.Replace(address, "secret", "other", 1), cache,
		GitOptions{KeepGitDir: &yes}); err == nil || strings.Contains(err.Error(), "other") {
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
			if err != nil || strings.Contains(string(text), "secret") ||
				strings.Contains(string(text), "bWU6c2VjcmV0") {
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

// TestCheckoutGitSubmodules: with an absolute URL, and with one relative to the repository's.
func TestCheckoutGitSubmodules(t *testing.T) {
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
	if !slices.Contains(got, "s/m=m") || slices.ContainsFunc(got,
		func(s string) bool { return strings.Contains(s, ".git/") || strings.Contains(s, ".git=") }) {
		t.Errorf("%q", got)
	}
}
