// Package labs contains the labs: one directory for each, with the files that docs/lab-authoring.md
// describes. A teacher adds a directory and needs no Go.
package labs

import "embed"

// FS has the directory of each lab at its root.
//
//go:embed all:[0-9][0-9]-*
var FS embed.FS
