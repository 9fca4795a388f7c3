package image

import (
	"strconv"
	"testing"
)

// TestWalkBoundsEachImage: the limit on documents applies to each image. A store, or an archive
// written by save, may have any number of images.
func TestWalkBoundsEachImage(t *testing.T) {
	var w Walk
	for i := range 2 * maxDocuments {
		if first, err := w.Enter("image "+strconv.Itoa(i), 0); err != nil || !first {
			t.Fatalf("image %d: %t, %v", i, first, err)
		}
	}
	if first, err := w.Enter("image 0", 0); err != nil || first {
		t.Errorf("an image that was visited: %t, %v", first, err)
	}
	var err error
	for i := range maxDocuments + 1 {
		if _, err = w.Enter("manifest "+strconv.Itoa(i), 1); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("an image with too many manifests is accepted")
	}
	if _, err := w.Enter("deep", MaxDepth+1); err == nil {
		t.Error("an index that is too deep is accepted")
	}
}
