// Package e2e runs real containers: what a user sees of `minirun run`.
// Everything needs root, and each test ends with testbundle's check that
// nothing is left behind.
package e2e

import (
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) { testbundle.Main(m) }

func TestRunForms(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo hello"))
	b.Write()
	for _, form := range []struct {
		name, wd string
		args     []string
	}{
		{"bundle", "", []string{b.Dir}},
		{"bundle with a slash", "", []string{b.Dir + "/"}},
		{"ID and bundle", "", []string{b.ID, b.Dir}},
		{"-b bundle ID", "", []string{"-b", b.Dir, b.ID}},
		{"--bundle=bundle ID", "", []string{"--bundle=" + b.Dir, b.ID}},
		{"the working directory's bundle", b.Dir, []string{b.ID}},
		{"a dot", b.Dir, []string{"."}},
		{"a relative bundle", b.Dir + "/..", []string{"bundle"}},
	} {
		t.Run(form.name, func(t *testing.T) {
			b.Wd = form.wd
			b.Minirun(append([]string{"run"}, form.args...)...).Prints(t, "hello")
		})
	}
}
