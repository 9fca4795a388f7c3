package compile

import (
	"regexp"
	"testing"

	"github.com/minirun/minirun/internal/plan"
)

// TestPlansNameEveryFlag: no plan shows a number in hexadecimal: a reader would have to look it up in
// the kernel's headers.
func TestPlansNameEveryFlag(t *testing.T) {
	quoted, hex := regexp.MustCompile(`"([^"\\]|\\.)*"`), regexp.MustCompile(`\b0x[0-9a-f]+`)
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		for i := range p.Steps {
			text := quoted.ReplaceAllString(p.CallText(&p.Steps[i]), "")
			if number := hex.FindString(text); number != "" {
				t.Errorf("step %d (%s) shows %s: %s", i, p.Steps[i].Name, number, text)
			}
		}
	})
}

// TestPlansDescribeEveryError: each error that a plan expects has a clause in English, which is not the
// text of the C library.
func TestPlansDescribeEveryError(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		for i := range p.Steps {
			for _, on := range p.Steps[i].On {
				if text := p.Steps[i].ErrorText(on.Errno); text == on.Errno.Error() {
					t.Errorf("step %d (%s): the error is described as %q", i, p.Steps[i].Name, text)
				}
			}
		}
	})
}
