// Package contenthash provides the directories that COPY, ADD and mounts read. Paths are resolved
// from a directory descriptor, never through the host's file names.
//
//	tree.go     Tree: a directory that may be read
//	select.go   patterns → the selected files
//	pivot.go    wildcards before /./ → one source for each match
//	glob.go     a pattern → the paths that it matches
//	walk.go     a match → the file, or the content of the directory
//	missing.go  suggestions for a source that does not exist
//	digest.go   files → one digest of all of them
//	memo.go     digests of files that have not changed since they were read
package contenthash

import "os"

// A Tree is an untrusted directory: a context, or the file system of a stage or an image. Its
// symbolic links cannot lead out of it.
type Tree struct {
	Root  *os.File // O_PATH; every other file is opened below it (openat2, RESOLVE_IN_ROOT)
	Label string   // for messages: "the context", "stage builder", "image alpine"

	// Ignored reports whether the build must ignore a path (clean, relative); isDir is set for
	// a directory. nil: nothing is ignored. Files below an ignored directory may be included
	// again (a pattern with !), unless prune is true.
	Ignored func(name string, isDir bool) (ignored, prune bool)

	// IgnorePatterns are the lines of .dockerignore on which Ignored is based.
	IgnorePatterns []string

	// Foreign is set for contexts: their owners and extended attributes mean nothing here, so
	// files belong to 0:0 and have no attributes.
	Foreign bool

	// Dated is set if the time of the root is meaningful, like those of all files below it.
	Dated bool

	Memo *Memo // nil: every file is read

	// Device identifies the tree's files in Memo. For an overlay it is the device of the
	// layers, because the overlay's own number changes with each mount. 0: that of the files.
	Device uint64
}
