package course

import (
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/minirun/minirun/labs"
)

// TestLabsAreWhole: every lab can be read, and keeps the rules for labs.
func TestLabsAreWhole(t *testing.T) {
	c, err := Read(labs.FS)
	if err != nil {
		t.Fatal(err)
	}
	fast := 0
	for i, l := range c.Labs {
		if n, err := strconv.Atoi(l.Number); err == nil && n != i+1 && !strings.HasPrefix(l.Dir, l.Number) && !strings.HasPrefix(l.Dir, "0"+l.Number) {
			t.Errorf("%s has number %s", l.Dir, l.Number)
		}
		if l.Fast {
			fast++
		}
		for tag, text := range l.Texts {
			if !slices.Equal(text.Headings, Parts[tag]) {
				t.Errorf("%s, %s: headings %q, want %q", l.Dir, tag, text.Headings, Parts[tag])
			}
		}
		wrong, err := l.Wrong()
		if err != nil {
			t.Errorf("%s: %v", l.Dir, err)
		}
		count := map[string]int{}
		for _, v := range wrong {
			kind, _, _ := strings.Cut(v.Dir, "/")
			count[kind]++
		}
		if count["wrong"] < 2 || count["spoof"] < 2 {
			t.Errorf("%s has %d wrong solutions and %d spoofs, there must be 2 of each", l.Dir, count["wrong"], count["spoof"])
		}
	}
	if len(c.Labs) >= 18 && fast != 5 {
		t.Errorf("the fast track has %d labs, not 5", fast)
	}
}

// TestTextsAgree: the texts of a lab have the same commands, questions and values in both languages.
func TestTextsAgree(t *testing.T) {
	c, err := Read(labs.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.Labs {
		en, pt := l.Texts["en"], l.Texts["pt-BR"]
		if a, b := commands(en.Do+en.Explain), commands(pt.Do+pt.Explain); !slices.Equal(a, b) {
			t.Errorf("%s: other commands:\n%s\n%s", l.Dir, strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
		for i := range en.Predict {
			if len(en.Predict[i].Choices) != len(pt.Predict[i].Choices) {
				t.Errorf("%s: question %d has other choices", l.Dir, i+1)
			}
		}
		if en.Title == pt.Title {
			t.Errorf("%s: the title is not translated", l.Dir)
		}
	}
}

// commands returns the lines in blocks of commands (sh, run), without comments. Other blocks may be tables.
func commands(text string) (out []string) {
	code := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			code = line == "```sh" || line == "```run"
			continue
		}
		line, _, _ = strings.Cut(line, " # ")
		if code && !strings.HasPrefix(line, "#") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func TestFind(t *testing.T) {
	c := &Course{Labs: []*Lab{{Dir: "01-process", Name: "process", Number: "1"}, {Dir: "19-capstone", Name: "capstone", Number: "C"}}}
	for word, want := range map[string]string{"1": "1", "01": "1", "process": "1", "01-process": "1", "c": "C", "C": "C"} {
		if l, err := c.Find(word); err != nil || l.Number != want {
			t.Errorf("%s: %v %v", word, l, err)
		}
	}
	if _, err := c.Find("2"); err == nil || !strings.Contains(err.Error(), "hint: minirun lab list") {
		t.Error(err)
	}
}

// TestWrongLabsAreRefused: an error says what is wrong with a lab, for its author.
func TestWrongLabsAreRefused(t *testing.T) {
	whole := fstest.MapFS{}
	err := fs.WalkDir(labs.Template(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(labs.Template(), name)
		whole[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(data), "{{number}}", "20"))}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLab(whole, "20-x"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, old, new, want string }{
		{"lab.yaml", "minutes: 10", "minutes: 16", "must be 1 to 15"},
		{"lab.yaml", "minutes: 10", "minuts: 10", "minuts"},
		{"lab.yaml", "dir: bundle", "dir: ../x", "must be a directory below"},
		{"lab.yaml", "predict: [a]", "predict: [c]", "is not an answer"},
		{"lab.yaml", "predict: [a]", "predict: [a, b]", "2 answers"},
		{"en.md", "# A container", "A container", "the first line must be the title"},
		{"en.md", "## Do", "Do", "must be 5"},
		{"pt-BR.md", "- o nome de host dele é {{host}}", "", "1 checks, lab.yaml has 2"},
		{"pt-BR.md", "   - b) Sim", "", "has no choices"},
		{"en.md", "3. `sed", "`sed", "2 hints"},
	} {
		changed := maps.Clone(whole)
		text := strings.Replace(string(whole[c.file].Data), c.old, c.new, 1)
		changed[c.file] = &fstest.MapFile{Data: []byte(text)}
		if _, err := ReadLab(changed, "20-x"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %q: %v, want %q", c.file, c.new, err, c.want)
		}
	}
}

// TestChooserWithSeed chooses the same values everywhere, and others without one.
func TestChooserWithSeed(t *testing.T) {
	l := &Lab{Name: "x", Values: map[string]Value{"a": {Hex: 6}, "b": {Choose: []string{"p", "q", "r"}}, "c": {Number: []int{5, 9}}}}
	one, err := Chooser{Seed: "class"}.Choose(l)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Chooser{Seed: "class"}.Choose(l)
	other, _ := Chooser{}.Choose(l)
	if !maps.Equal(one, again) || one[Token] == other[Token] {
		t.Errorf("%v %v %v", one, again, other)
	}
	if n, err := strconv.Atoi(one["c"]); err != nil || n < 5 || n > 9 || len(one["a"]) != 6 || len(one[Token]) != 8 {
		t.Error(one)
	}
	if got := Fill("{{a}} {{.Names}} {{none}}", map[string]string{"a": "1"}); got != "1 {{.Names}} {{none}}" {
		t.Error(got)
	}
}
