// Package linkwalk resolves the symbolic links of a path by reading them. The kernel
// does not follow a link to something that does not exist, and mkdir(2) and mknod(2)
// do not follow a final link at all, so the target of such a path has to be found
// first.
//
// A walk changes nothing, and its result is text that may be out of date. The caller
// must open it below the root in a way that follows no further links.
package linkwalk

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Kind is the kind of file that a LookupFunc finds under a name.
type Kind int

// The kinds of file that a walk distinguishes.
const (
	Missing Kind = iota
	Directory
	Other // a regular file, a device, …: nothing can be below it
	Link
	Opaque // nothing below it can be looked up: the rest of the path is used unchanged
)

// LookupFunc returns the kind of the file called name, which is absolute and clean and has
// no link before its last component. target is the text of a link.
type LookupFunc func(name string) (kind Kind, target string, err error)

// Place is the result of resolving a path.
type Place struct {
	Path     string // absolute and clean; no component is a link
	Existing string // the deepest part of Path that exists: Path itself if nothing is missing
	Opaque   bool   // Path is in or below something Opaque
}

// Missing reports whether a part of the place is missing.
func (p Place) Missing() bool { return p.Path != p.Existing }

// maxLinks is the number of links that the resolution of a path may follow, as in the
// kernel (path_resolution(7)).
const maxLinks = 40

// Follow returns the place that name resolves to in a root. As in the kernel, an
// absolute link starts at the root, and ".." of the root is the root.
//
// The error is unix.ELOOP for too many links, unix.ENOTDIR for a file that is used as
// a directory, or one returned by lookup.
func Follow(name string, lookup LookupFunc) (Place, error) {
	p := Place{Path: "/", Existing: "/"}
	parts := strings.Split(name, "/")
	for links := 0; len(parts) > 0; {
		part := parts[0]
		parts = parts[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			p.ascend()
			continue
		}
		next := path.Join(p.Path, part)
		kind, target, err := lookup(next)
		if err != nil {
			return Place{}, err
		}
		switch kind {
		case Link:
			if links++; links > maxLinks {
				return Place{}, unix.ELOOP
			}
			if strings.HasPrefix(target, "/") {
				p.Path, p.Existing = "/", "/"
			}
			parts = append(strings.Split(target, "/"), parts...)
		case Opaque:
			rest := path.Join(append([]string{next}, parts...)...)
			return Place{Path: rest, Existing: rest, Opaque: true}, nil
		case Missing:
			p.Path = next
		case Other:
			if hasNames(parts) {
				return Place{}, unix.ENOTDIR
			}
			p.Path, p.Existing = next, next
		case Directory:
			p.Path, p.Existing = next, next
		}
	}
	return p, nil
}

// ascend moves to the parent directory. The parent of a missing file is either missing
// too or the deepest existing directory: no component that is yet to be created is a
// link.
func (p *Place) ascend() {
	existing := !p.Missing()
	p.Path = path.Dir(p.Path)
	if existing {
		p.Existing = p.Path
	}
}

// hasNames reports whether the rest of a path contains any names.
func hasNames(parts []string) bool {
	for _, part := range parts {
		if part != "" && part != "." {
			return true
		}
	}
	return false
}
