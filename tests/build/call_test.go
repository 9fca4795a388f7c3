package build

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// call/*.txt are Dockerfiles in the format of corpus/; golden-call/*.txt has the output of BuildKit's
// requests outline and targets for them.

func callFamilies(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob("call/*.txt")
	if err != nil || len(list) == 0 {
		t.Fatal("no Dockerfiles in call/: ", err)
	}
	return list
}

var callMethods = []string{"outline", "targets"}

// TestCallPrintsWhatBuildKitPrints compares what build --call prints with what BuildKit prints.
func TestCallPrintsWhatBuildKitPrints(t *testing.T) {
	testbundleRoot(t)
	s := newStore(t)
	for _, family := range callFamilies(t) {
		want := pictures(t, "golden-call", family)
		for _, d := range corpus(t, family) {
			t.Run(d.name, func(t *testing.T) {
				dir := contextDir(t, d.files, d.script)
				var got []string
				for _, method := range callMethods {
					r := s.Minirun(slices.Concat([]string{"build", "--call", method}, d.flags(dir), []string{dir})...)
					if d.fails != "" && method == "outline" && !regexp.MustCompile(d.fails).MatchString(r.Stderr) {
						t.Errorf("the error is %q, want %q", r.Stderr, d.fails)
					}
					got = append(got, callLines(method, r.Stdout, r.Status != 0)...)
				}
				if !slices.Equal(got, want[d.name]) {
					t.Errorf("%s\ngot\n%s\nwant\n%s", d.files["Dockerfile"], strings.Join(got, "\n"), strings.Join(want[d.name], "\n"))
				}
			})
		}
	}
}

// callLines returns the lines of a golden file. BuildKit prints secrets, and arguments declared on
// one line, in any order, so tables are sorted below their headings.
func callLines(method, text string, failed bool) (out []string) {
	if failed {
		return []string{method + ": fails"}
	}
	for table := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n\n") {
		rows := strings.Split(table, "\n")
		if method == "outline" && !strings.HasPrefix(table, "TARGET:") {
			slices.Sort(rows[1:])
		}
		for _, r := range rows {
			out = append(out, method+": "+strings.TrimRight(r, " "))
		}
	}
	return out
}

// TestCallOracle regenerates golden-call/, as TestOracle regenerates golden/.
func TestCallOracle(t *testing.T) {
	buildctl, address := os.Getenv("MINIRUN_BUILDCTL"), os.Getenv("MINIRUN_BUILDKITD")
	if buildctl == "" || address == "" {
		t.Skip("MINIRUN_BUILDCTL and MINIRUN_BUILDKITD are not set: golden-call/ is as BuildKit v0.34.2 has made it")
	}
	testbundleRoot(t)
	o := newBuildkit(t, buildctl, address)
	for _, family := range callFamilies(t) {
		var out strings.Builder
		for _, d := range corpus(t, family) {
			out.WriteString("=== " + d.name + "\n")
			for _, method := range callMethods {
				text, failed := o.request(t, d, method)
				for _, l := range callLines(method, text, failed) {
					out.WriteString(l + "\n")
				}
			}
		}
		if err := os.WriteFile(pictureFile("golden-call", family), []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCallJSON: the JSON output uses BuildKit's names.
func TestCallJSON(t *testing.T) {
	s := newStore(t)
	text := "# A is alpha\nARG A=1\n# one is first\nFROM --platform=$BUILDPLATFORM base AS One\nARG A\nARG B\nRUN --mount=type=secret,id=s,required --mount=type=ssh :\n"
	dir := contextDir(t, map[string]string{"Dockerfile": text}, "")
	at := func(line int) string {
		return fmt.Sprintf(`"location":{"ranges":[{"start":{"line":%d},"end":{"line":%[1]d}}]}`, line)
	}
	source, err := json.Marshal([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]string{
		"outline": `{"name":"one","description":"is first","args":[{"name":"A","description":"is alpha","value":"1",` + at(2) + `},{"name":"B",` + at(6) + `}],` +
			`"secrets":[{"name":"s","required":true,` + at(7) + `}],"ssh":[{"name":"default",` + at(7) + `}],"sources":[` + string(source) + `]}`,
		"targets": `{"targets":[{"name":"one","default":true,"description":"is first","base":"base","platform":"$BUILDPLATFORM",` + at(4) + `}],"sources":[` + string(source) + `]}`,
	} {
		var got, wanted any
		if err := json.Unmarshal([]byte(s.Do("build", "--call="+method+",format=json", dir)), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(wanted) {
			t.Errorf("%s: got\n%v\nwant\n%v", method, got, wanted)
		}
	}
	if got := s.Do("build", "--call=subrequests.describe", dir); !strings.HasPrefix(got, "NAME                 VERSION DESCRIPTION\noutline              1.0.0   ") {
		t.Errorf("subrequests.describe: %s", got)
	}
}

// TestCallRejectsUnsupportedRequests: unsupported requests are rejected, and flags without effect are
// named.
func TestCallRejectsUnsupportedRequests(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nARG INSIDE\n"}, "")
	for _, c := range [][2]string{
		{"--call=frob", "must be build, check, outline, targets"}, {"--call=outline,error=true", `unknown option "error=true"`},
		{"--call=check,error", `unknown option "error"`}, {"--call=targets,format=xml", "must be text or json"}, {"--check --call=outline", "cannot be combined"},
	} {
		s.Minirun(append(append([]string{"build"}, strings.Fields(c[0])...), dir)...).Fails(t, c[1])
	}
	r := s.Minirun("build", "--call", "outline", "-t", "x", "--push", dir)
	r.Exit(t, 0)
	for _, want := range []string{"--tag has no effect with --call=outline", "--push has no effect"} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("no %q in %s", want, r.Stderr)
		}
	}
	if got := s.Do("build", "--call=lint", dir); got != "Check complete, no warnings found." {
		t.Errorf("--call=lint: %s", got)
	}
	served := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nARG FROM_URL\n"}, "")
	server := httptest.NewServer(http.FileServer(http.Dir(served)))
	defer server.Close()
	for _, args := range [][]string{{server.URL + "/Dockerfile"}, {"-f", server.URL + "/Dockerfile", dir}} {
		if got := s.Do(append([]string{"build", "--call=outline"}, args...)...); !strings.Contains(got, "FROM_URL") {
			t.Errorf("%q: %s", args, got)
		}
		s.Do(append([]string{"build", "--check"}, args...)...)
	}
}
