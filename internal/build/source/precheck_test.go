package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckArguments: a context or a Dockerfile that does not exist is reported with what to type
// instead, in two lines.
func TestCheckArguments(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"context", "empty", "other", "node app"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"context/Dockerfile", "context/Dockerfile.dev", "other/Containerfile",
		"other/Dockerfile.dockerignore", "node app/dev.Dockerfile"} {
		if err := os.WriteFile(name, []byte("FROM scratch"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ context, file, want, hint string }{
		{context: "context"}, {context: "context/"}, {context: "-", file: "none"}, {context: "https://x/y"},
		{context: "git@example.com:x.git"}, {context: "empty", file: "context/Dockerfile"},
		{context: "empty", file: "-"}, {context: "empty", file: "https://x/Dockerfile"},
		{"", "", "the context is empty", "minirun build ."},
		{"nope", "", `the context "nope" does not exist`, "in it, run minirun build ."},
		{"contxt", "", `the context "contxt" does not exist`, "did you mean context? minirun build context"},
		{"context/Dockerfile", "", "is a file, not a directory", "minirun build -f context/Dockerfile context"},
		{"/dev/null", "", "is not a directory", ""},
		{"empty", "", `there is no Dockerfile in the context "empty"`, "create empty/Dockerfile"},
		{"other", "", "there is no Dockerfile in the context", "minirun build -f other/Containerfile other"},
		{"node app", "", "there is no Dockerfile in", `minirun build -f "node app/dev.Dockerfile" "node app"`},
		{"context", "Dockerfile.dev", `the Dockerfile "Dockerfile.dev" does not exist`,
			"minirun build -f context/Dockerfile.dev context"},
		{"context", "none", `the Dockerfile "none" does not exist`, "minirun build -f context/Dockerfile context"},
		{"empty", "none", `the Dockerfile "none" does not exist`, "without -f"},
		{"context", "context", "is a directory, not a Dockerfile", "minirun build -f context/Dockerfile context"},
	} {
		err := CheckArguments(c.context, c.file)
		if c.want == "" {
			if err != nil {
				t.Errorf("%q, -f %q: %v", c.context, c.file, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.hint) ||
			strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%q, -f %q: %v, want %q and %q", c.context, c.file, err, c.want, c.hint)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join("empty", "Dockerfile")); err != nil {
		t.Fatal(err)
	}
	if err := CheckArguments("empty", ""); err != nil {
		t.Errorf("a link without a target is reported when it is read: %v", err)
	}
}
