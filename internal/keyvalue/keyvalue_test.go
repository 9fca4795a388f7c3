package keyvalue

import (
	"errors"
	"fmt"
	"testing"
)

func TestEachPassesFields(t *testing.T) {
	for text, want := range map[string]string{
		"type=local,dest=a=b":     "[type|local|true] [dest|a=b|true] ",
		"plain,k=":                "[plain||false] [k||true] ",
		`"a=with,comma",b=2`:      "[a|with,comma|true] [b|2|true] ",
		`a="unexpected quote`:     "error",
		"":                        "error", // a list has at least one field
		"key=value, with=a blank": "[key|value|true] [ with|a blank|true] ",
	} {
		got := ""
		err := Each(text, func(key, value string, has bool) error {
			got += fmt.Sprintf("[%s|%s|%v] ", key, value, has)
			return nil
		})
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestEachStopsAtError(t *testing.T) {
	calls, bad := 0, errors.New("bad")
	err := Each("a,b,c", func(string, string, bool) error { calls++; return bad })
	if !errors.Is(err, bad) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
