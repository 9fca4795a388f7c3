package diskusage

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/image/store"
)

var testNow = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

func testEntries() []*store.CacheEntry {
	hours := func(n time.Duration) time.Time { return testNow.Add(-n * time.Hour) }
	return []*store.CacheEntry{
		{ID: "a", Type: store.StepEntry, Description: "RUN go build", Used: hours(30), Size: 10, Shared: true},
		{ID: "b", Type: store.StepEntry, Description: "COPY . .", Parents: []string{"a"}, Used: hours(20), Size: 20},
		{ID: "c", Type: store.MountEntry, Description: "cache mount /c", Used: hours(50), Size: 30, Mutable: true,
			InUse: true},
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

func TestFilterSelectsEntries(t *testing.T) {
	for text, want := range map[string]string{
		"until=24h": "ac", "until=0h": "abcd", "id=b": "b", "id!=b": "acd", "id~=^[ab]$": "ab", "parents=z;a": "b",
		"description=COPY . .": "b",
		"description~=go|http": "ad", "inuse=true": "c", "inuse": "c", "inuse=false": "abd", "inuse!=true": "abd",
		"mutable": "cd", "immutable=1": "ab",
		"shared": "a", "private": "bcd", "type=regular": "ab", "type!=exec.cachemount": "abd", "id!=a id!=b": "cd",
		"foo=1": "keys are until", "id": "keys are until", "shared=maybe": "true or false", "until=soon": "until=24h",
		"until!=1h": "until=24h", "id~=(": "missing closing", "=": "KEY=VALUE",
	} {
		list := []string{text}
		if text == "id!=a id!=b" {
			list = strings.Fields(text)
		}
		filter, err := ParseFilter(list, testNow)
		if err != nil {
			if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--filter "+text) {
				t.Errorf("%s: %v, want %s", text, err, want)
			}
			continue
		}
		if got := ids(slices.DeleteFunc(testEntries(),
			func(e *store.CacheEntry) bool { return !filter(e) })); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestLimitsSelectLeastRecentlyUsed: the entries that were unused for the longest time are removed first, and no more
// than necessary.
func TestLimitsSelectLeastRecentlyUsed(t *testing.T) {
	for _, c := range []struct {
		limits     Limits
		used, free int64
		want       string
	}{
		{Limits{}, 100, 0, "cabd"},
		{Limits{MaxUsed: 100}, 100, 0, ""},
		{Limits{MaxUsed: 65}, 100, 0, "ca"},
		{Limits{MaxUsed: 1}, 100, 0, "cabd"},
		{Limits{MinFree: 35}, 100, 0, "cab"}, // an image also has a's layer: removing a frees nothing
		{Limits{MinFree: 35}, 100, 50, ""},
		{Limits{Reserved: 70}, 100, 0, "c"},
		{Limits{MaxUsed: 1, Reserved: 60}, 100, 0, "ca"},
	} {
		if got := ids(c.limits.Select(testEntries(), c.used, c.free)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.limits, got, c.want)
		}
	}
}

func TestWriteFormats(t *testing.T) {
	for format, want := range map[string]string{
		"table": "ID   RECLAIMABLE   SIZE   LAST ACCESSED", "{{.ID}}: {{.Size}}": "a: 10B*\nb: 20B\nc*: 30B\nd*: 40B\n",
		`table {{.ID}}\t{{.Type | upper}}`: "ID   TYPE\na    REGULAR",
		"json":                             `"ID":"c","LastUsedAt":"2025-12-30T22:00:00Z","Mutable":true,"Parents":[],"Reclaimable":false`,
		"pretty":                           "ID:           b\nParents:\n - a\n", "{{.UsageCount}}": "UsageCount", "{{": "--format: template",
	} {
		var out bytes.Buffer
		if err := Write(&out, format, testEntries()); err != nil {
			out.WriteString(err.Error())
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s, want %s", format, &out, want)
		}
	}
	var out bytes.Buffer
	if err := Write(&out, "table", testEntries()); err != nil ||
		!strings.HasSuffix(out.String(),
			"Shared:        10B\nPrivate:       90B\nReclaimable:   70B\nTotal:         100B\n") {
		t.Errorf("%v: %s", err, &out)
	}
}
