package course

import (
	"fmt"
	"strings"
	"testing"
)

// TestFillReplacesInAllParts: a learner never reads {{name}}, whichever part of a text is shown.
func TestFillReplacesInAllParts(t *testing.T) {
	const v = "{{mib}} MiB"
	text := &Text{Intro: v, Predict: []Question{{v, []string{v, v}}}, Do: v, Hints: []string{v}, Checks: []string{v, v},
		Explain: v}
	filled := fmt.Sprintf("%+v", *text.Fill(map[string]string{"mib": "48"}))
	if strings.Contains(filled, "{{") || strings.Count(filled, "48 MiB") != 9 {
		t.Error(filled)
	}
}
