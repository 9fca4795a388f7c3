package image

import "fmt"

// Limits on what an index may contain: an archive of a few kilobytes may have indexes that name
// each other many times.
const (
	MaxDepth     = 4    // levels of nested indexes; builders write one or two
	MaxManifests = 512  // in one index
	MaxLayers    = 1024 // in one manifest; overlay supports 500
	maxDocuments = 4096 // indexes and manifests of one image
)

// A Walk visits the documents of one or more images, each document once. Its zero value is ready to
// use.
type Walk struct {
	seen      map[string]bool
	documents int // of the current image
}

// Enter is called before a document is read, with the number of indexes that contain it; 0 starts
// another image. It reports whether this is the first visit to the document.
func (w *Walk) Enter(digest string, depth int) (first bool, err error) {
	if depth > MaxDepth {
		return false, fmt.Errorf("index %s is nested more than %d levels deep", digest, MaxDepth)
	}
	if depth == 0 {
		w.documents = 0
	}
	if w.seen[digest] {
		return false, nil
	}
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	if w.documents++; w.documents > maxDocuments {
		return false, fmt.Errorf("index %s: the image has more than %d indexes and manifests", digest, maxDocuments)
	}
	w.seen[digest] = true
	return true, nil
}

// CheckIndex checks the number of manifests in an index.
func CheckIndex(n int) error {
	if n > MaxManifests {
		return fmt.Errorf("has %d manifests (the limit is %d)", n, MaxManifests)
	}
	return nil
}

// CheckManifest checks the number of layers in a manifest.
func CheckManifest(n int) error {
	if n > MaxLayers {
		return fmt.Errorf("has %d layers (the limit is %d)", n, MaxLayers)
	}
	return nil
}
