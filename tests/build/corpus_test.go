package build

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A dockerfile is one of the corpus:
//
//	=== NAME [args: FLAG …] [error: REGEXP]
//	the Dockerfile
//	--- FILE
//	its content
//	--- sh
//	a script that runs in the context
//
// What a build fetches is in SERVED of the context, and SERVER in the Dockerfile is
// its address (served_test.go).
type dockerfile struct {
	name   string
	args   []string // in which OTHER is the directory of this name in the context
	fails  string   // a regular expression; "": it builds
	files  map[string]string
	script string
}

var heading = regexp.MustCompile(`^=== (\S+)(?: args: (.*?))?(?: error: (.*))?$`)

// corpus reads one family.
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

// TestNames: a name is one Dockerfile's.
func TestNames(t *testing.T) {
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

// flags are a case's, with its context's directory.
func (d *dockerfile) flags(dir string) []string {
	var out []string
	for _, a := range d.args {
		a = strings.ReplaceAll(a, "src=", "src="+dir+"/")
		a = strings.ReplaceAll(a, "--file=", "--file="+dir+"/")
		out = append(out, strings.ReplaceAll(a, "OTHER", dir+"/OTHER"))
	}
	return out
}
