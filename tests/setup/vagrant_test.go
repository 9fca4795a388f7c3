package setup

import (
	"os"
	"strings"
	"testing"
)

// TestVagrantBuildsBeforeItInstalls: make install builds nothing, and the copied clone has no programs.
func TestVagrantBuildsBeforeItInstalls(t *testing.T) {
	text, err := os.ReadFile("../../Vagrantfile")
	if err != nil {
		t.Fatal(err)
	}
	build, install := strings.Index(string(text), "make build\n"), strings.Index(string(text), "make install\n")
	if build < 0 || install < build {
		t.Error("the Vagrantfile calls make install without make build before it")
	}
}
