package architecture

import (
	"regexp"
	"strings"
	"testing"
)

// textLogic matches code that decides by the text of an error, a step or an action: a better wording
// would change what the program does. Errors that a caller distinguishes are types or values; steps
// and actions have a kind.
var textLogic = []*regexp.Regexp{
	regexp.MustCompile(`strings\.(Contains|HasPrefix|HasSuffix|EqualFold|Index)\([^)]*\.(Error|String)\(\)`),
	regexp.MustCompile(`\.Error\(\)\s*[!=]=`),
	regexp.MustCompile(`strings\.(Contains|HasPrefix|HasSuffix)\(\w+\.(What|Why)\b`),
	regexp.MustCompile(`[sS]teps?\[[^\]]*\]\.(Name|Why)\s*[!=]=`),
}

// textLogicAllowed lists the places where only a text is available, with the reason.
var textLogicAllowed = map[string]string{
	"internal/build/dockerfile/mistakes.go":   "BuildKit's parser has no type for this error",
	"internal/build/dockerfile/dockerfile.go": "BuildKit's parser has no type for this error",
	"internal/build/executor/platform.go":     "the errno comes from another process, in its log",
	"internal/build/solver/program.go":        "the error comes from another process, in its log",
}

// TestNoLogicOnTexts: product code does not compare the texts of errors, steps and actions.
func TestNoLogicOnTexts(t *testing.T) {
	forEachFile(t, func(path, text string) {
		name := strings.TrimPrefix(path, "../../")
		if textLogicAllowed[name] != "" {
			return
		}
		for n, line := range strings.Split(text, "\n") {
			for _, re := range textLogic {
				if re.MatchString(line) {
					t.Errorf("%s:%d decides by a text: %s", name, n+1, strings.TrimSpace(line))
				}
			}
		}
	})
}

// TestTextLogicIsFound: the patterns match what they are for, and nothing else.
func TestTextLogicIsFound(t *testing.T) {
	for line, want := range map[string]bool{
		`if strings.Contains(err.Error(), "process.args") {`:           true,
		`if err.Error() == "x" {`:                                      true,
		`if strings.HasPrefix(a.What, "the program runs") {`:           true,
		`for c.plan.Steps[i].Name != process.WaitForStart {`:           true,
		`text := "x: " + err.Error()`:                                  false,
		`return strings.Contains(s.Name, text)`:                        false,
		`first, _, _ := strings.Cut(e.err.Error(), "\n")`:              false,
		`if strings.HasPrefix(s.Source, "linux.readonlyPaths") {`:      false,
		`if errors.Is(err, unix.ENOENT) || strings.Contains(p, "x") {`: false,
	} {
		found := false
		for _, re := range textLogic {
			found = found || re.MatchString(line)
		}
		if found != want {
			t.Errorf("%q is found: %t, want %t", line, found, want)
		}
	}
}
