package listing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/ports"
	"github.com/minirun/minirun/internal/image"
)

// newEngine returns an engine with three containers that are not running, the newest first: third,
// second, which exited with status 7, and first, which was never started.
func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	e := &engine.Engine{Store: &image.Store{Dir: t.TempDir()}, Root: t.TempDir()}
	write := func(name, text string) {
		path := filepath.Join(e.Store.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"first", "second", "third"} {
		dir := filepath.Join("containers", name)
		r := engine.Record{Container: name, Command: []string{"sh", "-c", "a long\ncommand that does not fit"},
			Created: time.Now().Add(-time.Duration(3-i) * time.Hour), Network: "bridge"}
		r.Name, r.ID = "docker.io/library/busybox:latest", "sha256:1234"+strings.Repeat("0", 60)
		if name == "second" {
			r.Name, r.ID = "localhost:5000/app:1", "sha256:abcd"+strings.Repeat("0", 60)
			r.Ports, r.Exposed = []ports.Mapping{{IP: netip.MustParseAddr("127.0.0.1"), Host: 8080, Container: 80, Protocol: "tcp"}}, []string{"53/udp"}
			write(dir+"/end.json", `{"status":7,"finished":"2026-11-30T00:00:00Z"}`)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		write(dir+"/container.json", string(text))
		if name != "first" {
			write(dir+"/attended", `{"pid":1,"running":false,"started":"2026-11-29T00:00:00Z"}`)
		}
		write(dir+"/config.json", fmt.Sprintf(`{"annotations":{"tier":"%d","org.opencontainers.image.os":"linux"},"mounts":[
			{"destination":"/data","type":"bind","source":"%s/volumes/vol%d/_data"}, {"destination":"/proc","type":"proc"},
			{"destination":"/etc/hosts","type":"bind","source":"%[2]s/containers/%[4]s/hosts"},
			{"destination":"/src","type":"bind","source":"/home/src"}]}`, i, e.Store.Dir, i, name))
		write(dir+"/upper/file", "12345")
	}
	write("blobs/sha256/abcd"+strings.Repeat("0", 60), `{"config":{"Labels":{"of.image":"yes","tier":"image"}}}`)
	return e
}

// list returns the output of ps with these options.
func list(t *testing.T, e *engine.Engine, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, e, o); err != nil {
		return err.Error()
	}
	return out.String()
}

func TestFilters(t *testing.T) {
	e := newEngine(t)
	second, err := e.Record("second")
	if err != nil {
		t.Fatal(err)
	}
	for filters, want := range map[string]string{
		"":                          "third second first",
		"name=ir":                   "third first",
		"name=^/second$":            "second",
		"name=fi name=se":           "second first",
		"status=created":            "first",
		"status=exited":             "third second",
		"exited=7":                  "second",
		"exited=0":                  "",
		"id=" + second.ShortID():    "second",
		"label=tier":                "third second first",
		"label=tier=1":              "second",
		"label=tier=image":          "",
		"label=of.image":            "second",
		"label=tier label=none":     "",
		"ancestor=busybox":          "third first",
		"ancestor=busybox:latest":   "third first",
		"ancestor=abcd0000":         "second",
		"ancestor=app":              "",
		"health=none name=third":    "third",
		"health=healthy":            "",
		"volume=vol1":               "second",
		"volume=/data":              "third second first",
		"volume=/home/src":          "third second first",
		"volume=/etc/hosts":         "",
		"network=bridge":            "third second first",
		"network=none":              "",
		"publish=8080":              "second",
		"publish=80":                "second",
		"publish=53":                "",
		"publish=50-60/udp":         "second",
		"before=second":             "first",
		"since=second":              "third",
		"since=" + second.ShortID(): "third",
	} {
		got := list(t, e, Options{Format: "{{.Names}}", All: true, Last: -1, Filters: strings.Fields(filters)})
		if got := strings.Join(strings.Fields(got), " "); got != want {
			t.Errorf("%s: %q, want %q", filters, got, want)
		}
	}
	for filter, want := range map[string]string{
		"name": "KEY=VALUE", "color=red": "unknown key \"color\"", "status=well": "must be one of", "exited=x": "exit status",
		"name=[": "missing closing", "publish=x": "must be a port", "publish=9-2": "must be a port", "since=none": "no such container",
		"health=good": "must be one of",
	} {
		if got := list(t, e, Options{Format: "json", Last: -1, Filters: []string{filter}}); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
}

func TestSelection(t *testing.T) {
	e := newEngine(t)
	for want, o := range map[string]Options{
		"":                   {Last: -1},
		"third":              {Last: 1},
		"third second":       {Last: 2},
		"second":             {Last: 1, Filters: []string{"exited=7"}},
		"third second first": {Last: 99},
	} {
		o.Format = "{{.Names}}"
		if got := strings.Join(strings.Fields(list(t, e, o)), " "); got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	e := newEngine(t)
	second, err := e.Record("second")
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"{{.ID}}": second.ShortID(), "{{.Image}}": "localhost:5000/app:1", "{{.Command}}": `"sh -c a long comman…"`,
		"{{.RunningFor}}": "2 hours ago", "{{.Ports}}": "", "{{.State}}": "exited",
		"{{.Labels}}": "of.image=yes,tier=1", `{{.Label "tier"}}`: "1", `{{.Label "none"}}`: "", "{{.Mounts}}": "vol1,/home/src",
		"{{.LocalVolumes}}": "1", "{{.Networks}}": "bridge", "{{.Size}}": "5B (virtual 5B)",
		`table {{.Names}}\t{{.Label "tier"}}`: "NAMES    tier\nsecond   1", "{{json .Labels}}": `"of.image=yes,tier=1"`,
		"{{.Nothing}}": "map has no entry", "{{json .Names}} {{upper .State}}": `"second" EXITED`,
	} {
		got := strings.TrimSpace(list(t, e, Options{Format: format, Last: -1, All: true, Filters: []string{"name=second"}}))
		if got != want && (want != "map has no entry" || !strings.Contains(got, want)) {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	full := list(t, e, Options{Format: "{{.ID}} {{.Command}}", Last: 1, NoTrunc: true})
	if len(strings.Fields(full)[0]) != 64 || !strings.Contains(full, "does not fit") {
		t.Errorf("--no-trunc: %q", full)
	}
	var parsed []map[string]any
	if err := json.Unmarshal([]byte(list(t, e, Options{Format: "json", Last: -1, All: true, Size: true})), &parsed); err != nil || len(parsed) != 3 {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"container": "second", "containerID": second.ContainerID(), "state": "exited", "size": 5.0,
		"name": "localhost:5000/app:1"} {
		if parsed[1][key] != want {
			t.Errorf("JSON: %s is %v, want %v", key, parsed[1][key], want)
		}
	}
	if got := list(t, e, Options{Format: "json", Last: -1}); got != "[]\n" {
		t.Errorf("JSON without containers: %q", got)
	}
}

// TestTableFitsTerminal: columns are shortened, but never the name or the ID, and not in a pipe.
func TestTableFitsTerminal(t *testing.T) {
	e := newEngine(t)
	second, err := e.Record("second")
	if err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{0, 80, 100, 132, 200, 20} {
		for name, most := range map[string]int{"": 116, "name=third": 100} {
			o := Options{Format: "table", Last: -1, All: true, Width: width}
			if name != "" {
				o.Filters = []string{name}
			}
			text := list(t, e, o)
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			if !strings.HasPrefix(lines[0], "CONTAINER ID") || !strings.HasSuffix(lines[0], "NAMES") {
				t.Errorf("%d: %q", width, lines[0])
			}
			for _, line := range lines {
				if got := len([]rune(line)); width >= most && got > width || strings.HasSuffix(line, " ") {
					t.Errorf("%d columns, %s: %d: %s", width, name, got, line)
				}
			}
			if name == "" && (!strings.Contains(text, second.ShortID()) || !strings.Contains(lines[2], "second")) {
				t.Errorf("%d: the ID or name is shortened:\n%s", width, text)
			}
			if width == 200 && !strings.Contains(text, "does not fit") || width == 0 && !strings.Contains(text, `"sh -c a long comman…"`) {
				t.Errorf("%d: the command is not as long as it should be:\n%s", width, text)
			}
		}
	}
}

func TestIsFilter(t *testing.T) {
	for text, want := range map[string]bool{"status=exited": true, "json": false, `{{if eq .State "a=b"}}x{{end}}`: false, "label=a=b": true} {
		if IsFilter(text) != want {
			t.Error(text)
		}
	}
}

// TestResolve: names, IDs and their beginnings; a name wins.
func TestResolve(t *testing.T) {
	e := newEngine(t)
	list, err := e.List(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		for _, text := range []string{l.Container, l.ContainerID(), l.ShortID(), l.ContainerID()[:20]} {
			if got, err := e.Resolve(text); got != l.Container || err != nil {
				t.Errorf("%s: %q, %v, want %s", text, got, err, l.Container)
			}
		}
	}
	for _, text := range []string{"", "none", "fffffffffffff"} {
		if got, err := e.Resolve(text); got != text || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	// Seventeen containers: two IDs begin with the same digit.
	seen := map[byte]string{}
	text, err := os.ReadFile(filepath.Join(e.Store.Dir, "containers/third/container.json"))
	if err != nil {
		t.Fatal(err)
	}
	ambiguous := ""
	for i := range 17 {
		var r engine.Record
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		r.Container, r.Created = fmt.Sprint("more", i), r.Created.Add(time.Duration(i)*time.Second)
		changed, err := json.Marshal(r)
		dir := filepath.Join(e.Store.Dir, "containers", r.Container)
		if err != nil || os.Mkdir(dir, 0o700) != nil || os.WriteFile(dir+"/container.json", changed, 0o600) != nil {
			t.Fatal(err)
		}
		digit := r.ContainerID()[0]
		if seen[digit] != "" {
			ambiguous = string(digit)
		}
		seen[digit] = r.Container
	}
	_, err = e.Resolve(ambiguous)
	if err == nil || !strings.Contains(err.Error(), "is ambiguous") || !slices.Contains(strings.Fields(err.Error()), "hint:") {
		t.Errorf("%v", err)
	}
}
