// Package labs contains the labs: one directory for each, with the files that docs/lab-authoring.md
// describes. A teacher adds a directory and needs no Go.
package labs

import (
	"embed"
	"io/fs"
)

// FS has the directory of each lab at its root.
//
//go:embed all:[0-9][0-9]-*
var FS embed.FS

//go:embed all:template
var template embed.FS

// Template returns the files of a small lab that works, from which a new one begins.
func Template() fs.FS {
	below, err := fs.Sub(template, "template")
	if err != nil { // the name is not valid
		panic(err)
	}
	return below
}
