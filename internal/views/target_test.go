package views

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/runtarget"
)

// facts are what exists in a test: bundles, images, and containers.
type facts struct{ bundles, images, containers []string }

func has(list []string, name string) bool {
	for _, l := range list {
		if l == name {
			return true
		}
	}
	return false
}

func (f facts) Path(path string) runtarget.PathKind {
	if has(f.bundles, path) {
		return runtarget.Bundle
	}
	return runtarget.Nothing
}

func (f facts) HasImage(name string) bool            { return has(f.images, name) }
func (f facts) Images() []string                     { return f.images }
func (f facts) Subdirectories(string) (out []string) { return nil }

func (f facts) bundleOf(id string) (string, bool) { return "/run/" + id, has(f.containers, id) }

// TestFind: a path or a bundle comes first, then a container, then an image.
func TestFind(t *testing.T) {
	all := facts{[]string{"web", "db/"}, []string{"web", "cache", "debian"}, []string{"web", "cache", "job"}}
	inBundle := all
	inBundle.bundles = []string{"."}
	for _, c := range []struct {
		facts facts
		args  string
		want  string // bundle, or "image NAME"
		err   string
	}{
		{all, "web", "web", ""},
		{all, "db/", "db/", ""},
		{all, "cache", "/run/cache", ""},
		{all, "job", "/run/job", ""},
		{all, "debian echo hi", "image debian", ""},
		{all, "cache echo hi", "image cache", ""}, // a container takes no arguments
		{all, "alpine", "", "hint: minirun pull alpine"},
		{all, "debian --summary", "", "minirun plan --summary … debian"},
		{all, "debian --only=paths", "", "--only=paths after the image"},
		{all, "debian --other", "image debian", ""},
		{inBundle, "job", "/run/job", ""},
		{inBundle, "new", ".", ""}, // runc's call: an ID in a bundle's directory
	} {
		q := runtarget.Question{Command: "plan", Arguments: strings.Fields(c.args)}
		got, err := Find(q, c.facts, c.facts.bundleOf)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.args, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.args, err)
		case c.want != got.Bundle && c.want != "image "+got.Image:
			t.Errorf("%s: %+v, want %s", c.args, got, c.want)
		}
	}
	got, err := Find(runtarget.Question{Command: "plan", Bundle: "web", Arguments: []string{"job"}}, all, all.bundleOf)
	if err != nil || got.Container || got.Bundle != "web" || got.ID != "job" {
		t.Errorf("--bundle web job: %+v, %v", got, err)
	}
}
