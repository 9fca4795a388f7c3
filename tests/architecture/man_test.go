package architecture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManPagesHaveNames: whatis(1) finds each manual page by the name of its file, and the SYNOPSIS
// begins with the command as a user types it.
func TestManPagesHaveNames(t *testing.T) {
	pages, err := filepath.Glob("../../docs/man/*.8")
	if err != nil || len(pages) < 40 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, path := range pages {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".8")
		if !strings.Contains(string(text), "\n.Sh NAME\n.Nm "+name+"\n.Nd ") {
			t.Errorf("%s: the NAME is not %s", path, name)
		}
		_, rest, _ := strings.Cut(string(text), "\n.Sh SYNOPSIS\n")
		synopsis, _, _ := strings.Cut(rest, "\n")
		command := ".Nm " + strings.ReplaceAll(name, "-", " ")
		if name != "minirun" && !strings.HasPrefix(synopsis+" ", command+" ") {
			t.Errorf("%s: the SYNOPSIS begins with %q, want %q", path, synopsis, command)
		}
	}
}
