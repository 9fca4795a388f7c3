package source

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// needSHA256 skips a test if git does not support SHA-256 repositories.
func needSHA256(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("git", "init", "-q", "--object-format=sha256",
		t.TempDir()).CombinedOutput(); err != nil {
		t.Skipf("git has no SHA-256 repositories: %s", out)
	}
}

// dumbServer serves the repositories of a forge as plain files.
func (f *forge) dumbServer(t *testing.T, repo string) string {
	t.Helper()
	f.git(t, repo, "update-server-info")
	s := httptest.NewServer(http.StripPrefix("/"+repo, http.FileServer(http.Dir(filepath.Join(f.dir, repo, ".git")))))
	t.Cleanup(s.Close)
	return s.URL + "/" + repo
}

// TestGitForms: repositories in either object format, from a smart server and from one that
// only serves files, with each way to name a commit.
func TestGitForms(t *testing.T) {
	needSHA256(t)
	for _, format := range []string{"sha1", "sha256"} {
		f := newForge(t)
		f.git(t, "r.git", "init", "-q", "--object-format="+format)
		first := f.commit(t, "r.git", map[string]string{"f": "1"})
		f.git(t, "r.git", "tag", "light")
		f.git(t, "r.git", "tag", "-am", "heavy", "heavy")
		f.git(t, "r.git", "branch", "old")
		second := f.commit(t, "r.git", map[string]string{"f": "2"})
		f.git(t, "r.git", "gc", "-q") // as files, packs and loose objects
		third := f.commit(t, "r.git", map[string]string{"f": "3"})
		for kind, url := range map[string]string{"git": f.URL + "/r.git", "files": f.dumbServer(t, "r.git")} {
			shared := t.TempDir()
			for _, c := range []struct{ ref, commit string }{
				{"", third}, {"#main", third}, {"#light", first}, {"#heavy", first}, {"?branch=old", first},
				{"#" + second, second}, {"#" + first[:9], first},
				{"?ref=main&checksum=" + third[:8], third}, {"?fetch-by-commit=1&commit=" + second, second},
			} {
				for _, cache := range []string{shared, t.TempDir()} {
					tr, commit, err := CheckoutGit(context.Background(), url+c.ref, cache, GitOptions{})
					if err != nil || commit != c.commit {
						t.Errorf("%s, %s, %s: %s, want %s, %v", format, kind, c.ref, commit, c.commit, err)
						continue
					}
					tr.Root.Close()
				}
			}
		}
	}
}

// TestGitFormatChanges: the repository at an address may be replaced by another one.
func TestGitFormatChanges(t *testing.T) {
	needSHA256(t)
	cache := t.TempDir()
	f := newForge(t)
	for i, format := range []string{"sha1", "sha256", "sha1"} {
		repo := fmt.Sprintf("%d", i)
		f.git(t, repo, "init", "-q", "--object-format="+format)
		want := f.commit(t, repo, map[string]string{"f": repo})
		f.git(t, ".", "clone", "-q", "--bare", repo, "r.git")
		tr, commit, err := CheckoutGit(context.Background(), f.URL+"/r.git", cache, GitOptions{})
		if err != nil || commit != want {
			t.Fatalf("%s: %s, want %s, %v", format, commit, want, err)
		}
		if got := list(t, tr.Root.Name()); !slices.Equal(got, []string{"f=" + repo}) {
			t.Errorf("%s: %q", format, got)
		}
		tr.Root.Close()
		when, err := CommitTime(context.Background(), f.URL+"/r.git", commit, cache)
		if err != nil || when.Year() != 2020 {
			t.Errorf("%s: made %s, %v", format, when, err)
		}
		if out, err := exec.Command("rm", "-r", filepath.Join(f.dir, "r.git")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// TestGitChecksum: a checksum is that of a commit or an annotated tag, possibly abbreviated,
// in the URL or from a flag. If both are given, they must be the same.
func TestGitChecksum(t *testing.T) {
	f, first, second := newRepository(t)
	tag := f.git(t, "r.git", "rev-parse", "heavy")
	cache := t.TempDir()
	for _, c := range []struct{ ref, flag, want string }{ // want: "" or a part of the error
		{"#heavy", first, ""}, {"#heavy", tag, ""}, {"#heavy", tag[:10], ""}, {"?tag=heavy&checksum=" + tag, "", ""},
		{"?tag=heavy&checksum=" + tag, tag, ""},
		{"#heavy", second, "checksum mismatch"}, {"#light", tag, "checksum mismatch"}, {"#main", second[:6], ""},
		{"#" + first, first, ""},
		{"#" + first, second, "checksum mismatch"}, {"?checksum=" + first, second, "two values for the commit"},
		{"?fetch-by-commit=1", first, ""}, {"", strings.ToUpper(second), "is not a commit"},
		{"", "sha256:" + strings.Repeat("1", 64), "is not a commit"},
	} {
		tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git"+c.ref, cache, GitOptions{Checksum: c.flag})
		if err == nil {
			tr.Root.Close()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s --checksum=%s: %v, want %q", c.ref, c.flag, err, c.want)
		}
	}
}

// TestKeepGitDirFlagAndURLMustAgree: the flag and the URL must not contradict each other about .git.
func TestKeepGitDirFlagAndURLMustAgree(t *testing.T) {
	f, _, _ := newRepository(t)
	cache := t.TempDir()
	yes, no := true, false
	for _, c := range []struct {
		query   string
		o       GitOptions
		keeps   bool
		rejects string
	}{
		{"", GitOptions{}, false, ""},
		{"", GitOptions{KeepGitDir: &yes}, true, ""},
		{"?keep-git-dir=true", GitOptions{}, true, ""},
		{"?keep-git-dir=1", GitOptions{KeepGitDir: &yes}, true, ""},
		{"?keep-git-dir=0", GitOptions{KeepGitDir: &no}, false, ""},
		{"?keep-git-dir=0", GitOptions{ForceGitDir: true}, true, ""},
		{"?keep-git-dir=false", GitOptions{KeepGitDir: &yes}, false, "--keep-git-dir is true"},
		{"?keep-git-dir", GitOptions{KeepGitDir: &no}, false, "--keep-git-dir is false"},
	} {
		tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git"+c.query, cache, c.o)
		if (err == nil) != (c.rejects == "") || err != nil && !strings.Contains(err.Error(), c.rejects) {
			t.Errorf("%s, %+v: %v, want %q", c.query, c.o, err, c.rejects)
		}
		if err != nil {
			continue
		}
		_, err = os.Lstat(filepath.Join(tr.Root.Name(), ".git"))
		if (err == nil) != c.keeps {
			t.Errorf("%s, %+v: .git: %v", c.query, c.o, err)
		}
		tr.Root.Close()
	}
}

// TestGitTimes: with commit times, all files and the root of the tree have the commit's time,
// even when the tree is reused.
func TestGitTimes(t *testing.T) {
	f, _, _ := newRepository(t)
	f.git(t, "r.git", "checkout", "-q", "-b", "linked")
	if out, err := exec.Command("ln", "-s", "d", filepath.Join(f.dir, "r.git", "l")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f.commit(t, "r.git", nil)
	cache := t.TempDir()
	made := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		query  string
		o      GitOptions
		commit bool
	}{
		{"", GitOptions{}, false}, {"?mtime=commit", GitOptions{}, true}, {"?mtime=commit", GitOptions{}, true},
		{"", GitOptions{CommitTimes: true}, true},
		{"?mtime=checkout", GitOptions{CommitTimes: true}, false},
		{"?mtime=commit&keep-git-dir=1", GitOptions{}, true}, {"?mtime=commit&subdir=d", GitOptions{}, true},
	} {
		tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git"+c.query, cache, c.o)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		err = filepath.WalkDir(tr.Root.Name(), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.ModTime().Equal(made) != c.commit {
				t.Errorf("%s: %s has %s", c.query, name, info.ModTime())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		tr.Root.Close()
	}
}

// TestGitNamesOfOneCommit: a branch, tags and the commit itself are kept separately, whichever
// was fetched first, and .git has the name that was requested.
func TestGitNamesOfOneCommit(t *testing.T) {
	f, first, _ := newRepository(t)
	tag := f.git(t, "r.git", "rev-parse", "heavy")
	want := map[string]string{
		"#old": first + " refs/heads/old", "#light": first + " refs/tags/light", "#heavy": tag + " refs/tags/heavy",
		"#" + first: "",
		"":          f.git(t, "r.git", "rev-parse", "main") + " refs/heads/main",
	}
	for _, refs := range [][]string{{"#heavy", "#old", "#light", "#" + first, ""},
		{"", "#" + first, "#light", "#old", "#heavy"}} {
		cache, yes := t.TempDir(), true
		for _, ref := range refs {
			tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git"+ref, cache, GitOptions{KeepGitDir: &yes})
			if err != nil {
				t.Errorf("%s of %q: %v", ref, refs, err)
				continue
			}
			cmd := exec.Command("git", "-C", tr.Root.Name(), "for-each-ref", "--format=%(objectname) %(refname)")
			cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
			if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != want[ref] {
				t.Errorf("%s of %q: .git has %q, want %q, %v", ref, refs, out, want[ref], err)
			}
			tr.Root.Close()
		}
	}
}
