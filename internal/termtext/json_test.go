package termtext

import (
	"encoding/json"
	"testing"
)

// TestJSONKeepsItsMeaning: no character has an effect on a terminal, and the decoded text is the same.
func TestJSONKeepsItsMeaning(t *testing.T) {
	for _, text := range []string{"plain", "größer 漢", "\x1b[31m\u009b2J\x7f", "\u202egpj\u2066", "\U000e0001\u2028", "\n\t"} {
		raw, err := json.Marshal(map[string]string{text: text})
		if err != nil {
			t.Fatal(err)
		}
		safe := JSON(string(raw))
		for _, r := range safe {
			if !Visible(r) {
				t.Errorf("%q has %U", safe, r)
			}
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(safe), &got); err != nil || got[text] != text {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if got := JSON("{\n  \"a\": 1\n}"); got != "{\n  \"a\": 1\n}" {
		t.Errorf("%q", got)
	}
}
