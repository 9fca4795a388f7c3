package spec

import "github.com/minirun/minirun/internal/spec/strictjson"

// Error is one problem in a document, with its JSON path.
type Error = strictjson.Error

// Warning reports something that is accepted but may be a mistake of the document's
// author.
type Warning = strictjson.Warning

// problems collects the problems of one document.
type problems struct {
	strictjson.Problems

	// partial: the document changes a container, and omitted fields stay unchanged.
	partial bool
}

// newProblems returns problems of the document name; "" means config.json.
func newProblems(name string) *problems {
	return &problems{Problems: strictjson.Problems{File: name}}
}

func newPartialProblems(name string) *problems {
	return &problems{Problems: strictjson.Problems{File: name}, partial: true}
}

// Key appends the key of a map to a JSON path.
func Key(path, key string) string { return strictjson.KeyPath(path, key) }

func entry(path string, i int) string { return strictjson.IndexPath(path, i) }
func quote(s string) string           { return strictjson.Quote(s) }
