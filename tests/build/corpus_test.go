package build

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A dockerfile is one case of the corpus:
//
//	=== NAME [args: FLAG …] [error: REGEXP]
//	the Dockerfile
//	--- FILE
//	its content
//	--- sh
//	a script that runs in the context
//
// Files that a build fetches are in the directory SERVED of the context, and SERVER in the Dockerfile
// stands for the server's address (served_test.go).
type dockerfile struct {
	name   string
	args   []string // OTHER is replaced with the directory of this name in the context
	fails  string   // a regular expression; "": the build succeeds
	files  map[string]string
	script string
}

var heading = regexp.MustCompile(`^=== (\S+)(?: args: (.*?))?(?: error: (.*))?$`)

// corpus reads one family of cases.
func corpus(t testing.TB, family string) (out []*dockerfile) {
	t.Helper()
	text, err := os.ReadFile(family)
	if err != nil {
		t.Fatal(err)
	}
	var d *dockerfile
	file := ""
	for line := range strings.Lines(string(text)) {
		plain := strings.TrimSuffix(line, "\n")
		if m := heading.FindStringSubmatch(plain); m != nil {
			d = &dockerfile{name: m[1], args: strings.Fields(m[2]), fails: m[3], files: map[string]string{}}
			out = append(out, d)
			file = "Dockerfile"
			continue
		}
		if name, ok := strings.CutPrefix(plain, "--- "); ok {
			file = name
			continue
		}
		if file == "sh" {
			d.script += line
		} else {
			d.files[file] += line
		}
	}
	return out
}

// TestCorpusNamesAreUnique: every Dockerfile of the corpus has a unique name.
func TestCorpusNamesAreUnique(t *testing.T) {
	in := map[string]string{}
	for _, family := range families(t) {
		for _, d := range corpus(t, family) {
			if other, ok := in[d.name]; ok {
				t.Errorf("%s is in %s and in %s", d.name, other, family)
			}
			in[d.name] = family
		}
	}
	t.Logf("%d Dockerfiles", len(in))
}

func families(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob("corpus/*.txt")
	if err != nil || len(list) == 0 {
		t.Fatal("no corpus: ", err)
	}
	return list
}

// flags returns the flags of a case, with the directory of its context filled in.
func (d *dockerfile) flags(dir string) []string {
	var out []string
	for _, a := range d.args {
		a = strings.ReplaceAll(a, "src=", "src="+dir+"/")
		a = strings.ReplaceAll(a, "--file=", "--file="+dir+"/")
		out = append(out, strings.ReplaceAll(a, "OTHER", dir+"/OTHER"))
	}
	return out
}
