// Package source creates trees from a directory with its .dockerignore, from an archive, or
// from a git repository; and it fetches the URLs of ADD.
//
//	source.go      OpenLocal: a directory on the host; recognizing URLs
//	open.go        files of a tree, opened without leaving it
//	ignore.go      .dockerignore
//	dockerfile.go  the Dockerfile's text: from a tree, from the host, from standard input
//	archive.go     Sniff, ExtractArchive: a context in the form of a stream
//	gitref.go      parsing git URLs (pure)
//	gitremote.go   looking up names at a remote
//	git.go         CheckoutGit: a cached repository, and checkouts of it
//	gitrun.go      running the host's git in isolation
//	fetch.go       Fetch: HTTP, with a cache
//	times.go       the times of commits and files
//	prune.go       removing old cache entries
//
// Everything that is fetched is treated as hostile: archives and repositories are unpacked
// below one descriptor, git gets neither hooks nor configuration, and sizes and waiting times
// are limited.
package source

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
)

// OpenLocal opens a directory on the host as a context. dockerfile is the host path of the
// Dockerfile, whose own DOCKERFILE.dockerignore takes precedence over the context's; "" and
// "-" have none.
func OpenLocal(dir, dockerfile string) (*contenthash.Tree, error) {
	t, err := openDirectory(dir, "the context")
	if err != nil {
		return nil, err
	}
	if err := applyLocalIgnore(t, dir, dockerfile); err != nil {
		_ = t.Root.Close()
		return nil, err
	}
	return t, nil
}

// openDirectory creates a tree from a directory.
func openDirectory(dir, label string) (*contenthash.Tree, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("%s %s is not a directory\n"+
			"hint: use -f for a Dockerfile, and - for an archive on standard input", label, dir)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open " + label, Path: dir, Err: err}
	}
	return &contenthash.Tree{Root: os.NewFile(uintptr(fd), dir), Label: label, Foreign: true}, nil
}

// IsURL reports whether a word is an HTTP URL, which may also be a git repository.
func IsURL(word string) bool {
	return strings.HasPrefix(word, "http://") || strings.HasPrefix(word, "https://")
}

// RedactURL returns a URL without its user and password, safe for messages and records.
func RedactURL(url string) string { return userinfo.ReplaceAllString(url, "$1") }

var userinfo = regexp.MustCompile(`^([a-z+]+://)[^/@]*@`)
