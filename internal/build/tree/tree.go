// Package tree is what COPY, ADD and mounts read: directories whose paths are
// resolved from a descriptor, never by the host's names.
//
//	tree.go     Tree: a directory that may be read
//	select.go   patterns → the files that are meant
//	glob.go     a pattern → the paths that it matches
//	walk.go     a file that is meant → it, or what is in it
//	missing.go  what is said of a source that is not there
//	digest.go   files → one digest of what they are
//	memo.go     digests of files that have not changed since they were read
package tree

import "os"

// A Tree is a directory of somebody else's: a context, a stage's file system, an
// image's. Its symbolic links lead nowhere but into it.
type Tree struct {
	Root  *os.File // O_PATH; every other file is opened below it (openat2, RESOLVE_IN_ROOT)
	Label string   // for messages: "the context", "stage builder", "image alpine"

	// Ignored says whether a path (clean, relative, of a directory or not) is not there
	// for the build; nil: all are. Below an ignored directory others may be there again
	// (a pattern with !), unless prune says that none can be.
	Ignored func(name string, isDir bool) (ignored, prune bool)

	// IgnorePatterns are the lines of .dockerignore that Ignored comes from.
	IgnorePatterns []string

	// Foreign is set for contexts: their owners and extended attributes mean nothing here,
	// so files are 0:0 and have none.
	Foreign bool

	// Dated is set if the root has a time that means something, as all below it has.
	Dated bool

	Memo *Memo // nil: every file is read

	// Device is what Memo knows the tree's files by: of an overlay, whose own number is
	// another one at each mount, that of the layers. 0: the files' own.
	Device uint64
}
