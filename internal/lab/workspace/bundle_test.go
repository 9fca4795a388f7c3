package workspace

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestMerge has cases of RFC 7386, appendix A.
func TestMerge(t *testing.T) {
	for _, c := range []struct{ document, changes, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
	} {
		var document, changes, want map[string]any
		for _, p := range []struct {
			text string
			into *map[string]any
		}{{c.document, &document}, {c.changes, &changes}, {c.want, &want}} {
			if err := json.Unmarshal([]byte(p.text), p.into); err != nil {
				t.Fatal(err)
			}
		}
		merge(document, changes)
		if !reflect.DeepEqual(document, want) {
			t.Errorf("%s with %s: %v, want %v", c.document, c.changes, document, want)
		}
	}
}

func TestQuote(t *testing.T) {
	if got := quoteAll([]string{"a", "b c", "d'e"}); got != `'a' 'b c' 'd'\''e'` {
		t.Error(got)
	}
}
