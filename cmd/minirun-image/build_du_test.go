package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/image/store"
)

var testNow = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

func testEntries() []*store.CacheEntry {
	hours := func(n time.Duration) time.Time { return testNow.Add(-n * time.Hour) }
	return []*store.CacheEntry{
		{ID: "a", Type: store.StepEntry, Description: "RUN go build", Used: hours(30), Size: 10, Shared: true},
		{ID: "b", Type: store.StepEntry, Description: "COPY . .", Parents: []string{"a"}, Used: hours(20), Size: 20},
		{ID: "c", Type: store.MountEntry, Description: "cache mount /c", Used: hours(50), Size: 30, Mutable: true, InUse: true},
		{ID: "d", Type: store.HTTPEntry, Description: "http url https://x", Used: hours(1), Size: 40, Mutable: true},
	}
}

func ids(entries []*store.CacheEntry) string {
	var out []string
	for _, e := range entries {
		out = append(out, e.ID)
	}
	return strings.Join(out, "")
}

func TestCacheFilter(t *testing.T) {
	for text, want := range map[string]string{
		"until=24h": "ac", "until=0h": "abcd", "id=b": "b", "id!=b": "acd", "id~=^[ab]$": "ab", "parents=z;a": "b", "description=COPY . .": "b",
		"description~=go|http": "ad", "inuse=true": "c", "inuse": "c", "inuse=false": "abd", "inuse!=true": "abd", "mutable": "cd", "immutable=1": "ab",
		"shared": "a", "private": "bcd", "type=regular": "ab", "type!=exec.cachemount": "abd", "id!=a id!=b": "cd",
		"foo=1": "keys are until", "id": "keys are until", "shared=maybe": "true or false", "until=soon": "until=24h", "until!=1h": "until=24h", "id~=(": "missing closing", "=": "KEY=VALUE",
	} {
		list := []string{text}
		if text == "id!=a id!=b" {
			list = strings.Fields(text)
		}
		filter, err := cacheFilter(list, testNow)
		if err != nil {
			if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--filter "+text) {
				t.Errorf("%s: %v, want %s", text, err, want)
			}
			continue
		}
		if got := ids(slices.DeleteFunc(testEntries(), func(e *store.CacheEntry) bool { return !filter(e) })); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestPruneLimits: the entries that were unused for the longest time are removed first, and no more
// than necessary.
func TestPruneLimits(t *testing.T) {
	for _, c := range []struct {
		space      space
		used, free int64
		want       string
	}{
		{space{}, 100, 0, "cabd"},
		{space{maxUsed: 100}, 100, 0, ""},
		{space{maxUsed: 65}, 100, 0, "ca"},
		{space{maxUsed: 1}, 100, 0, "cabd"},
		{space{minFree: 35}, 100, 0, "cab"}, // an image also has a's layer: removing a frees nothing
		{space{minFree: 35}, 100, 50, ""},
		{space{reserved: 70}, 100, 0, "c"},
		{space{maxUsed: 1, reserved: 60}, 100, 0, "ca"},
	} {
		if got := ids(c.space.chosen(testEntries(), c.used, c.free)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.space, got, c.want)
		}
	}
}

func TestDiskUsageFormats(t *testing.T) {
	for format, want := range map[string]string{
		"table": "ID   RECLAIMABLE   SIZE   LAST ACCESSED", "{{.ID}}: {{.Size}}": "a: 10B*\nb: 20B\nc*: 30B\nd*: 40B\n",
		`table {{.ID}}\t{{.Type | upper}}`: "ID   TYPE\na    REGULAR", "json": `"ID":"c","LastUsedAt":"2025-12-30T22:00:00Z","Mutable":true,"Parents":[],"Reclaimable":false`,
		"pretty": "ID:           b\nParents:\n - a\n", "{{.UsageCount}}": "UsageCount", "{{": "--format: template",
	} {
		var out bytes.Buffer
		if err := writeEntries(&out, format, testEntries()); err != nil {
			out.WriteString(err.Error())
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s, want %s", format, &out, want)
		}
	}
	var out bytes.Buffer
	if err := writeEntries(&out, "table", testEntries()); err != nil || !strings.HasSuffix(out.String(), "Shared:        10B\nPrivate:       90B\nReclaimable:   70B\nTotal:         100B\n") {
		t.Errorf("%v: %s", err, &out)
	}
}

func TestHistoryFilter(t *testing.T) {
	all := []*records.Record{
		{ID: "a", Status: records.Completed, Started: testNow.Add(-time.Hour), Completed: testNow.Add(-time.Hour + time.Second)},
		{ID: "b", Status: records.Failed, Started: testNow.Add(-3 * time.Hour), Completed: testNow.Add(-2 * time.Hour)},
		{ID: "c", Status: records.Running, Started: testNow.Add(-time.Minute)},
	}
	for text, want := range map[string]string{
		"ref=a": "a", "ref!=a": "bc", "status=error": "b", "status=failed": "b", "status!=success": "bc", "status=running": "c", "duration>30s": "bc", "duration<30s": "a",
		"startedAt>2h": "ac", "startedAt<2026-01-01T23:30:00Z": "ab", "completedAt>90m": "a", "completedAt<1h": "b",
		"status=odd": "must be running", "status>error": "= and !=", "duration=1s": "after < or >", "startedAt=1h": "after < or >", "repository=x": "not recorded", "name=x": "unknown key", "x": "KEY=VALUE",
	} {
		filter, err := historyFilter([]string{text}, testNow)
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

func TestBuildNames(t *testing.T) {
	for _, c := range []struct{ where, file, target, context, dockerfile, repository, name string }{
		{"/src/app", "", "", "/src/app", "Dockerfile", "", "app"},
		{"/src/app", "/src/app/docker/Dockerfile.dev", "test", "/src/app", "docker/Dockerfile.dev", "", "app/Dockerfile.dev (test)"},
		{"/src/app", "/other/Dockerfile", "", "/src/app", "/other/Dockerfile", "", "app/Dockerfile"},
		{"-", "", "", "-", "Dockerfile", "", "-"},
		{"https://me:secret@git.lan/x/app.git#main:sub", "", "t", "https://git.lan/x/app.git#main:sub", "Dockerfile", "https://git.lan/x/app.git", "app/sub (t)"},
		{"https://me:secret@files.lan/app.tar.gz", "https://me:secret@files.lan/Dockerfile", "", "https://files.lan/app.tar.gz", "https://files.lan/Dockerfile", "", "app.tar.gz/Dockerfile"},
	} {
		context, dockerfile, repository := namedContext(c.where, c.file)
		if name := buildName(context, dockerfile, c.target); context != c.context || dockerfile != c.dockerfile || repository != c.repository || name != c.name {
			t.Errorf("%s %s: %q %q %q %q, want %+v", c.where, c.file, context, dockerfile, repository, name, c)
		}
	}
}
