package dockerfile

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
)

// flagOfField maps the fields of BuildKit's types to the flags that set them. "" is a field that no
// flag sets.
var flagOfField = []struct {
	in     reflect.Type
	prefix string
	flags  map[string]string
}{
	{reflect.TypeFor[instructions.Stage](), "FROM --", map[string]string{
		"Platform": "platform", "Name": "", "Commands": "", "OrigCmd": "", "BaseName": "", "DocComment": "",
		"SourceCode": "", "Location": "", "Comments": "",
	}},
	{reflect.TypeFor[instructions.CopyCommand](), "COPY --", map[string]string{
		"From": "from", "Chown": "chown", "Chmod": "chmod", "Link": "link", "ExcludePatterns": "exclude",
		"Parents": "parents", "SourcesAndDest": "",
	}},
	{reflect.TypeFor[instructions.AddCommand](), "ADD --", map[string]string{
		"Chown": "chown", "Chmod": "chmod", "Link": "link", "ExcludePatterns": "exclude", "KeepGitDir": "keep-git-dir",
		"Checksum": "checksum", "Unpack": "unpack", "SourcesAndDest": "",
	}},
	{reflect.TypeFor[docker.HealthcheckConfig](), "HEALTHCHECK --", map[string]string{
		"Test": "", "Interval": "interval", "Timeout": "timeout", "StartPeriod": "start-period",
		"StartInterval": "start-interval", "Retries": "retries",
	}},
	{reflect.TypeFor[instructions.HealthCheckCommand](), "HEALTHCHECK --", map[string]string{"Health": ""}},
	{reflect.TypeFor[instructions.Device](), "RUN --device=", map[string]string{"Name": "name", "Required": "required"}},
	{reflect.TypeFor[instructions.Mount](), "RUN --mount=", map[string]string{
		"Type": "type", "From": "from", "Source": "source", "Target": "target", "ReadOnly": "readonly", "SizeLimit": "size",
		"CacheID":      "id",
		"CacheSharing": "sharing", "Required": "required", "Env": "env", "Mode": "mode", "UID": "uid", "GID": "gid",
	}},
	{reflect.TypeFor[instructions.RunCommand](), "RUN --",
		map[string]string{"ShellDependantCmdLine": "", "FlagsUsed": ""}},
	{reflect.TypeFor[instructions.ArgCommand](), "ARG --", map[string]string{"Args": ""}},
	{reflect.TypeFor[instructions.EnvCommand](), "ENV --", map[string]string{"Env": ""}},
	{reflect.TypeFor[instructions.LabelCommand](), "LABEL --", map[string]string{"Labels": ""}},
	{reflect.TypeFor[instructions.MaintainerCommand](), "MAINTAINER --", map[string]string{"Maintainer": ""}},
	{reflect.TypeFor[instructions.UserCommand](), "USER --", map[string]string{"User": ""}},
	{reflect.TypeFor[instructions.WorkdirCommand](), "WORKDIR --", map[string]string{"Path": ""}},
	{reflect.TypeFor[instructions.VolumeCommand](), "VOLUME --", map[string]string{"Volumes": ""}},
	{reflect.TypeFor[instructions.ExposeCommand](), "EXPOSE --", map[string]string{"Ports": ""}},
	{reflect.TypeFor[instructions.StopSignalCommand](), "STOPSIGNAL --", map[string]string{"Signal": ""}},
	{reflect.TypeFor[instructions.ShellCommand](), "SHELL --", map[string]string{"Shell": ""}},
	{reflect.TypeFor[instructions.CmdCommand](), "CMD --", map[string]string{"ShellDependantCmdLine": ""}},
	{reflect.TypeFor[instructions.EntrypointCommand](), "ENTRYPOINT --", map[string]string{"ShellDependantCmdLine": ""}},
	{reflect.TypeFor[instructions.OnbuildCommand](), "ONBUILD --", map[string]string{"Expression": ""}},
}

// runFlags are the flags of RUN, which have no exported fields. BuildKit's parser keeps a value for
// each of them in a private map of the instruction.
var runFlags = []string{"RUN --device", "RUN --mount", "RUN --network", "RUN --security"}

// expectedRows returns the instructions and flags that BuildKit's parser knows.
func expectedRows(t *testing.T) []string {
	t.Helper()
	rows := slices.Clone(runFlags)
	for name := range command.Commands {
		rows = append(rows, strings.ToUpper(name))
	}
	for _, s := range flagOfField {
		for i := range s.in.NumField() {
			f := s.in.Field(i)
			flag, known := s.flags[f.Name]
			if f.IsExported() && !known {
				t.Errorf("BuildKit's %s has a new field %s", s.in.Name(), f.Name)
			}
			if flag != "" {
				rows = append(rows, s.prefix+flag)
			}
		}
	}
	result, err := parser.Parse(strings.NewReader("RUN true\n"))
	if err != nil {
		t.Fatal(err)
	}
	run, err := instructions.ParseCommand(result.AST.Children[0])
	if err != nil {
		t.Fatal(err)
	}
	values := reflect.ValueOf(run).Elem().FieldByName("withExternalData").Field(0)
	if values.Kind() != reflect.Map || values.Len() != len(runFlags) {
		t.Errorf("RUN has %v, want the values of %d flags", values, len(runFlags))
	}
	return rows
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// readTable returns the rows of docs/dockerfile.md, each as a list of columns.
func readTable(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "dockerfile.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		columns := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(columns) != 4 {
			t.Errorf("%d columns, want 4: %s", len(columns), line)
			continue
		}
		name := strings.Trim(strings.TrimSpace(columns[0]), "`")
		if rows[name] != nil {
			t.Errorf("%s has two rows", name)
		}
		rows[name] = columns
	}
	return rows
}

// readAll returns the content of the files that match any of the patterns.
func readAll(t *testing.T, patterns ...string) string {
	t.Helper()
	var out strings.Builder
	for _, p := range patterns {
		files, err := filepath.Glob(p)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", p, len(files), err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(text)
		}
	}
	return out.String()
}

// TestEveryInstructionHasARow: docs/dockerfile.md lists every instruction and flag that BuildKit's
// parser accepts, and the handlers, packages and tests that it names exist.
func TestEveryInstructionHasARow(t *testing.T) {
	rows := readTable(t)
	want := slices.Sorted(slices.Values(expectedRows(t)))
	if got := slices.Sorted(maps.Keys(rows)); !slices.Equal(got, want) {
		t.Errorf("rows\n%q\nwant\n%q", got, want)
	}
	tests := filepath.Join("..", "..", "..", "tests", "build")
	code := readAll(t, "*.go")
	cases := readAll(t, filepath.Join(tests, "corpus", "*.txt"), filepath.Join(tests, "*_test.go")) + "\n"
	for name, columns := range rows {
		for _, m := range codeSpan.FindAllStringSubmatch(columns[1], -1) {
			if !regexp.MustCompile(`\nfunc (\([^)]*\) )?` + m[1] + `\(`).MatchString(code) {
				t.Errorf("%s: function %s does not exist", name, m[1])
			}
		}
		for _, m := range codeSpan.FindAllStringSubmatch(columns[2], -1) {
			if strings.HasPrefix(m[1], "internal/") {
				if info, err := os.Stat(filepath.Join("..", "..", "..", m[1])); err != nil || !info.IsDir() {
					t.Errorf("%s: package %s does not exist", name, m[1])
				}
			}
		}
		for _, m := range codeSpan.FindAllStringSubmatch(columns[3], -1) {
			found := func(text string) bool { return strings.Contains(cases, text) }
			if !found("=== "+m[1]+"\n") && !found("=== "+m[1]+" ") && !found("func "+m[1]+"(") {
				t.Errorf("%s: test %s does not exist", name, m[1])
			}
		}
	}
}
