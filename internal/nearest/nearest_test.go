package nearest

import "testing"

func TestWord(t *testing.T) {
	candidates := []string{"run", "rm", "rmi", "restart", "hostname", "Web"}
	for word, want := range map[string]string{
		"rnu": "run", "ru": "run", "hostnme": "hostname", "hsotname": "hostname", "resatrt": "restart", "wbe": "Web",
		"x": "", "frobnicate": "", "": "",
	} {
		if got := Word(word, candidates); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
