package translate

import (
	"strings"
	"testing"
)

// examples has a value that each verb can print.
var examples = map[byte]string{'q': `"x y"`, 'd': "17", 'x': "2f", 'o': "0755", 'O': "0755", 'X': "2F", 't': "true",
	'f': "1.5", 'g': "1.5", 'e': "1.5", 'c': "z", 'U': "U+0041", 'b': "101"}

// produce returns the text that a format gives with examples, and other(i) for texts.
func produce(p *pattern, other func(i int) string) string {
	var out strings.Builder
	for i, literal := range p.literals {
		out.WriteString(literal)
		if i < len(p.verbs) {
			value, ok := examples[p.verbs[i]]
			if !ok {
				value = other(i)
			}
			out.WriteString(value)
		}
	}
	return out.String()
}

// TestEveryMessageIsFound: each format of the catalogues is found again in a text that it produced, as a whole and
// as the cause of another error.
func TestEveryMessageIsFound(t *testing.T) {
	languages, err := Languages()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range languages {
		tr, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		for english := range tr.messages {
			p := parse(english)
			text := produce(&p, func(i int) string { return "/v" + strings.Repeat("i", i) })
			tr.budget = maxLookups
			got := tr.best(text, 0)
			if got.score < p.weight {
				t.Errorf("%q: the text %q is translated as %q", english, text, got.text)
			}
			if strings.Contains(got.text, "%!") {
				t.Errorf("%q: %q", english, got.text)
			}
			if text != english && strings.Contains(text, `"x y"`) && !strings.Contains(got.text, `"x y"`) {
				t.Errorf("%q: %q lacks a value", text, got.text)
			}
		}
	}
}

// BenchmarkText measures the translation of a long error with the whole catalogue.
func BenchmarkText(b *testing.B) {
	tr, err := New("pt-BR")
	if err != nil {
		b.Fatal(err)
	}
	text := `cannot start container "web": config.json: mounts[3]: mount /x on /y: (x: y, z; a): permission denied`
	for b.Loop() {
		clear(tr.known)
		tr.Text(text)
	}
}
