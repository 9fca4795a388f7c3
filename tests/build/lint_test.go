package build

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
)

// lint/*.txt are Dockerfiles in the format of corpus/; golden-lint/*.txt has the findings of
// BuildKit's lint request, one per line: LINES RULE DETAIL. A case with error: has a buildError that
// matches the regular expression.

func lintFamilies(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob("lint/*.txt")
	if err != nil || len(list) == 0 {
		t.Fatal("no Dockerfiles in lint/: ", err)
	}
	return list
}

// TestLint compares the findings of build --check with BuildKit's: all of them must be there, and no
// others except those of minirun's own rules.
func TestLint(t *testing.T) {
	testbundleRoot(t)
	s := newStore(t)
	used := map[string]bool{}
	for _, family := range lintFamilies(t) {
		want := pictures(t, "golden-lint", family)
		for _, d := range corpus(t, family) {
			t.Run(d.name, func(t *testing.T) {
				golden, ok := want[d.name]
				if !ok {
					t.Fatal("golden-lint/ has no findings of it")
				}
				for _, f := range golden {
					if words := strings.Fields(f); len(words) > 1 {
						used[words[1]] = true
					}
				}
				t.Parallel()
				got, failure := s.lint(t, d)
				if !slices.Equal(got, golden) {
					t.Errorf("%s\ngot  %q\nwant %q", d.files["Dockerfile"], got, golden)
				}
				if (failure != "") != (d.fails != "") || !regexp.MustCompile(d.fails).MatchString(failure) {
					t.Errorf("%s\nthe error is %q, want %q", d.files["Dockerfile"], failure, d.fails)
				}
			})
		}
	}
	for _, rule := range buildkitRules {
		if !used[rule] && rule != linter.RuleInvalidBaseImagePlatform.Name { // covered by TestLintFindsBaseOfOtherPlatform
			t.Errorf("no Dockerfile in lint/ violates %s", rule)
		}
	}
}

// buildkitRules lists all rules that BuildKit documents.
var buildkitRules = []string{
	linter.RuleStageNameCasing.Name, linter.RuleFromAsCasing.Name, linter.RuleNoEmptyContinuation.Name, linter.RuleConsistentInstructionCasing.Name,
	linter.RuleDuplicateStageName.Name, linter.RuleReservedStageName.Name, linter.RuleJSONArgsRecommended.Name, linter.RuleMaintainerDeprecated.Name,
	linter.RuleUndefinedArgInFrom.Name, linter.RuleWorkdirRelativePath.Name, linter.RuleUndefinedVar.Name, linter.RuleMultipleInstructionsDisallowed.Name,
	linter.RuleLegacyKeyValueFormat.Name, linter.RuleInvalidBaseImagePlatform.Name, linter.RuleRedundantTargetPlatform.Name, linter.RuleSecretsUsedInArgOrEnv.Name,
	linter.RuleInvalidDefaultArgInFrom.Name, linter.RuleFromPlatformFlagConstDisallowed.Name, linter.RuleCopyIgnoredFile.Name,
	linter.RuleInvalidDefinitionDescription.Name, linter.RuleExposeProtoCasing.Name, linter.RuleExposeInvalidFormat.Name,
}

// lintResult is the output of build --check --format json, with the names of BuildKit's lint request.
type lintResult struct {
	Warnings []struct {
		RuleName, Detail string
		Location         struct {
			Ranges []struct{ Start, End struct{ Line int } }
		}
		Minirun bool
	}
	Sources []struct {
		Filename, Language string
		Data               []byte
	}
	BuildError *struct{ Message string }
}

// lint runs build --check, and returns the findings of BuildKit's rules, and the error.
func (s *store) lint(t *testing.T, d *dockerfile) (findings []string, failure string) {
	t.Helper()
	dir := contextDir(t, d.files, d.script)
	r := s.Minirun(slices.Concat([]string{"build", "--check", "--format", "json"}, d.flags(dir), []string{dir})...)
	if r.Stdout == "" { // the options were rejected
		return sortedFindings(nil), r.Stderr
	}
	var result lintResult
	if err := json.Unmarshal([]byte(r.Stdout), &result); err != nil {
		t.Fatalf("%v: %s", err, r.Stdout)
	}
	if len(result.Sources) != 1 || result.Sources[0].Language != "Dockerfile" || string(result.Sources[0].Data) == "" && d.files["Dockerfile"] != "" {
		t.Errorf("the sources are %+v", result.Sources)
	}
	for _, w := range result.Warnings {
		if w.Minirun {
			continue
		}
		var lines []int
		for _, r := range w.Location.Ranges {
			lines = append(lines, r.Start.Line, r.End.Line)
		}
		findings = append(findings, fmt.Sprintf("%s %s %s", span(lines), w.RuleName, w.Detail))
	}
	if result.BuildError != nil {
		failure = result.BuildError.Message
	}
	if wrong := len(result.Warnings) > 0 || failure != ""; wrong != (r.Status != 0) {
		t.Errorf("%d findings, the error %q, and status %d", len(result.Warnings), failure, r.Status)
	}
	return sortedFindings(findings), failure
}

// sortedFindings returns the lines of a golden file, sorted.
func sortedFindings(list []string) []string {
	if len(list) == 0 {
		return []string{"none"}
	}
	slices.Sort(list)
	return list
}

// span formats a range of lines as LINE or FIRST-LAST.
func span(lines []int) string {
	if len(lines) == 0 {
		return "0"
	}
	first, last := slices.Min(lines), slices.Max(lines)
	if first == last {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d-%d", first, last)
}

// TestLintOracle regenerates golden-lint/, as TestOracle regenerates golden/.
func TestLintOracle(t *testing.T) {
	buildctl, address := os.Getenv("MINIRUN_BUILDCTL"), os.Getenv("MINIRUN_BUILDKITD")
	if buildctl == "" || address == "" {
		t.Skip("MINIRUN_BUILDCTL and MINIRUN_BUILDKITD are not set: golden-lint/ is as BuildKit v0.34.2 has made it")
	}
	testbundleRoot(t)
	o := newBuildkit(t, buildctl, address)
	only := regexp.MustCompile(os.Getenv("MINIRUN_FAMILY"))
	for _, family := range lintFamilies(t) {
		if !only.MatchString(family) {
			continue
		}
		var out strings.Builder
		for _, d := range corpus(t, family) {
			out.WriteString("=== " + d.name + "\n")
			for _, l := range o.lint(t, d) {
				out.WriteString(l + "\n")
			}
		}
		if err := os.WriteFile(pictureFile("golden-lint", family), []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// request sends one of the frontend's subrequests to BuildKit, and returns what buildctl prints.
func (b *buildkit) request(t *testing.T, d *dockerfile, id string) (text string, failed bool) {
	t.Helper()
	dir := contextDir(t, d.files, d.script)
	args := append([]string{
		"--addr", b.address, "build", "--progress", "plain", "--frontend", "dockerfile.v0", "--local", "context=" + dir, "--local", "dockerfile=" + dir,
		"--opt", "requestid=frontend." + id,
	}, b.bases...)
	for _, f := range d.flags(dir) {
		flag, value, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		switch flag {
		case "build-arg":
			args = append(args, "--opt", "build-arg:"+value)
		case "target", "platform":
			args = append(args, "--opt", flag+"="+value)
		case "file":
			args = append(args, "--opt", "filename="+strings.TrimPrefix(value, dir+"/"))
		default:
			t.Fatalf("%s: the flag %s", d.name, flag)
		}
	}
	cmd := exec.Command(b.buildctl, args...)
	var failure strings.Builder
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		t.Logf("%s: %s", d.name, failure.String())
	}
	return string(out), err != nil
}

// lint returns BuildKit's findings.
func (b *buildkit) lint(t *testing.T, d *dockerfile) (findings []string) {
	t.Helper()
	text, _ := b.request(t, d, "lint")
	for _, part := range regexp.MustCompile(`(?m)^WARNING: `).Split(text, -1)[1:] {
		lines := strings.SplitN(part, "\n", 3)
		rule, _, _ := strings.Cut(lines[0], " ")
		var at []int
		for _, m := range regexp.MustCompile(`(?m)^ *(\d+) \| >>>`).FindAllStringSubmatch(lines[2], -1) {
			var n int
			_, _ = fmt.Sscan(m[1], &n)
			at = append(at, n)
		}
		findings = append(findings, fmt.Sprintf("%s %s %s", span(at), rule, lines[1]))
	}
	return sortedFindings(findings)
}

// TestBuildPrintsLintWarnings: a build reports the same warnings as BuildKit's: for stages that the
// target does not need, only the findings for their FROM lines.
func TestBuildPrintsLintWarnings(t *testing.T) {
	s := newStore(t)
	for text, want := range map[string]string{
		"FROM scratch AS Foo\nENV TOKEN=$a\nCMD x\nFROM configured\nENV b=$b c=$BASE_VAR\n": " - StageNameCasing: Stage name 'Foo' should be lowercase (line 1)\n" +
			" - UndefinedVar: Usage of undefined variable '$b' (line 5)\n",
		"FROM --platform=linux/amd64 scratch\nFROM ${x:-scratch}\nFROM base AS context\n": " - FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \"linux/amd64\" (line 1)\n" +
			" - UndefinedArgInFrom: FROM argument 'x' is not declared (line 2)\n - ReservedStageName: Stage name should not use the same name as reserved stage \"context\" (line 3)\n",
		"FROM base\nCMD a\nSTOPSIGNAL a\nCMD b\n":             " - JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals (line 2)\n",
		"# check=error=true\nFROM base\nRUN :\nCMD [\"a\"]\n": "",
	} {
		r := s.Minirun("build", "--progress", "plain", contextDir(t, map[string]string{"Dockerfile": text}, ""))
		got := strings.Join(regexp.MustCompile(`(?m)^ - .*\n`).FindAllString(r.Stderr, -1), "")
		if got != want {
			t.Errorf("%s\ngot\n%swant\n%s%s", text, got, want, r.Stderr)
		}
	}
}

// TestLintFindsBaseOfOtherPlatform: InvalidBaseImagePlatform for an image that the store has only for
// another platform.
func TestLintFindsBaseOfOtherPlatform(t *testing.T) {
	s := newStore(t)
	d := &dockerfile{name: "platform", args: []string{"--platform=linux/arm64"}, files: map[string]string{"Dockerfile": "FROM base\nFROM --platform=$BUILDPLATFORM base\n"}}
	got, failure := s.lint(t, d)
	want := []string{`1 InvalidBaseImagePlatform Base image base was pulled with platform "linux/amd64", expected "linux/arm64" for current build`}
	if failure != "" || !slices.Equal(got, want) {
		t.Errorf("got %q, %q", got, failure)
	}
}

// TestLintUnknownBase: a base image that is not in the store is not pulled, and variables that it may
// define cause no finding. The rest of the Dockerfile is checked.
func TestLintUnknownBase(t *testing.T) {
	s := newStore(t)
	d := &dockerfile{name: "unknown", files: map[string]string{"Dockerfile": "FROM unknown AS a\nCOPY f $DIRECTORY\nSTOPSIGNAL $SIGNAL\nENV PATH=$PAHT\nFROM base\nCOPY --from=a / /a\nCOPY --from=unknown / /b\nEXPOSE x\n"}}
	got, failure := s.lint(t, d)
	if want := []string{"4 UndefinedVar Usage of undefined variable '$PAHT' (did you mean $PATH?)"}; !strings.Contains(failure, "EXPOSE x") || !slices.Equal(got, want) {
		t.Errorf("got %q, %q", got, failure)
	}
}
