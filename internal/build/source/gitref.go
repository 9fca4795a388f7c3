package source

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// A GitRef is what a git URL asks for: BuildKit's syntax, with a fragment
// (#REF:SUBDIRECTORY) or a query (?ref=, tag=, branch=, subdir=, checksum=, commit=,
// keep-git-dir=, submodules=, mtime=checkout, fetch-by-commit=).
type GitRef struct {
	Remote string        // as git takes it; without a password
	User   *url.Userinfo // of http and https, if the URL has one

	Ref      string // a branch, a tag, a commit, or any name below refs/; "": the default branch
	Subdir   string // clean, relative to the repository; "" for all
	Checksum string // a commit, or how it begins: what must be found

	KeepGitDir    bool
	Submodules    bool
	FetchByCommit bool // Checksum says which commit, Ref only what it is called

	// LikePath: it could be a path as well (github.com/…), so that it is a repository
	// only as a context, and only if there is no such directory.
	LikePath bool
}

// IsGit says whether a word names a git repository.
func IsGit(word string) bool {
	_, ok, _ := ParseGit(word)
	return ok
}

// scp is ssh's short form: USER@HOST:PATH.
var scp = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:)([^?#]+)(?:\?([^#]*))?(?:#(.*))?$`)

// ParseGit reads a git URL. ok says that it is meant as one; err, what is wrong
// with it.
func ParseGit(word string) (ref *GitRef, ok bool, err error) {
	r := &GitRef{Submodules: true}
	var query, fragment string
	if m := scp.FindStringSubmatch(word); m != nil && !strings.Contains(word, "://") {
		if strings.HasPrefix(m[2], "-") {
			return nil, true, fmt.Errorf("git URL %s: the path begins with a -", word)
		}
		r.Remote, query, fragment = m[1]+m[2], m[3], m[4]
	} else {
		if strings.HasPrefix(word, "github.com/") {
			word, r.LikePath = "https://"+word, true
		}
		u, err := url.Parse(word)
		if err != nil || !r.remote(u) {
			return nil, false, nil // whoever takes it for something else says what is wrong
		}
		if strings.HasPrefix(u.Host, "-") || strings.HasPrefix(u.User.Username(), "-") || u.Host == "" {
			return nil, true, fmt.Errorf("git URL %s: the host or the user is not one", u.Redacted())
		}
		query, fragment = u.RawQuery, u.EscapedFragment()
	}
	if fragment, err = url.PathUnescape(fragment); err == nil {
		err = r.options(query, fragment)
	}
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return nil, true, fmt.Errorf("git URL %s: %w", withoutSecret(word), err)
	}
	return r, true, nil
}

// remote takes the URL's part for git, if there is one: over HTTP a repository is
// known by its .git.
func (r *GitRef) remote(u *url.URL) bool {
	switch u.Scheme {
	case "http", "https":
		if !r.LikePath && !strings.HasSuffix(u.Path, ".git") {
			return false
		}
		r.User = u.User
		r.Remote = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
	case "ssh", "git":
		var user *url.Userinfo
		if u.User != nil {
			user = url.User(u.User.Username())
		}
		r.Remote = (&url.URL{Scheme: u.Scheme, User: user, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
	default:
		return false
	}
	return true
}

func (r *GitRef) options(query, fragment string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	var named string // the query's word for the ref
	for key, all := range values {
		if len(all) != 1 {
			return fmt.Errorf("?%s= is given %d times", key, len(all))
		}
		value := all[0]
		switch key {
		case "ref", "tag", "branch":
			if named != "" {
				return fmt.Errorf("?%s= and ?%s=: one of them", min(named, key), max(named, key))
			}
			named, r.Ref = key, map[string]string{"ref": "", "tag": "refs/tags/", "branch": "refs/heads/"}[key]+value
		case "subdir":
			r.Subdir = value
		case "checksum", "commit":
			if r.Checksum != "" && r.Checksum != value {
				return fmt.Errorf("?checksum= and ?commit= are two commits")
			}
			r.Checksum = value
		case "keep-git-dir":
			r.KeepGitDir, err = yes(value)
		case "submodules":
			r.Submodules, err = yes(value)
		case "fetch-by-commit":
			r.FetchByCommit, err = yes(value)
		case "mtime":
			if value != "checkout" {
				err = fmt.Errorf("%q is not supported, checkout is", value)
			}
		default:
			return fmt.Errorf("?%s= is not known: there are ref, tag, branch, subdir, checksum, commit, keep-git-dir, submodules, mtime and fetch-by-commit", key)
		}
		if err != nil {
			return fmt.Errorf("?%s=: %w", key, err)
		}
	}
	ref, subdir, _ := strings.Cut(fragment, ":")
	if ref != "" && r.Ref != "" || subdir != "" && r.Subdir != "" {
		return fmt.Errorf("the fragment #%s says again what the query says", fragment)
	}
	if ref != "" {
		r.Ref = ref
	}
	if subdir != "" {
		r.Subdir = subdir
	}
	return nil
}

func yes(value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", value)
	}
	return b, nil
}

var (
	// Not all that git-check-ref-format(1) refuses, but all that has another meaning.
	notRef   = regexp.MustCompile(`^-|\.\.|@\{|//|[\x00-\x20\x7f~^:?*\[\\]|/$`)
	checksum = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
	fullHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	partHash = regexp.MustCompile(`^[0-9a-f]{7,63}$`)
)

func (r *GitRef) check() error {
	if notRef.MatchString(r.Ref) {
		return fmt.Errorf("%q cannot be a branch, a tag or a commit", r.Ref)
	}
	if r.Checksum != "" && !checksum.MatchString(r.Checksum) {
		return fmt.Errorf("checksum %q is not a commit: at least 7 digits of its hash, in small letters", r.Checksum)
	}
	if r.FetchByCommit && !fullHash.MatchString(r.Checksum) {
		return fmt.Errorf("?fetch-by-commit= needs the whole commit in ?checksum=")
	}
	for _, part := range strings.Split(r.Subdir, "/") {
		if part == ".." {
			return fmt.Errorf("the directory %q leads out of the repository", r.Subdir)
		}
	}
	r.Subdir = strings.TrimPrefix(path.Clean("/"+r.Subdir), "/")
	return nil
}

// names are the full names that a ref may mean, in the order in which they count.
func (r *GitRef) names() []string {
	switch {
	case r.Ref == "" || r.Ref == "HEAD":
		return []string{"HEAD"}
	case strings.HasPrefix(r.Ref, "refs/"):
		return []string{r.Ref}
	}
	return []string{"refs/heads/" + r.Ref, "refs/tags/" + r.Ref, "refs/" + r.Ref}
}
