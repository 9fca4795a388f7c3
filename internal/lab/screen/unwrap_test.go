package screen

import "testing"

// TestUnwrap: the lines of paragraphs and items are joined; code, headings and the beginnings of items are
// not.
func TestUnwrap(t *testing.T) {
	const text = `# Title
A paragraph
of two lines.

1. An item
   of two lines:

   ` + "```" + `sh
   ls bundle
     indented
   ` + "```" + `
2. Another
   - a) a choice
     of two lines
   - b) none

- end
`
	const want = `# Title
A paragraph of two lines.

1. An item of two lines:

   ` + "```" + `sh
   ls bundle
     indented
   ` + "```" + `
2. Another
   - a) a choice of two lines
   - b) none

- end
`
	if got := unwrap(text); got != want {
		t.Errorf("%s", got)
	}
}
