package main

import "testing"

func TestArguments(t *testing.T) {
	for format, want := range map[string]string{
		"": "", "100%%": "", "%s and %q": "sq", "%[2]q of %[1]s": "sq", "%-8s %#o": "so", "50%% of %d": "d",
		"%[1]s %[1]s": "s",
	} {
		if got, ok := arguments(format); got != want || !ok {
			t.Errorf("%q: %q %t, want %q", format, got, ok, want)
		}
	}
	for _, format := range []string{"%[2]s", "%[1]s %[1]d"} {
		if got, ok := arguments(format); ok {
			t.Errorf("%q: %q is accepted", format, got)
		}
	}
}

func TestHasWords(t *testing.T) {
	for format, want := range map[string]bool{"": false, "%s": false, "%-8s %#o\n": false, "a %d": false, "é %s": false,
		"%s is": true, "100%% of %d": true, "não": true, "%dms": true} {
		if got := hasWords(format); got != want {
			t.Errorf("%q: %t", format, got)
		}
	}
}
