package cmdline

import (
	"slices"
	"testing"
)

// TestDescriptors finds the descriptors that arguments use as file names, and no others.
func TestDescriptors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []int
	}{
		{[]string{"build", "-f", "/dev/fd/63", "."}, []int{63}},
		{[]string{"build", "--file=/proc/self/fd/12", "--secret", "id=a,src=/dev/fd/5,env=X", "."}, []int{12, 5}},
		{[]string{"load", "-i", "/dev/fd/63", "/dev/fd/63"}, []int{63}},
		{[]string{"import", "/dev/fd/0", "/dev/fd/2"}, nil},
		{[]string{"build", "x/dev/fd/63", "/dev/fd/63/x", "/dev/fd/", "/dev/fd/99999999999", "/dev/fd/a"}, nil},
	} {
		if got := Descriptors(c.args); !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.args, got, c.want)
		}
	}
}
