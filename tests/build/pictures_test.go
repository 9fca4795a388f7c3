package build

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Recorded pictures are in golden/ and golden-buildah/, a file for each family. Most of a picture is
// that of a base image, so only the rest is stored:
//
//	=== NAME like BASE
//	LINE           a line that BASE does not have; it replaces the one of the same file or field
//	- KEY          a file or field that only BASE has
//
// A BASE is a picture in golden/bases.txt or, in golden-buildah/, "BuildKit": what BuildKit builds from
// the same Dockerfile. Without "like BASE" the picture is whole. Nothing is lost: a picture that a
// difference cannot describe is stored whole.

// basesFile has pictures that others are stored as differences from.
const basesFile = "golden/bases.txt"

// ofBuildKit is the base that means the picture of the same name in golden/.
const ofBuildKit = "BuildKit"

// A namedPicture is a picture that others may be stored as differences from.
type namedPicture struct {
	name  string
	lines []string
}

// pictures reads the recorded pictures of a family, and expands them.
func pictures(t testing.TB, dir, family string) map[string][]string {
	t.Helper()
	bases := basesOf(t, dir)
	return readPictures(t, pictureFile(dir, family), func(name, base string) []string {
		for _, b := range bases(name, family) {
			if b.name == base {
				return b.lines
			}
		}
		return nil
	})
}

// basesOf returns a function that lists the bases for the picture of a Dockerfile in a directory.
func basesOf(t testing.TB, dir string) func(name, family string) []namedPicture {
	t.Helper()
	var all []namedPicture
	images := readPictures(t, basesFile, nil)
	for _, name := range slices.Sorted(maps.Keys(images)) {
		all = append(all, namedPicture{name, images[name]})
	}
	if dir != goldenBuildah {
		return func(string, string) []namedPicture { return all }
	}
	golden := map[string]map[string][]string{}
	return func(name, family string) []namedPicture {
		if golden[family] == nil {
			golden[family] = pictures(t, "golden", family)
		}
		return append([]namedPicture{{ofBuildKit, comparableWithBuildah(golden[family][name])}}, all...)
	}
}

var pictureHeading = regexp.MustCompile(`^=== (\S+)(?: like (\S+))?$`)

// readPictures reads a file of pictures. The function find returns the base of a picture.
func readPictures(t testing.TB, file string, find func(name, base string) []string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, bases := map[string][]string{}, map[string][]string{}
	name := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		m := pictureHeading.FindStringSubmatch(line)
		if m == nil {
			out[name] = append(out[name], line)
			continue
		}
		name = m[1]
		if out[name] != nil {
			t.Fatalf("%s has two pictures of %s", file, name)
		}
		out[name] = []string{}
		if m[2] != "" {
			if bases[name] = find(name, m[2]); len(bases[name]) == 0 {
				t.Fatalf("%s: there is no picture %s for %s", file, m[2], name)
			}
		}
	}
	for name, base := range bases {
		expanded, err := expandPicture(base, out[name])
		if err != nil {
			t.Fatalf("%s: %s: %v", file, name, err)
		}
		out[name] = expanded
	}
	return out
}

// storedPicture returns the lines of a picture for a file: whole, or as the shortest difference.
func storedPicture(name string, picture []string, bases []namedPicture) []string {
	best, size := append([]string{"=== " + name}, picture...), func(lines []string) int { return len(strings.Join(lines, "\n")) }
	for _, base := range bases {
		difference := differencePicture(base.lines, picture)
		expanded, err := expandPicture(base.lines, difference)
		if err != nil || !slices.Equal(expanded, picture) {
			continue
		}
		if stored := append([]string{"=== " + name + " like " + base.name}, difference...); size(stored) < size(best) {
			best = stored
		}
	}
	return best
}

// differencePicture returns the lines of a picture that base does not have, and the keys that only
// base has.
func differencePicture(base, picture []string) (out []string) {
	keys := map[string]bool{}
	for _, line := range picture {
		keys[pictureKey(line)] = true
		if !slices.Contains(base, line) {
			out = append(out, line)
		}
	}
	for _, line := range base {
		if key := pictureKey(line); !keys[key] {
			out = append(out, "- "+key)
		}
	}
	return out
}

// expandPicture is the inverse of differencePicture. Lines of the history are in order, base's first.
func expandPicture(base, difference []string) ([]string, error) {
	out := slices.Clone(base)
	drop := func(key string) bool {
		before := len(out)
		out = slices.DeleteFunc(out, func(line string) bool { return pictureKey(line) == key })
		return len(out) < before
	}
	for _, line := range difference {
		if key, ok := strings.CutPrefix(line, "- "); ok {
			if !drop(key) {
				return nil, fmt.Errorf("the base has no %s", key)
			}
			continue
		}
		if !strings.HasPrefix(line, "history \"") {
			drop(pictureKey(line))
		}
		out = append(out, line)
	}
	slices.SortStableFunc(out, func(a, b string) int {
		if byPart := cmp.Compare(picturePart(a), picturePart(b)); byPart != 0 || picturePart(a) == historyPart {
			return byPart
		}
		return strings.Compare(a, b)
	})
	return out, nil
}

// The parts of a picture, in their order.
const (
	filesPart = iota
	layersPart
	configPart
	platformPart
	authorPart
	historyPart
	commentsPart
)

func picturePart(line string) int {
	switch first, _, _ := strings.Cut(line, " "); {
	case first == "layers":
		return layersPart
	case first == "config":
		return configPart
	case first == "platform":
		return platformPart
	case first == "author":
		return authorPart
	case strings.HasPrefix(line, "history has "):
		return commentsPart
	case first == "history":
		return historyPart
	}
	return filesPart
}

// quotedName matches the name of a file with unusual characters.
var quotedName = regexp.MustCompile(`^"(?:[^"\\]|\\.)*"`)

// pictureKey returns the part of a line that says what it is about: the name of a file, or of a field.
func pictureKey(line string) string {
	switch picturePart(line) {
	case historyPart:
		return line
	case commentsPart:
		_, comment, _ := strings.Cut(line, " × ")
		return "history has " + comment
	case configPart:
		fields := strings.SplitN(line, " ", 3)
		return "config " + fields[1]
	}
	if name := quotedName.FindString(line); name != "" {
		return name
	}
	key, _, _ := strings.Cut(line, " ")
	return key
}

func pictureFile(dir, family string) string {
	return filepath.Join(dir, filepath.Base(family))
}

// goldenBuildah is the directory of buildah's pictures.
const goldenBuildah = "golden-buildah"

// comparableWithBuildah returns a picture without the lines that differ with buildah by design.
func comparableWithBuildah(picture []string) []string {
	return slices.DeleteFunc(slices.Clone(picture), isLayerOrHistory)
}

// TestPictureDifference: the lines that a difference lists, and that it gives the picture back.
func TestPictureDifference(t *testing.T) {
	base := []string{"/a 1", "/b 1", "layers 1", "config Env [1]", "platform p", "author ", `history "one"`, `history has 1 × "c"`}
	for name, c := range map[string]struct {
		change func(lines []string) []string
		want   []string
	}{
		"the same":         {func(l []string) []string { return l }, nil},
		"a file more":      {func(l []string) []string { return slices.Insert(l, 1, "/aa 7") }, []string{"/aa 7"}},
		"a file less":      {func(l []string) []string { return l[1:] }, []string{"- /a"}},
		"a changed file":   {func(l []string) []string { l[1] = "/b 2"; return l }, []string{"/b 2"}},
		"a changed field":  {func(l []string) []string { l[3] = "config Env [2]"; return l }, []string{"config Env [2]"}},
		"a longer history": {func(l []string) []string { return slices.Insert(l, 7, `history "two"`) }, []string{`history "two"`}},
		"another comment":  {func(l []string) []string { l[7] = `history has 2 × "c"`; return l }, []string{`history has 2 × "c"`}},
		"a quoted name":    {func(l []string) []string { return slices.Insert(l, 0, `"/ x" 1`) }, []string{`"/ x" 1`}},
	} {
		picture := c.change(slices.Clone(base))
		difference := differencePicture(base, picture)
		if !slices.Equal(difference, c.want) {
			t.Errorf("%s: the difference is %q, want %q", name, difference, c.want)
		}
		if got, err := expandPicture(base, difference); err != nil || !slices.Equal(got, picture) {
			t.Errorf("%s: the difference gives %q, %v; want %q", name, got, err, picture)
		}
	}
	if got, err := expandPicture(base, []string{"- /c"}); err == nil {
		t.Errorf("removing what the base does not have gives %q; want an error", got)
	}
}

// TestPicturesThatAreStoredWhole: what a difference cannot describe is not stored as one.
func TestPicturesThatAreStoredWhole(t *testing.T) {
	base := []string{"/a 1", "layers 1", `history "one"`, "and many lines that make a difference shorter than the picture"}
	for name, picture := range map[string][]string{
		"a file twice":             {"/a 1", "/a 1", "layers 1", `history "one"`},
		"the history begins other": {"/a 1", "layers 1", `history "zero"`, `history "one"`},
		"a failed build":           {"fails: no"},
	} {
		want := append([]string{"=== x"}, picture...)
		if got := storedPicture("x", picture, []namedPicture{{"base", base}}); !slices.Equal(got, want) {
			t.Errorf("%s: stored as %q", name, got)
		}
	}
}

// TestEveryPictureLineCounts: a recorded picture with any line changed or removed is another picture,
// or an error.
func TestEveryPictureLineCounts(t *testing.T) {
	for _, dir := range []string{"golden", goldenBuildah} {
		bases, count := basesOf(t, dir), 0
		for _, family := range families(t) {
			if _, err := os.Stat(pictureFile(dir, family)); err != nil {
				continue
			}
			for name, picture := range pictures(t, dir, family) {
				stored := storedPicture(name, picture, bases(name, family))
				m := pictureHeading.FindStringSubmatch(stored[0])
				i := slices.IndexFunc(bases(name, family), func(b namedPicture) bool { return b.name == m[2] })
				if i < 0 {
					continue
				}
				base := bases(name, family)[i].lines
				for n, line := range stored[1:] {
					count++
					changed := slices.Clone(stored[1:])
					changed[n] += "?"
					for _, other := range [][]string{changed, slices.Delete(slices.Clone(stored[1:]), n, n+1)} {
						if got, err := expandPicture(base, other); err == nil && slices.Equal(got, picture) {
							t.Errorf("%s: %s: %q has no effect", dir, name, line)
						}
					}
				}
			}
		}
		if count < 1000 {
			t.Errorf("%s has %d lines", dir, count)
		}
	}
}
