package e2e

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

var update = flag.Bool("update", false, "write the output in docs/see-it.md anew, and in its translation")

// The output in docs/see-it.md is what the commands print, except for numbers and column widths.
//
//	go test ./tests/e2e -run Docs -update
func TestDocsShowRealOutput(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	page := testbundle.Page{English: "docs/see-it.md", Portuguese: "docs/pt-BR/see-it.md", Commands: 20}
	page.Check(t, *update)
}

// TestInstallPageExplainsDoctor: the table in docs/install.md has each line that doctor prints.
func TestInstallPageExplainsDoctor(t *testing.T) {
	b := testbundle.New(t)
	var findings []struct{ Name string }
	if err := json.Unmarshal([]byte(b.Minirun("doctor", "--format", "json").Stdout), &findings); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/install.md")
	if err != nil || len(findings) < 10 {
		t.Fatal(len(findings), err)
	}
	for _, f := range findings {
		if !strings.Contains(string(page), "`"+f.Name+"`") {
			t.Errorf("docs/install.md does not explain %q", f.Name)
		}
	}
}
