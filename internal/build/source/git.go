package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/sshagent"
	"github.com/minirun/minirun/internal/flock"
	"github.com/minirun/minirun/internal/regularfile"
)

// GitOptions are options from a flag or the build, in addition to the repository's URL.
type GitOptions struct {
	KeepGitDir  *bool // nil: not given
	ForceGitDir bool  // .git is kept, regardless of the URL
	Checksum    string

	// CommitTimes sets the times of files to that of the commit, unless the URL has ?mtime=.
	CommitTimes bool
	Agent       *sshagent.Agent // for ssh; nil: the host's, if there is one
}

// CheckoutGit checks out a commit and returns it.
func CheckoutGit(ctx context.Context, ref, cacheDir string, o GitOptions) (*contenthash.Tree, string, error) {
	r, ok, err := ParseGit(ref)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		return nil, "", fmt.Errorf("%s is not the URL of a git repository (https URLs must end with .git)", ref)
	}
	if err := r.applyOptions(o); err != nil {
		return nil, "", fmt.Errorf("git URL %s: %w", RedactURL(ref), err)
	}
	if o.Agent != nil {
		if r.agent, err = o.Agent.Socket(); err != nil {
			return nil, "", err
		}
	}
	return r.Checkout(ctx, cacheDir)
}

func (r *GitRef) newGit(dir string) *git {
	return &git{dir: dir, remote: r.Remote, user: r.User, protocols: remoteProtocols, agent: r.agent}
}

// Checkout creates the tree of the ref's commit. The repository is kept below cacheDir, where
// a commit that exists is not fetched again. Trees are kept too and never modified, so a
// second build finds the same files.
func (r *GitRef) Checkout(ctx context.Context, cacheDir string) (*contenthash.Tree, string, error) {
	cacheDir, err := filepath.Abs(cacheDir)
	if err != nil {
		return nil, "", err
	}
	dir := filepath.Join(cacheDir, "git", cacheKey(r.Remote))
	if err := os.MkdirAll(filepath.Join(dir, "trees"), 0o700); err != nil {
		return nil, "", fmt.Errorf("create the cache of git repositories: %w", err)
	}
	release, err := lockCache(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, "", err
	}
	defer release()
	// for du: dir is a digest of it
	if err := os.WriteFile(filepath.Join(dir, "remote"), []byte(RedactURL(r.Remote)), 0o600); err != nil {
		return nil, "", err
	}
	found, err := r.ListRemote(ctx)
	if err != nil {
		return nil, "", err
	}
	repo := r.newGit(filepath.Join(dir, repositoryName(found.format)))
	if _, err := repo.run(ctx, append(initArguments(found.format), "--bare")...); err != nil {
		return nil, "", err
	}
	if found, err = r.fetchCommit(ctx, repo, found); err != nil {
		return nil, "", err
	}
	commit := found.commit
	if !strings.HasPrefix(commit, r.Checksum) && !strings.HasPrefix(found.tag, r.Checksum) {
		return nil, "", fmt.Errorf("%s: checksum mismatch: %s is the commit %s, expected checksum to match %s",
			r.Remote, describeRef(r.Ref), commit, r.Checksum)
	}
	where := filepath.Join(dir, "trees", fmt.Sprintf("%s-%s", commit,
		cacheKey(fmt.Sprintf("2 %t %t %t %s %s", r.keepsGitDir(), r.Submodules, r.commitTimes(), found.name,
			found.tag))[:8]))
	if _, err := os.Lstat(where); errors.Is(err, fs.ErrNotExist) {
		err = r.createTree(ctx, repo, found, where)
		if err != nil {
			return nil, "", fmt.Errorf("check out %s of %s: %w", commit, r.Remote, err)
		}
	}
	touch(dir, where)
	t, err := r.openTree(filepath.Join(where, treeName))
	return t, commit, err
}

// treeName is the only entry of a tree's directory. The time of that directory is when the
// tree was last used, while the tree keeps its own time.
const treeName = "tree"

// repositoryName is the directory of the cache for objects in one format: a git repository
// cannot have both.
func repositoryName(format string) string {
	if format == sha1Format {
		return "repository"
	}
	return "repository-" + format
}

// initArguments are the arguments of git init. SHA-1 is git's default, and git before 2.29
// supports nothing else.
func initArguments(format string) []string {
	if format == sha1Format {
		return []string{"init", "--quiet"}
	}
	return []string{"init", "--quiet", "--object-format=" + format}
}

func describeRef(ref string) string {
	if ref == "" {
		return "the default branch"
	}
	return ref
}

func cacheKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// keptRef is the ref under which the cache's repository keeps an object: a commit, or an
// annotated tag of a commit.
func keptRef(object string) string { return "refs/kept/" + object }

// resolve returns the object to which a name in a repository refers, or "". kind is peeled or
// unpeeled.
func (g *git) resolve(ctx context.Context, name, kind string) string {
	out, err := g.run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+kind)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// The object of an annotated tag that resolve returns: the commit, or the tag itself.
const (
	peeled   = "^{commit}"
	unpeeled = "^{object}"
)

// fetchCommit fetches a commit, by itself if the server allows that, and returns what was fetched: a
// branch may have moved since it was looked up.
func (r *GitRef) fetchCommit(ctx context.Context, repo *git, found remoteRef) (remoteRef, error) {
	if found.commit == "" { // an abbreviated commit: it may have been fetched before
		found.commit = repo.resolve(ctx, r.Ref, peeled)
	}
	if found.commit == "" {
		return r.fetchAll(ctx, repo, found)
	}
	name := keptRef(found.object())
	if repo.resolve(ctx, name, peeled) == found.commit {
		return found, nil
	}
	err := r.fetchOne(ctx, repo, cmp.Or(found.name, found.commit), name)
	commit := repo.resolve(ctx, name, peeled)
	switch {
	case err == nil && commit == found.commit:
		return found, nil
	case err == nil && commit != "":
		return found.keepMoved(ctx, repo, commit)
	case found.name == "":
		return r.fetchAll(ctx, repo, found)
	case err == nil:
		err = errors.New("not a commit")
	}
	return found, fmt.Errorf("fetch %s of %s: %w", found.name, r.Remote, err)
}

// keepMoved keeps a commit that differs from the one looked up, under its own name.
func (found remoteRef) keepMoved(ctx context.Context, repo *git, commit string) (remoteRef, error) {
	name := keptRef(found.object())
	found.commit, found.tag = commit, ""
	if object := repo.resolve(ctx, name, unpeeled); object != commit {
		found.tag = object
	}
	_, err := repo.run(ctx, "update-ref", keptRef(found.object()), name)
	if _, e := repo.run(ctx, "update-ref", "-d", name); err == nil {
		err = e
	}
	return found, err
}

// fetchOne fetches one ref without its history. A server that only serves files (the dumb HTTP
// protocol) provides no commit without its ancestors.
func (r *GitRef) fetchOne(ctx context.Context, repo *git, from, to string) error {
	args := []string{"fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head"}
	where := []string{"--", r.Remote, from + ":" + to}
	_, err := repo.run(ctx, slices.Concat(args, []string{"--depth=1"}, where)...)
	if err == nil || ctx.Err() != nil || !IsURL(r.Remote) || fullHash.MatchString(from) {
		return err
	}
	_, err = repo.run(ctx, append(args, where...)...)
	return err
}

// fetchAll handles commits that the server does not allow to be fetched by ID.
func (r *GitRef) fetchAll(ctx context.Context, repo *git, found remoteRef) (remoteRef, error) {
	args := []string{"fetch", "--quiet", "--force", "--no-write-fetch-head"}
	if _, err := os.Lstat(filepath.Join(repo.dir, "shallow")); err == nil {
		args = append(args, "--unshallow")
	}
	if _, err := repo.run(ctx, append(args, "--", r.Remote, "+refs/heads/*:refs/remotes/origin/*",
		"+refs/tags/*:refs/tags/*")...); err != nil {
		return found, fmt.Errorf("fetch %s: %w", r.Remote, err)
	}
	wanted := cmp.Or(found.commit, r.Ref)
	if found.commit = repo.resolve(ctx, wanted, peeled); found.commit == "" {
		return found, fmt.Errorf("%s has no commit %s in its branches and tags", r.Remote, wanted)
	}
	_, err := repo.run(ctx, "update-ref", keptRef(found.commit), found.commit)
	return found, err
}

// createTree creates a working tree.
func (r *GitRef) createTree(ctx context.Context, repo *git, found remoteRef, where string) error {
	tmp, err := os.MkdirTemp(filepath.Dir(where), "tmp-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	dir := filepath.Join(tmp, treeName)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	what := keptRef(found.object())
	if strings.HasPrefix(found.name, "refs/") {
		what += ":" + found.name
	}
	here := &git{dir: dir, tree: true, remote: r.Remote, protocols: "file"}
	for _, args := range [][]string{
		initArguments(found.format),
		{"remote", "add", "--", "origin", r.Remote}, // submodules may be relative to it
		{"fetch", "--quiet", "--depth=1", "--no-tags", "--update-head-ok", "--no-write-fetch-head", "--",
			"file://" + repo.dir, what},
		{"checkout", "--quiet", "--force", "--detach", found.commit},
	} {
		if _, err := here.run(ctx, args...); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, ".gitmodules")); err == nil && r.Submodules {
		if err := r.updateSubmodules(ctx, dir); err != nil {
			return err
		}
	}
	if err := resetModes(dir, r.keepsGitDir()); err != nil {
		return err
	}
	if r.commitTimes() {
		when, err := repo.commitTime(ctx, found.commit)
		if err != nil {
			return err
		}
		if err := setTimes(dir, when); err != nil {
			return err
		}
	}
	return os.Rename(tmp, where)
}

func (r *GitRef) updateSubmodules(ctx context.Context, dir string) error {
	g := r.newGit(dir)
	g.tree = true
	_, err := g.run(ctx, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
	if err != nil && ctx.Err() == nil { // some servers provide only the tips of branches and tags
		_, err = g.run(ctx, "submodule", "--quiet", "update", "--init", "--recursive")
	}
	if err != nil {
		return fmt.Errorf("submodules: %w", err)
	}
	return nil
}

// resetModes gives files the modes that git records, regardless of the umask, and removes
// git's own files.
func resetModes(dir string, keep bool) error {
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

// openTree opens the tree, or a directory in it.
func (r *GitRef) openTree(where string) (*contenthash.Tree, error) {
	t, err := openDirectory(where, "the repository "+r.Remote)
	if err != nil {
		return nil, err
	}
	if t.Dated = r.commitTimes(); r.Subdir == "" {
		return t, nil
	}
	defer t.Root.Close()
	fd, err := regularfile.OpenPathIn(int(t.Root.Fd()), r.Subdir, unix.O_DIRECTORY,
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return nil, fmt.Errorf("%s: open the directory %s: %w", r.Remote, r.Subdir, err)
	}
	return &contenthash.Tree{Root: os.NewFile(uintptr(fd), filepath.Join(where, r.Subdir)), Label: t.Label,
		Foreign: true, Dated: t.Dated}, nil
}

// lockCache waits for the lock on the cache of one repository.
func lockCache(ctx context.Context, name string) (release func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	if err := flock.Wait(ctx, f, unix.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return func() { _ = f.Close() }, nil
}
