package source

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A GitRef is a parsed git URL in BuildKit's syntax, with a fragment (#REF:SUBDIRECTORY) or a
// query (?ref=, tag=, branch=, subdir=, checksum=, commit=, keep-git-dir=, submodules=,
// mtime=, fetch-by-commit=).
type GitRef struct {
	Remote string        // in git's syntax, without a password
	User   *url.Userinfo // for http and https, if the URL has one

	Ref      string // a branch, a tag, a commit, or any name below refs/; "": the default branch
	Subdir   string // clean, relative to the repository; "" for all of it
	Checksum string // the expected commit, possibly abbreviated

	KeepGitDir    *bool  // nil: not given
	Mtime         string // mtimeCommit, mtimeCheckout; "": not given
	Submodules    bool
	FetchByCommit bool // Checksum selects the commit, Ref is only its name

	// LikePath is set if the URL could also be a path (github.com/…). Then it is a repository
	// only as a context, and only if that directory does not exist.
	LikePath bool

	agent string // the socket of an SSH agent; "": the host's
}

// IsGit reports whether a word names a git repository.
func IsGit(word string) bool {
	_, ok, _ := ParseGit(word)
	return ok
}

// scp matches ssh's short form: USER@HOST:PATH.
var scp = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:)` +
	`([^?#]+)(?:\?([^#]*))?(?:#(.*))?$`)

// ParseGit parses a git URL. ok reports whether the word is a git URL; err describes errors in
// it.
func ParseGit(word string) (ref *GitRef, ok bool, err error) {
	r := &GitRef{Submodules: true}
	var query, fragment string
	if m := scp.FindStringSubmatch(word); m != nil && !strings.Contains(word, "://") {
		if strings.HasPrefix(m[2], "-") {
			return nil, true, fmt.Errorf("git URL %s: the path must not begin with -", word)
		}
		r.Remote, query, fragment = m[1]+m[2], m[3], m[4]
	} else {
		if strings.HasPrefix(word, "github.com/") {
			word, r.LikePath = "https://"+word, true
		}
		u, err := url.Parse(word)
		if err != nil || !r.setRemote(u) {
			return nil, false, nil // the parser for its other meaning reports the error
		}
		if strings.HasPrefix(u.Host, "-") || strings.HasPrefix(u.User.Username(), "-") || u.Host == "" {
			return nil, true, fmt.Errorf("git URL %s: invalid host or user", u.Redacted())
		}
		query, fragment = u.RawQuery, u.EscapedFragment()
	}
	if fragment, err = url.PathUnescape(fragment); err == nil {
		err = r.parseOptions(query, fragment)
	}
	if err == nil {
		err = r.setDefaults()
	}
	if err == nil {
		err = r.validate()
	}
	if err != nil {
		return nil, true, fmt.Errorf("git URL %s: %w", RedactURL(word), err)
	}
	return r, true, nil
}

// setRemote extracts git's part of the URL, if there is one. Over HTTP a repository is recognized
// by its .git.
func (r *GitRef) setRemote(u *url.URL) bool {
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

// parseOptions parses the query and the fragment. Options in both must be the same.
func (r *GitRef) parseOptions(query, fragment string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if n := len(values[key]); n != 1 {
			return fmt.Errorf("?%s= is given %d times", key, n)
		}
		if err := r.setOption(key, values[key][0]); err != nil {
			return err
		}
	}
	ref, subdir, _ := strings.Cut(fragment, ":")
	if err := setOnce(&r.Ref, ref, "ref"); err != nil {
		return err
	}
	return setOnce(&r.Subdir, subdir, "directory")
}

// setOption parses one option of the query.
func (r *GitRef) setOption(key, value string) (err error) {
	on := &r.Submodules
	switch key {
	case "ref":
		err = setOnce(&r.Ref, value, "ref")
	case "tag", "branch":
		if value != "" {
			err = setOnce(&r.Ref, map[string]string{"tag": "refs/tags/", "branch": "refs/heads/"}[key]+value, "ref")
		}
	case "subdir":
		r.Subdir = value
	case "checksum", "commit":
		err = setOnce(&r.Checksum, value, "commit")
	case "mtime":
		r.Mtime = value
	case "submodules", "keep-git-dir", "fetch-by-commit":
		if key == "keep-git-dir" {
			r.KeepGitDir = new(bool)
			on = r.KeepGitDir
		} else if key == "fetch-by-commit" {
			on = &r.FetchByCommit
		}
		if *on, err = parseBool(value); err != nil {
			err = fmt.Errorf("?%s=: %w", key, err)
		}
		return err
	default:
		return fmt.Errorf("unknown option ?%s=: must be ref, tag, branch, subdir, checksum, commit, keep-git-dir, "+
			"submodules, mtime or fetch-by-commit", key)
	}
	if value == "" {
		return fmt.Errorf("?%s= has no value", key)
	}
	return err
}

// setOnce sets a value that may be given in several places, but only once or with the same value.
func setOnce(to *string, value, what string) error {
	switch {
	case value == "" || value == *to:
		return nil
	case *to != "":
		return fmt.Errorf("there are two values for the %s: %s and %s", what, min(*to, value), max(*to, value))
	}
	*to = value
	return nil
}

// applyOptions adds the options from flags.
func (r *GitRef) applyOptions(o GitOptions) error {
	if o.KeepGitDir != nil {
		if r.KeepGitDir != nil && *r.KeepGitDir != *o.KeepGitDir {
			return fmt.Errorf("--keep-git-dir is %t, but ?keep-git-dir= is %t", *o.KeepGitDir, *r.KeepGitDir)
		}
		r.KeepGitDir = o.KeepGitDir
	}
	if o.ForceGitDir {
		r.KeepGitDir = &o.ForceGitDir
	}
	if err := setOnce(&r.Checksum, o.Checksum, "commit"); err != nil {
		return err
	}
	if r.Mtime == "" && o.CommitTimes {
		r.Mtime = mtimeCommit
	}
	if r.FetchByCommit && !fullHash.MatchString(r.Checksum) {
		return errors.New("?fetch-by-commit= needs a full commit ID\nhint: add ?checksum=COMMIT")
	}
	return r.validate()
}

func (r *GitRef) keepsGitDir() bool { return r.KeepGitDir != nil && *r.KeepGitDir }

func (r *GitRef) commitTimes() bool { return r.Mtime == mtimeCommit }

// Values of ?mtime=: files have the time of the checkout, or of the commit.
const (
	mtimeCheckout = "checkout"
	mtimeCommit   = "commit"
)

func parseBool(value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%q must be true or false", value)
	}
	return b, nil
}

var (
	// Not everything that git-check-ref-format(1) rejects, but everything that has another
	// meaning.
	invalidRef = regexp.MustCompile(`^-|\.\.|@\{|//|[\x00-\x20\x7f~^:?*\[\\]|/$`)
	checksum   = regexp.MustCompile(`^[0-9a-f]{4,64}$`)
	fullHash   = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	shortHash  = regexp.MustCompile(`^[0-9a-f]{7,63}$`)
)

// setDefaults sets the fields that depend on others.
func (r *GitRef) setDefaults() error {
	if r.FetchByCommit && r.Checksum == "" && fullHash.MatchString(r.Ref) {
		r.Checksum = r.Ref
	}
	if dir := path.Clean(strings.TrimLeft(r.Subdir, "/")); dir == ".." || strings.HasPrefix(dir, "../") {
		return fmt.Errorf("the directory %q leads out of the repository", r.Subdir)
	}
	r.Subdir = strings.TrimPrefix(path.Clean("/"+r.Subdir), "/")
	return nil
}

func (r *GitRef) validate() error {
	if invalidRef.MatchString(r.Ref) {
		return fmt.Errorf("%q cannot be a branch, a tag or a commit", r.Ref)
	}
	if r.Checksum != "" && !checksum.MatchString(r.Checksum) {
		return fmt.Errorf("checksum %q is not a commit: must be at least 4 digits of its hash, in lower case",
			r.Checksum)
	}
	if r.Mtime != "" && r.Mtime != mtimeCheckout && r.Mtime != mtimeCommit {
		return fmt.Errorf("?mtime=%s: must be checkout or commit", r.Mtime)
	}
	return nil
}

// fullNames returns the full names that a ref may refer to, in order of precedence.
func (r *GitRef) fullNames() []string {
	switch {
	case r.Ref == "" || r.Ref == "HEAD":
		return []string{"HEAD"}
	case strings.HasPrefix(r.Ref, "refs/"):
		return []string{r.Ref}
	}
	return []string{"refs/heads/" + r.Ref, "refs/tags/" + r.Ref, "refs/" + r.Ref}
}
