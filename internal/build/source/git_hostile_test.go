package source

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

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
		f.commit(t, "r.git", map[string]string{".gitmodules": "[submodule \"s\"]\n\tpath = s\n\turl = " + address +
			"\n"})
		f.git(t, "r.git", "update-index", "--add", "--cacheinfo", "160000,"+commit+",s")
		f.git(t, "r.git", "commit", "-qm", "module")
	}
	add(filepath.Join(f.dir, "mod"))
	if tr, _, err := CheckoutGit(context.Background(), f.URL+"/r.git", t.TempDir(), GitOptions{}); err == nil ||
		!strings.Contains(err.Error(), "not allowed") {
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
	if _, err := r.ListRemote(ctx); err == nil || ctx.Err() != nil ||
		!strings.Contains(err.Error(), "the output exceeds") {
		t.Errorf("%v; context: %v", err, ctx.Err())
	}
}
