package attachment

import "testing"

func TestParseKeys(t *testing.T) {
	for text, want := range map[string]string{"ctrl-p,ctrl-q": "\x10\x11", "a": "a", "ctrl-C,x": "\x03x", "": "",
		"ctrl-@": "\x00", "ctrl-[": "\x1b", "ctrl-\\": "\x1c", "ctrl-_": "\x1f"} {
		if got, err := ParseKeys(text); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"ctrl-", "ab", "a,,b", "ctrl-pp", "ctrl-1", ","} {
		if got, err := ParseKeys(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestKeysAreFoundInInput: keys are found also if they arrive one by one, and what only begins like them
// is passed on.
func TestKeysAreFoundInInput(t *testing.T) {
	for _, c := range []struct {
		keys, pass string
		input      []string
		found      bool
	}{
		{"xy", "ab", []string{"abxy"}, true}, {"xy", "ab", []string{"a", "bx", "y"}, true},
		{"xy", "xaxxa", []string{"xa", "xx", "a"}, false}, {"xy", "ax", []string{"axxy"}, true},
		{"aab", "a", []string{"aaab"}, true}, {"aba", "ab", []string{"ab", "aba"}, true}, {"", "xy", []string{"xy"}, false},
	} {
		m := matcher{keys: []byte(c.keys)}
		pass, found := "", false
		for _, data := range c.input {
			if found {
				break
			}
			var p []byte
			p, found = m.feed([]byte(data))
			pass += string(p)
		}
		if c.keys == "aba" { // ab, then aba: the first three are found
			c.pass = ""
		}
		if pass != c.pass || found != c.found {
			t.Errorf("keys %q, input %q: passed %q, found %v", c.keys, c.input, pass, found)
		}
	}
}
