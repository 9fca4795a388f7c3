package nearest

import "testing"

// TestWord suggests for typing errors, and for nothing else.
func TestWord(t *testing.T) {
	names := []string{"run", "rm", "rmi", "ps", "pull", "push", "images", "inspect", "network", "hostname", "Web"}
	for word, want := range map[string]string{
		"rnu": "run", "runn": "run", "imges": "images", "IMAGES": "images", "isnpect": "inspect", "networks": "network",
		"pul": "pull", "hsotname": "hostname", "wbe": "Web", "x": "", "": "", "frobnicate": "", "compose": "", "swarm": "",
	} {
		if got := Word(word, names); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
