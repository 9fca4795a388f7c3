package solver

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/store"
)

// lists are the file lists of two content digests.
var lists = map[string]map[string]string{
	"one": {"a": "1", "b": "1", "c": "1"},
	"two": {"a": "1", "b": "2", "d": "1"},
}

// TestMissReason: the reason and the changes that are reported for each difference to the last build.
func TestMissReason(t *testing.T) {
	last := recipe{
		{Kind: parentKind, Value: "p"}, {Kind: commandKind, Value: "make"}, {Kind: variableKind, Name: "A", Value: "1"},
		{Kind: mountFilesKind, Name: "/m", Value: "one"}, {Kind: filesKind, Value: "one"},
		{Kind: heredocKind, Name: "E", Value: "h"},
	}
	change := func(i int, value string) recipe {
		out := slices.Clone(last)
		out[i].Value = value
		return out
	}
	files := []string{"b: changed", "d: added", "c: removed"}
	for _, c := range []struct {
		name    string
		text    string
		now     recipe
		reason  string
		changes []string
	}{
		{"nothing", "RUN make", last, missNoRecord, nil},
		{"the instruction", "RUN make all", change(1, "make all"), fmt.Sprintf(missInstruction, "RUN make"), nil},
		{"the previous step", "RUN make", change(0, "q"), missParent, nil},
		{"a variable", "RUN make", change(2, "2"), missInputs, []string{"variable A: 1 → 2"}},
		{"a variable and the previous step", "RUN make",
			append(recipe{{Kind: parentKind, Value: "q"}}, change(2, "2")[1:]...), missInputs,
			[]string{"the previous step", "variable A: 1 → 2"}},
		{"a new variable", "RUN make", append(slices.Clone(last), Ingredient{variableKind, "B", "1"}), missInputs,
			[]string{"variable B: added"}},
		{"a removed variable", "RUN make", slices.Delete(slices.Clone(last), 2, 3), missInputs,
			[]string{"variable A: removed"}},
		{"files", "RUN make", change(4, "two"), missInputs, files},
		{"files of a mount", "RUN make", change(3, "two"), missInputs, files},
		{"files whose list is lost", "RUN make", change(3, "three"), missInputs,
			[]string{"a: removed", "b: removed", "c: removed"}},
		{"a here-document", "RUN make", change(5, "i"), missInputs, []string{"here-document E"}},
		{"no previous step any more", "RUN make", last[1:], missInputs, []string{"the previous step: removed"}},
	} {
		reason, changes := explainDifference(historyEntry{Text: "RUN make", Recipe: last}, historyEntry{Text: c.text, Recipe: c.now},
			func(content string) map[string]string { return lists[content] })
		if reason != c.reason || !slices.Equal(changes, c.changes) {
			t.Errorf("%s: %q %q, want %q %q", c.name, reason, changes, c.reason, c.changes)
		}
	}
}

// TestMissReasonWithoutFileLists: without the lists of files, the input is named.
func TestMissReasonWithoutFileLists(t *testing.T) {
	entry := func(content string) historyEntry {
		return historyEntry{Recipe: recipe{{Kind: mountFilesKind, Name: "/m", Value: content}}}
	}
	_, changes := explainDifference(entry("1"), entry("2"), func(string) map[string]string { return nil })
	if want := []string{"files of the mount /m"}; !slices.Equal(changes, want) {
		t.Errorf("%q, want %q", changes, want)
	}
}

// TestDescribeIngredient: how each kind is shown to the user.
func TestDescribeIngredient(t *testing.T) {
	for _, c := range []struct {
		x    Ingredient
		want string
	}{
		{Ingredient{Kind: parentKind}, "the previous step"}, {Ingredient{Kind: variableKind, Name: "A"}, "variable A"},
		{Ingredient{Kind: shmSizeKind}, "--shm-size"}, {Ingredient{Kind: hostKind}, "--add-host"},
		{Ingredient{Kind: rlimitKind, Name: "RLIMIT_CPU"}, "--ulimit RLIMIT_CPU"},
		{Ingredient{Kind: mountFilesKind, Name: "/m"}, "files of the mount /m"},
		{Ingredient{Kind: sourceFilesKind, Name: "/p"}, "files of /p"},
		{Ingredient{Kind: filesKind}, "files"}, {Ingredient{Kind: workdirKind}, "WORKDIR"},
	} {
		if got := c.x.describe(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.x, got, c.want)
		}
	}
}

// TestChangedFilesAreLimited: a long list ends with a number.
func TestChangedFilesAreLimited(t *testing.T) {
	now := map[string]string{}
	for i := range maxChangedFiles + 5 {
		now[fmt.Sprintf("f%02d", i)] = "1"
	}
	got := changedFiles(nil, now)
	if len(got) != maxChangedFiles+1 || got[0] != "f00: added" || got[maxChangedFiles] != "and 5 more" {
		t.Errorf("%q", got)
	}
}

// TestPreviousStep: a step is compared with the one in its place, or else with one of the same text
// in its stage.
func TestPreviousStep(t *testing.T) {
	stage := &graph.Stage{Name: "one"}
	for _, text := range []string{"FROM a", "RUN b", "RUN c"} {
		stage.Nodes = append(stage.Nodes, &graph.Node{Stage: stage, Text: text})
	}
	entry := func(stage string, index int, text string) historyEntry {
		return historyEntry{Place: place{Stage: stage, Index: index}, Text: text}
	}
	for _, c := range []struct {
		name string
		last []historyEntry
		want string // the place of the previous RUN c; "": none
	}{
		{"the same place", []historyEntry{entry("one", 2, "RUN c")}, "one 2"},
		{"moved in the stage", []historyEntry{entry("one", 1, "RUN c"), entry("one", 2, "RUN d")}, "one 1"},
		{"another instruction in its place", []historyEntry{entry("one", 2, "RUN d")}, "one 2"},
		{"another stage", []historyEntry{entry("two", 2, "RUN c")}, ""},
		{"first build", nil, ""},
	} {
		h := &history{steps: map[place]historyEntry{}}
		for _, e := range c.last {
			h.steps[e.Place] = e
		}
		got := ""
		if e, ok := h.previous(stage.Nodes[2]); ok {
			got = fmt.Sprint(e.Place.Stage, " ", e.Place.Index)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestPlaceOfContext: a context that is copied for a mount has no stage, and its path identifies it.
func TestPlaceOfContext(t *testing.T) {
	node := func(path string) *graph.Node {
		return &graph.Node{Op: &graph.Copy{Sources: []graph.Source{{Context: "context", Path: path}}}}
	}
	a, again, b := placeOf(node("a")), placeOf(node("a")), placeOf(node("b"))
	if a != again || a == b {
		t.Errorf("%+v, %+v, %+v", a, again, b)
	}
}

// TestHistoryIsKept: a history is read as it was written; one of another version is empty.
func TestHistoryIsKept(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	last, err := readHistory(s, "slot")
	if err != nil || len(last.steps) != 0 {
		t.Fatal(last, err)
	}
	stage := &graph.Stage{Name: "one"}
	stage.Nodes = []*graph.Node{{Stage: stage, Text: "RUN a"}}
	g := &graphSolver{shared: &Solver{Store: s}, history: last, recipes: map[place]historyEntry{}}
	g.recordRecipe(stage.Nodes[0], recipe{{Kind: commandKind, Value: "a"}})
	if err := g.writeHistory(); err != nil {
		t.Fatal(err)
	}
	if again, err := readHistory(s, "slot"); err != nil || !reflect.DeepEqual(again.steps, g.recipes) {
		t.Errorf("%+v, %v, want %+v", again, err, g.recipes)
	}
	if other, err := readHistory(s, "other"); err != nil || len(other.steps) != 0 {
		t.Errorf("%+v, %v", other, err)
	}
	text, err := json.Marshal(historyFile{historyVersion - 1, slices.Collect(maps.Values(g.recipes))})
	if err == nil {
		err = s.Replace(last.path, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	if old, err := readHistory(s, "slot"); err != nil || len(old.steps) != 0 {
		t.Errorf("%+v, %v", old, err)
	}
}
