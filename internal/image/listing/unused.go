package listing

import (
	"fmt"
	"strings"

	"github.com/minirun/minirun/internal/image"
)

// maxQuestionNames is how many images a question lists.
const maxQuestionNames = 10

// DescribeUnused describes the images that prune --all is about to remove.
func DescribeUnused(names []string) string {
	if len(names) == 0 {
		return "All images are used by containers. This removes only data that no image needs."
	}
	var out strings.Builder
	fmt.Fprintf(&out, "This removes %s that no container uses:\n", count(len(names), "image name"))
	for _, n := range names[:min(len(names), maxQuestionNames)] {
		fmt.Fprintf(&out, "  %s\n", image.Familiar(n))
	}
	if more := len(names) - maxQuestionNames; more > 0 {
		fmt.Fprintf(&out, "  and %d more\n", more)
	}
	return out.String()
}

// count returns a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
