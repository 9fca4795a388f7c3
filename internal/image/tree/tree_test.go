package tree

import (
	"fmt"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/image/layer"
)

// parse returns the layers of an image, each as words of SIGN PATH[=SIZE]: + added, ~ changed, - removed,
// ! a directory that replaces another, . a directory that only has other files. A path that ends with a
// slash is a directory.
func parse(layers ...string) *Image {
	kinds := map[byte]layer.ChangeKind{'+': layer.Added, '~': layer.Changed, '-': layer.Removed, '!': layer.Changed,
		'.': layer.Parent}
	var out []*layer.Difference
	for _, text := range layers {
		d := &layer.Difference{}
		for word := range strings.FieldsSeq(text) {
			path, size, _ := strings.Cut(word[1:], "=")
			c := layer.Change{Path: strings.TrimSuffix(path, "/"), What: kinds[word[0]], Dir: strings.HasSuffix(path, "/"),
				Replaces: word[0] == '!'}
			_, _ = fmt.Sscan(size, &c.Size)
			d.Bytes += c.Size
			d.Files = append(d.Files, c)
		}
		out = append(out, d)
	}
	return New(out)
}

// text returns a tree in one line: SIGN NAME=SIZE@LAYER, with ^N if layer N hides it.
func text(n *Node) string {
	var out []string
	for _, c := range n.Children {
		word := fmt.Sprintf("%c%s", " +~-"[c.State], c.Name)
		if c.Size > 0 {
			word += fmt.Sprintf("=%d", c.Size)
		}
		if c.Layer > 0 {
			word += fmt.Sprintf("@%d", c.Layer)
		}
		if c.HiddenBy > 0 {
			word += fmt.Sprintf("^%d", c.HiddenBy)
		}
		if c.Dir {
			word += "(" + text(c) + ")"
		}
		out = append(out, strings.TrimSpace(word))
	}
	return strings.Join(out, " ")
}

func TestHiddenFiles(t *testing.T) {
	for _, c := range []struct {
		layers []string
		want   string // of the first layer
	}{
		{[]string{"+/a=1 +/b=2", "~/a=3"}, "+a=1@1^2 +b=2@1"},
		{[]string{"+/d/ +/d/a=1 +/d/b=2", "-/d/"}, "+d=3@1^2(+a=1@1^2 +b=2@1^2)"},
		{[]string{"+/d/ +/d/a=1", "!/d/ +/d/b=2"}, "+d=1@1^2(+a=1@1^2)"},
		{[]string{"+/d/ +/d/a=1", "~/d/", "./d/ -/d/a"}, "+d=1@1(+a=1@1^3)"},
		{[]string{"+/d/ +/d/a=1", "~/d=5"}, "+d=1@1^2(+a=1@1^2)"},
		{[]string{"+/a=1", "~/a/ +/a/b=2"}, "+a=1@1^2"},
		{[]string{"+/a=1", "-/a", "+/a=2"}, "+a=1@1^2"},
		{[]string{"+/a=1", "-/none"}, "+a=1@1"},
		{[]string{""}, ""},
	} {
		if got := text(parse(c.layers...).Layer(1)); got != c.want {
			t.Errorf("%q: %s, want %s", c.layers, got, c.want)
		}
	}
}

func TestMergedTree(t *testing.T) {
	i := parse("+/d/ +/d/a=1 +/d/b=2 +/x=4", "./d/ ~/d/a=8 -/d/b", "-/x +/y=1")
	for n, want := range []string{
		"+d=3@1(+a=1@1^2 +b=2@1^2) +x=4@1^3",
		"d=8@1(~a=8@2 -b@2) x=4@1^3",
		"d=8@1(a=8@2) -x@3 +y=1@3",
	} {
		if got := text(i.Merged(n + 1)); got != want {
			t.Errorf("after layer %d: %s, want %s", n+1, got, want)
		}
	}
}

func TestDifference(t *testing.T) {
	i := parse("+/d/ +/d/a=1 +/d/b=2 +/x=4", "./d/ ~/d/a=8 -/d/b", "-/x +/y=1", "-/y")
	for _, c := range []struct {
		from, to int
		want     string
	}{
		{1, 2, "d=8(~a=8@2 -b=2@1^2)"}, {1, 3, "d=8(~a=8@2 -b=2@1^2) -x=4@1^3 +y=1@3^4"},
		{1, 4, "d=8(~a=8@2 -b=2@1^2) -x=4@1^3"}, {2, 2, ""},
	} {
		if got := text(i.Difference(c.from, c.to)); got != c.want {
			t.Errorf("%d to %d: %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

func TestEfficiencyAndWaste(t *testing.T) {
	i := parse("+/a=60 +/b=30", "~/a=10", "~/a=100 -/b")
	i.layers[1].Wasted, i.layers[2].Wasted = 60, 40
	if total, wasted := i.Bytes(); total != 200 || wasted != 100 || i.Efficiency() != 50 || i.Layers() != 3 {
		t.Errorf("%d %d %f", total, wasted, i.Efficiency())
	}
	if got := fmt.Sprint(i.Wasted()); got != "[{/a 70 2} {/b 30 1}]" {
		t.Error(got)
	}
	if e := parse("").Efficiency(); e != 100 {
		t.Errorf("an empty image: %f", e)
	}
}
