package image

import "fmt"

// Bounds of what an index leads to: an archive of a few kilobytes may have indexes
// that name each other many times over.
const (
	MaxDepth     = 4    // indexes in indexes; builders write one or two
	MaxManifests = 512  // in one index
	MaxLayers    = 1024 // in one manifest; overlay takes 500
	maxDocuments = 4096 // indexes and manifests in all
)

// A Walk goes through the documents that an index leads to, each of them once. Its
// zero value is ready.
type Walk struct{ seen map[string]bool }

// Enter is called before a document is read, with the number of indexes that it is
// in. It reports whether the document was not walked before.
func (w *Walk) Enter(digest string, depth int) (first bool, err error) {
	if depth > MaxDepth {
		return false, fmt.Errorf("index %s: is more than %d indexes deep", digest, MaxDepth)
	}
	if w.seen[digest] {
		return false, nil
	}
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	if len(w.seen) >= maxDocuments {
		return false, fmt.Errorf("index %s: with it there are more than %d indexes and manifests", digest, maxDocuments)
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
