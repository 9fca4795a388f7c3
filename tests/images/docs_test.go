package images

import (
	"flag"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

var update = flag.Bool("update", false, "write the output in docs/tutorial.md anew, and in its translation")

// TestTutorialShowsRealOutput runs the commands of docs/tutorial.md, from a bundle to an image.
//
//	go test ./tests/images -run Tutorial -update
func TestTutorialShowsRealOutput(t *testing.T) {
	testbundle.Need(t)
	page := testbundle.Page{English: "docs/tutorial.md", Portuguese: "docs/pt-BR/tutorial.md", Commands: 40}
	page.Check(t, *update)
}
