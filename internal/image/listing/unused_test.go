package listing

import (
	"fmt"
	"strings"
	"testing"
)

func TestDescribeUnused(t *testing.T) {
	var names []string
	for n := range 12 {
		names = append(names, fmt.Sprintf("docker.io/library/app:%d", n))
	}
	text := DescribeUnused(names)
	for _, want := range []string{"12 image names that no container uses", "\n  app:9\n  and 2 more\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %q", want, text)
		}
	}
	if text := DescribeUnused(names[:1]); text != "This removes 1 image name that no container uses:\n  app:0\n" {
		t.Errorf("%q", text)
	}
	if text := DescribeUnused(nil); !strings.Contains(text, "only data that no image needs") {
		t.Errorf("%q", text)
	}
}
