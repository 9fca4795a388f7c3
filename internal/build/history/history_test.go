package history

import (
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/build/records"
)

var testNow = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

func TestFilterSelectsBuilds(t *testing.T) {
	all := []*records.Record{
		{ID: "a", Status: records.Completed, Started: testNow.Add(-time.Hour),
			Completed: testNow.Add(-time.Hour + time.Second)},
		{ID: "b", Status: records.Failed, Started: testNow.Add(-3 * time.Hour), Completed: testNow.Add(-2 * time.Hour)},
		{ID: "c", Status: records.Running, Started: testNow.Add(-time.Minute)},
	}
	for text, want := range map[string]string{
		"ref=a": "a", "ref!=a": "bc", "status=error": "b", "status=failed": "b", "status!=success": "bc",
		"status=running": "c", "duration>30s": "bc", "duration<30s": "a",
		"startedAt>2h": "ac", "startedAt<2026-01-01T23:30:00Z": "ab", "completedAt>90m": "a", "completedAt<1h": "b",
		"status=odd": "must be running", "status>error": "= and !=", "duration=1s": "after < or >",
		"startedAt=1h": "after < or >", "repository=x": "not recorded", "name=x": "unknown key", "x": "KEY=VALUE",
	} {
		filter, err := ParseFilter([]string{text}, testNow)
		if err != nil {
			if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--filter "+text) {
				t.Errorf("%s: %v, want %s", text, err, want)
			}
			continue
		}
		got := ""
		for _, r := range all {
			if filter(r) {
				got += r.ID
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestTitlesOfBuilds(t *testing.T) {
	for _, c := range []struct{ where, file, target, context, dockerfile, repository, name string }{
		{"/src/app", "", "", "/src/app", "Dockerfile", "", "app"},
		{"/src/app", "/src/app/docker/Dockerfile.dev", "test", "/src/app", "docker/Dockerfile.dev", "",
			"app/Dockerfile.dev (test)"},
		{"/src/app", "/other/Dockerfile", "", "/src/app", "/other/Dockerfile", "", "app/Dockerfile"},
		{"-", "", "", "-", "Dockerfile", "", "-"},
		{"https://me:secret@git.lan/x/app.git#main:sub", "", "t", "https://git.lan/x/app.git#main:sub", "Dockerfile",
			"https://git.lan/x/app.git", "app/sub (t)"},
		{"https://me:secret@files.lan/app.tar.gz", "https://me:secret@files.lan/Dockerfile", "",
			"https://files.lan/app.tar.gz", "https://files.lan/Dockerfile", "", "app.tar.gz/Dockerfile"},
	} {
		context, dockerfile, repository := Locate(c.where, c.file)
		if name := Title(context, dockerfile, c.target); context != c.context || dockerfile != c.dockerfile ||
			repository != c.repository || name != c.name {
			t.Errorf("%s %s: %q %q %q %q, want %+v", c.where, c.file, context, dockerfile, repository, name, c)
		}
	}
}
