package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestEnginesCanParseVersion: Docker parses the text after the last "version" in a line, and the
// rest of the line that begins with "commit:"; Podman shows everything.
func TestEnginesCanParseVersion(t *testing.T) {
	testbundle.Need(t)
	b := testbundle.New(t)
	text := b.Minirun("--version").Stdout
	var versions, commits []string
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if strings.Contains(line, "version") {
			parts := strings.Split(line, "version")
			versions = append(versions, strings.TrimSpace(parts[0])+" "+strings.TrimSpace(parts[len(parts)-1]))
		}
		if commit, ok := strings.CutPrefix(line, "commit:"); ok {
			commits = append(commits, strings.TrimSpace(commit))
		}
	}
	number := regexp.MustCompile(`^minirun [0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)
	if len(versions) != 1 || !number.MatchString(versions[0]) || len(commits) != 1 || commits[0] == "" {
		t.Errorf("versions %q, commits %q in %q", versions, commits, text)
	}
	for _, want := range []string{"\nspec: 1.", "\ngo: go1.", "+CRIU"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	// This is how Podman checks whether containers can be checkpointed.
	b.Minirun("checkpoint", "--help").Exit(t, 0)
}

// TestDebugPrintsActions: --debug prints what every command that changes a container does, on standard
// error or to --log; without it nothing is printed.
func TestDebugPrintsActions(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.Write()
	for _, format := range []string{"text", "json"} {
		for _, c := range []struct{ line, want string }{
			{"create --bundle " + b.Dir + " " + b.ID, "the plan has"},
			{"state " + b.ID, "is created"},
			{"start " + b.ID, "locked "},
			{"exec " + b.ID + " true", "runs a plan of"},
			{"update --pids-limit 100 " + b.ID, `wrote \"100\" to `},
			{"pause " + b.ID, "is running"},
			{"resume " + b.ID, "is paused"},
			{"ps " + b.ID, "command ps"},
			{"list", "is running"},
			{"kill " + b.ID + " KILL", "send SIGKILL to process"},
			{"delete --force " + b.ID, "remove " + b.State()},
		} {
			log := filepath.Join(t.TempDir(), "log")
			b.Global = []string{"--debug", "--log", log, "--log-format", format}
			if err := b.Command(strings.Fields(c.line)...).Run(); err != nil {
				t.Errorf("%s: %v", c.line, err)
			}
			text, _ := os.ReadFile(log)
			level, end := "level=debug", "\n"
			if format == "json" {
				level = `"level":"debug"`
			}
			if !strings.Contains(string(text), c.want) || strings.Count(string(text), level) != strings.Count(string(text), end) {
				t.Errorf("%s in the log in %s has no %q, or other levels: %s", c.line, format, c.want, text)
			}
		}
	}
	b.Global = []string{"--debug"}
	if r := b.Minirun("list"); !strings.HasPrefix(r.Stderr, "minirun: debug: minirun ") {
		t.Errorf("on standard error: %q", r.Stderr)
	}
	b.Global = nil
	if r := b.Minirun("list"); r.Stderr != "" {
		t.Errorf("without --debug: %q", r.Stderr)
	}
}
