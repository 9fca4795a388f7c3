package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
)

// A remoteRef is the result of looking up a name at a remote.
type remoteRef struct {
	commit string // "": not known yet, and the ref may be an abbreviated commit
	tag    string // the object of an annotated tag, or ""
	name   string // its full name there; "" for a commit
	format string // of the remote's objects
}

// object returns the object that the name refers to.
func (f remoteRef) object() string { return cmp.Or(f.tag, f.commit) }

// Object formats, by git's names of their hashes.
const (
	sha1Format   = "sha1"
	sha256Format = "sha256"
)

func objectFormat(hash string) string {
	if len(hash) == 64 {
		return sha256Format
	}
	return sha1Format
}

// ListRemote asks the remote which commit a ref refers to. A ref that is a full commit ID is not
// looked up. For an abbreviated one, the remote can report only the object format.
func (r *GitRef) ListRemote(ctx context.Context) (remoteRef, error) {
	for _, commit := range []string{r.Checksum, r.Ref} {
		if fullHash.MatchString(commit) && (r.FetchByCommit || commit == r.Ref) {
			return remoteRef{commit: commit, format: objectFormat(commit)}, nil
		}
	}
	args := []string{"ls-remote", "--symref", "--", r.Remote, "HEAD"} // all hashes have the same length
	for _, name := range r.fullNames() {
		args = append(args, name, name+"^{}")
	}
	out, err := r.newGit("").run(ctx, args...)
	if err != nil {
		var failed *gitError
		if errors.As(err, &failed) {
			return remoteRef{}, fmt.Errorf("cannot read the git repository %s: %w\nhint: check the address, and that you "+
				"have access: git ls-remote %[1]s", r.Remote, err)
		}
		return remoteRef{}, fmt.Errorf("cannot read the git repository %s: %w", r.Remote, err)
	}
	found, format, branch := map[string]string{}, sha1Format, ""
	for line := range strings.Lines(out) {
		hash, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if target, ok := strings.CutPrefix(hash, "ref: refs/heads/"); ok && name == "HEAD" {
			branch = "refs/heads/" + target
		}
		if fullHash.MatchString(hash) {
			found[name], format = hash, objectFormat(hash)
		}
	}
	for _, name := range r.fullNames() {
		object, known := found[name]
		if commit, annotated := found[name+"^{}"]; annotated {
			return remoteRef{commit: commit, tag: object, name: name, format: format}, nil
		}
		if known && name == "HEAD" && branch != "" && !invalidRef.MatchString(branch) {
			name = branch
		}
		if known {
			return remoteRef{commit: object, name: name, format: format}, nil
		}
	}
	if shortHash.MatchString(r.Ref) {
		return remoteRef{format: format}, nil
	}
	if r.Ref == "" {
		return remoteRef{}, fmt.Errorf("%s has no default branch", r.Remote)
	}
	return remoteRef{}, fmt.Errorf("%s: repository does not contain ref %s: no branch, tag or commit has this name",
		r.Remote, r.Ref)
}
