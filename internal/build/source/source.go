// Package source makes trees: of a directory with its .dockerignore, of an archive,
// of a git repository; and it fetches what ADD names by a URL.
//
//	source.go    Local: a directory of the host; which word means what
//	open.go      files of a tree, opened without leaving it
//	ignore.go    .dockerignore
//	dockerfile.go  the Dockerfile's text: of a tree, of the host, from standard input
//	archive.go   Sniff, Archive: a context that comes as one stream
//	unpack.go    the archive's entries
//	gitref.go    what a git URL asks for (pure)
//	gitremote.go what a remote has under a name
//	git.go       Git: a cached repository, and checkouts of it
//	gitrun.go    the host's git, kept from all that is not asked for
//	fetch.go     Fetch: HTTP, with what is known from the last time
//	prune.go     what the caches have kept too long
//
// Whatever comes from elsewhere is hostile: archives and repositories are unpacked
// below one descriptor, git gets neither hooks nor configuration, and sizes and
// silences have bounds.
package source

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/tree"
)

// Local opens a directory of the host as a context. dockerfile is the host's path of
// the Dockerfile, whose own DOCKERFILE.dockerignore goes before the context's; ""
// and "-" have none.
func Local(dir, dockerfile string) (*tree.Tree, error) {
	t, err := open(dir, "the context")
	if err != nil {
		return nil, err
	}
	if err := localIgnore(t, dir, dockerfile); err != nil {
		_ = t.Root.Close()
		return nil, err
	}
	return t, nil
}

// open makes a tree of a directory.
func open(dir, label string) (*tree.Tree, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("open %s %s: it is not a directory: a Dockerfile is given with -f, an archive by \"-\" on standard input", label, dir)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open " + label, Path: dir, Err: err}
	}
	return &tree.Tree{Root: os.NewFile(uintptr(fd), dir), Label: label, Foreign: true}, nil
}

// IsURL says whether a word is of HTTP; a git repository may be as well.
func IsURL(word string) bool {
	return strings.HasPrefix(word, "http://") || strings.HasPrefix(word, "https://")
}

// Public is a URL without a password: others may read it.
func Public(url string) string { return withoutSecret(url) }

// withoutSecret is a URL as messages may have it.
func withoutSecret(url string) string {
	return userinfo.ReplaceAllString(url, "$1")
}

var userinfo = regexp.MustCompile(`^([a-z+]+://)[^/@]*@`)
