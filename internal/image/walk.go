package image

import "fmt"

// Bounds of what an index leads to: an archive of a few kilobytes may have indexes
// that name each other many times over.
const (
	MaxDepth     = 4    // indexes in indexes; builders write one or two
	MaxManifests = 512  // in one index
	MaxLayers    = 1024 // in one manifest; overlay takes 500
	maxDocuments = 4096 // indexes and manifests of one image
)

// A Walk visits the documents that one or more images consist of, each of them once.
// Its zero value is ready.
type Walk struct {
	seen      map[string]bool
	documents int // of the current image
}

// Enter is called before a document is read, with the number of indexes that contain
// it; 0 begins another image. It reports whether the document is visited for the first
// time.
func (w *Walk) Enter(digest string, depth int) (first bool, err error) {
	if depth > MaxDepth {
		return false, fmt.Errorf("index %s: is more than %d indexes deep", digest, MaxDepth)
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

// CheckIndex checks how many manifests an index lists.
func CheckIndex(n int) error {
	if n > MaxManifests {
		return fmt.Errorf("lists %d manifests, more than the %d that are read", n, MaxManifests)
	}
	return nil
}

// CheckManifest checks how many layers a manifest lists.
func CheckManifest(n int) error {
	if n > MaxLayers {
		return fmt.Errorf("lists %d layers, more than the %d that are read", n, MaxLayers)
	}
	return nil
}
