package architecture

import (
	"regexp"
	"strings"
	"testing"
)

// textLogic matches code that decides by the name or the reason of a step or an action: a better
// wording would change what the program does. Steps and actions have a kind. For errors see
// TestErrorTextDecidesNothing.
var textLogic = []*regexp.Regexp{
	regexp.MustCompile(`strings\.(Contains|HasPrefix|HasSuffix)\(\w+\.(What|Why)\b`),
	regexp.MustCompile(`[sS]teps?\[[^\]]*\]\.(Name|Why)\s*[!=]=`),
}

// TestNoLogicOnTexts: product code does not compare the texts of steps and actions.
func TestNoLogicOnTexts(t *testing.T) {
	forEachFile(t, func(path, text string) {
		for n, line := range strings.Split(text, "\n") {
			for _, re := range textLogic {
				if re.MatchString(line) {
					t.Errorf("%s:%d decides by a text: %s", strings.TrimPrefix(path, "../../"), n+1, strings.TrimSpace(line))
				}
			}
		}
	})
}

// TestTextLogicIsFound: the patterns match what they are for, and nothing else.
func TestTextLogicIsFound(t *testing.T) {
	for line, want := range map[string]bool{
		`if strings.HasPrefix(a.What, "the program runs") {`:           true,
		`for c.plan.Steps[i].Name != process.WaitForStart {`:           true,
		`return strings.Contains(s.Name, text)`:                        false,
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
