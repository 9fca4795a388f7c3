package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/tree"
	"github.com/minirun/minirun/internal/regularfile"
)

// Git checks a commit out and returns it. keepDir keeps .git, as the URL's
// ?keep-git-dir= does.
func Git(ctx context.Context, ref, cacheDir string, keepDir bool) (*tree.Tree, string, error) {
	r, ok, err := ParseGit(ref)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		return nil, "", fmt.Errorf("%s is not the URL of a git repository: those of https end with .git", ref)
	}
	r.KeepGitDir = r.KeepGitDir || keepDir
	return r.Checkout(ctx, cacheDir)
}

// LsRemote asks the remote which commit a ref is; full is its whole name there. A
// ref that is a whole commit is not asked for; one that is the beginning of a commit
// has no answer ("").
func (r *GitRef) LsRemote(ctx context.Context) (commit, full string, err error) {
	if r.FetchByCommit {
		return r.Checksum, "", nil
	}
	if fullHash.MatchString(r.Ref) {
		return r.Ref, "", nil
	}
	args := []string{"ls-remote", "--", r.Remote}
	for _, name := range r.names() {
		args = append(args, name, name+"^{}")
	}
	out, err := r.git("").run(ctx, args...)
	if err != nil {
		return "", "", fmt.Errorf("ask %s for its refs: %w", r.Remote, err)
	}
	found := map[string]string{}
	for line := range strings.Lines(out) {
		if hash, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && fullHash.MatchString(hash) {
			found[name] = hash
		}
	}
	for _, name := range r.names() {
		if hash, ok := found[name+"^{}"]; ok { // the commit of an annotated tag
			return hash, name, nil
		}
		if hash, ok := found[name]; ok {
			return hash, name, nil
		}
	}
	if partHash.MatchString(r.Ref) {
		return "", "", nil
	}
	what := "its default branch"
	if r.Ref != "" {
		what = "a branch, a tag or a commit " + r.Ref
	}
	return "", "", fmt.Errorf("%s does not have %s", r.Remote, what)
}

func (r *GitRef) git(dir string) *git {
	return &git{dir: dir, remote: r.Remote, user: r.User, protocols: remoteProtocols}
}

// Checkout makes the tree of the ref's commit. The repository stays below cacheDir,
// where a commit that is there is not fetched again; so do trees, which are never
// changed: a second build finds the same files.
func (r *GitRef) Checkout(ctx context.Context, cacheDir string) (*tree.Tree, string, error) {
	cacheDir, err := filepath.Abs(cacheDir)
	if err != nil {
		return nil, "", err
	}
	dir := filepath.Join(cacheDir, "git", key(r.Remote))
	if err := os.MkdirAll(filepath.Join(dir, "trees"), 0o700); err != nil {
		return nil, "", fmt.Errorf("make the cache of git repositories: %w", err)
	}
	release, err := lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, "", err
	}
	defer release()
	if err := os.WriteFile(filepath.Join(dir, "remote"), []byte(Public(r.Remote)), 0o600); err != nil { // for du: dir is a digest of it
		return nil, "", err
	}
	repo := r.git(filepath.Join(dir, "repository"))
	if _, err := repo.run(ctx, "init", "--quiet", "--bare"); err != nil {
		return nil, "", err
	}
	commit, full, err := r.LsRemote(ctx)
	if err != nil {
		return nil, "", err
	}
	if commit, err = r.fetch(ctx, repo, commit, full); err != nil {
		return nil, "", err
	}
	if !strings.HasPrefix(commit, r.Checksum) {
		return nil, "", fmt.Errorf("%s: checksum mismatch: %s is the commit %s, expected %s", r.Remote, what(r.Ref), commit, r.Checksum)
	}
	where := filepath.Join(dir, "trees", fmt.Sprintf("%s-%s", commit, key(fmt.Sprintf("%t %t %s", r.KeepGitDir, r.Submodules, full))[:8]))
	if _, err := os.Lstat(where); errors.Is(err, fs.ErrNotExist) {
		err = r.make(ctx, repo, commit, full, where)
		if err != nil {
			return nil, "", fmt.Errorf("check %s of %s out: %w", commit, r.Remote, err)
		}
	}
	touch(dir, where)
	t, err := r.open(where)
	return t, commit, err
}

func what(ref string) string {
	if ref == "" {
		return "the default branch"
	}
	return ref
}

func key(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// kept is the name under which the cache's repository has a commit.
func kept(commit string) string { return "refs/minirun/" + commit }

// fetch gets a commit, alone if the server lets one.
func (r *GitRef) fetch(ctx context.Context, repo *git, commit, full string) (string, error) {
	has := func(name string) (string, bool) {
		out, err := repo.run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
		return strings.TrimSpace(out), err == nil
	}
	if commit == "" { // the beginning of one: fetched before, perhaps
		if c, ok := has(r.Ref); ok {
			commit = c
		}
	}
	if commit != "" {
		if _, ok := has(kept(commit)); ok {
			return commit, nil
		}
		from := full
		if from == "" {
			from = commit
		}
		_, err := repo.run(ctx, "fetch", "--quiet", "--force", "--depth=1", "--no-tags", "--no-write-fetch-head", "--", r.Remote, from+":"+kept(commit))
		if c, ok := has(kept(commit)); err == nil && ok {
			if c == commit {
				return commit, nil
			}
			// The branch has moved on since it was asked for.
			_, err := repo.run(ctx, "update-ref", kept(c), kept(commit))
			if _, e := repo.run(ctx, "update-ref", "-d", kept(commit)); err == nil {
				err = e
			}
			return c, err
		}
		if full != "" {
			return "", fmt.Errorf("fetch %s of %s: %w", full, r.Remote, err)
		}
	}
	return r.fetchAll(ctx, repo, commit, has)
}

// fetchAll is for commits that the server does not give by their name.
func (r *GitRef) fetchAll(ctx context.Context, repo *git, commit string, has func(string) (string, bool)) (string, error) {
	args := []string{"fetch", "--quiet", "--force", "--no-write-fetch-head"}
	if _, err := os.Lstat(filepath.Join(repo.dir, "shallow")); err == nil {
		args = append(args, "--unshallow")
	}
	if _, err := repo.run(ctx, append(args, "--", r.Remote, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")...); err != nil {
		return "", fmt.Errorf("fetch %s: %w", r.Remote, err)
	}
	if commit == "" {
		commit = r.Ref
	}
	found, ok := has(commit)
	if !ok {
		return "", fmt.Errorf("%s has no commit %s in its branches and tags", r.Remote, commit)
	}
	_, err := repo.run(ctx, "update-ref", kept(found), found)
	return found, err
}

// make makes a working tree.
func (r *GitRef) make(ctx context.Context, repo *git, commit, full, where string) error {
	tmp, err := os.MkdirTemp(filepath.Dir(where), "tmp-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	to := kept(commit)
	if strings.HasPrefix(full, "refs/") {
		to = full
	}
	here := &git{dir: tmp, tree: true, remote: r.Remote, protocols: "file"}
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"remote", "add", "--", "origin", r.Remote}, // submodules may be relative to it
		{"fetch", "--quiet", "--depth=1", "--no-tags", "--update-head-ok", "--no-write-fetch-head", "--", "file://" + repo.dir, kept(commit) + ":" + to},
		{"checkout", "--quiet", "--force", "--detach", commit},
	} {
		if _, err := here.run(ctx, args...); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(filepath.Join(tmp, ".gitmodules")); err == nil && r.Submodules {
		if err := r.submodules(ctx, tmp); err != nil {
			return err
		}
	}
	if err := plainModes(tmp, r.KeepGitDir); err != nil {
		return err
	}
	return os.Rename(tmp, where)
}

func (r *GitRef) submodules(ctx context.Context, dir string) error {
	g := r.git(dir)
	g.tree = true
	_, err := g.run(ctx, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
	if err != nil && ctx.Err() == nil { // some servers give no commit but the last ones
		_, err = g.run(ctx, "submodule", "--quiet", "update", "--init", "--recursive")
	}
	if err != nil {
		return fmt.Errorf("submodules: %w", err)
	}
	return nil
}

// plainModes gives files the modes that git has for them, whatever the umask is, and
// takes git's own files away.
func plainModes(dir string, keep bool) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git" && name != dir && !keep:
			if err := os.RemoveAll(name); err != nil || !d.IsDir() {
				return err
			}
			return fs.SkipDir
		case d.IsDir():
			return os.Chmod(name, 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if st.Mode()&0o100 != 0 {
			return os.Chmod(name, 0o755)
		}
		return os.Chmod(name, 0o644)
	})
}

// open opens the tree, or a directory in it.
func (r *GitRef) open(where string) (*tree.Tree, error) {
	t, err := open(where, "the repository "+r.Remote)
	if err != nil || r.Subdir == "" {
		return t, err
	}
	defer t.Root.Close()
	fd, err := regularfile.PathIn(int(t.Root.Fd()), r.Subdir, unix.O_DIRECTORY, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return nil, fmt.Errorf("%s: open the directory %s: %w", r.Remote, r.Subdir, err)
	}
	return &tree.Tree{Root: os.NewFile(uintptr(fd), filepath.Join(where, r.Subdir)), Label: t.Label, Foreign: true}, nil
}

// lock waits for the cache of one repository.
func lock(ctx context.Context, name string) (release func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, &os.PathError{Op: "lock", Path: name, Err: err}
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
