package progress

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

var begun = time.Unix(1_700_000_000, 0)

// A story is a list of events with their times in milliseconds since begun.
type story []struct {
	at int
	e  event
}

func at(ms int) time.Time { return begun.Add(time.Duration(ms) * time.Millisecond) }

var errNPM = errors.New(`process "/bin/sh -c npm install" did not complete successfully: exit code: 1`)

// build has two concurrent stages; the second's RUN fails.
var build = story{
	{0, event{kind: Begin, id: 7, text: "[internal] load build context"}},
	{10, event{kind: Count, id: 7, text: "transferring context:", done: 1_000_000, total: 4_000_000}},
	{20, event{kind: Begin, id: 8, text: "[builder 1/3] FROM docker.io/library/node:22"}},
	{20, event{kind: End, id: 8, cached: true}},
	{300, event{kind: Count, id: 7, text: "transferring context:", done: 4_000_000, total: 4_000_000}},
	{310, event{kind: End, id: 7}},
	{315, event{kind: Inputs, id: 9, inputs: []int{8, 99}}},
	{320, event{kind: Begin, id: 9, text: "[builder 2/3] RUN npm\n   install"}},
	{330, event{kind: Begin, id: 10, text: "[docs 2/2] RUN make \x1b[31mbook\u202e 日本語"}},
	{400, event{kind: Output, id: 9, data: []byte("\x1b[1mnpm\x1b[0m WARN old\nfetch 10%\rfetch 90%")}},
	{500, event{kind: Output, id: 10, data: []byte("page 1\npage 2\n日本")}},
	{505, event{kind: Output, id: 10, data: []byte("語の行\n\x1b]0;title\aquiet\n\x1b[2J\x1b[Hmean\n")}},
	{600, event{kind: Output, id: 9, data: []byte("\rdone\x1b[K\n")}},
	{2400, event{kind: Output, id: 10, data: []byte("1\n2\n3\n4\n5\n6\n7\nno end")}},
	{2600, event{kind: End, id: 9, err: errNPM}},
	{2610, event{kind: End, id: 10, err: fmt.Errorf("stopped: %w", errNPM)}},
}

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (go test -update writes it anew):\n%s", file, got)
	}
}

// until applies the events between two times.
func (s story) until(v view, from, to int) {
	for _, x := range s {
		if x.at >= from && x.at < to {
			x.e.at = at(x.at)
			v.apply(&x.e)
		}
	}
}

func TestDrawGolden(t *testing.T) {
	var out strings.Builder
	v := newTTYView(begun, true)
	before := 0
	for _, ms := range []int{200, 550, 2500, 2700} {
		build.until(v, before, ms)
		before = ms
		for _, s := range []size{{70, 30}, {34, 8}} {
			fmt.Fprintf(&out, "%d ms, %dx%d\n", ms, s.width, s.height)
			for _, r := range v.draw(at(ms), s) {
				fmt.Fprintf(&out, "%-7s |%s|\n", [...]string{"", "good", "bad", "warning", "dim"}[r.style], r.text)
			}
		}
	}
	golden(t, "draw.txt", out.String()+v.formatFailures())
}

func TestPlainGolden(t *testing.T) {
	v := newPlainView(begun)
	var out bytes.Buffer
	for ms := 0; ms <= 2700; ms += 100 {
		build.until(v, ms, ms+100)
		out.Write(v.frame(at(ms+100), size{}, false))
	}
	out.Write(v.frame(at(2800), size{}, true))
	out.Write(v.trailer())
	golden(t, "plain.txt", out.String())
}

func TestRawJSONGolden(t *testing.T) {
	v := &rawJSON{}
	build.until(v, 0, 10_000)
	golden(t, "rawjson.txt", string(v.frame(at(0), size{}, true)))
}

// A step with endless output neither hides the others forever, nor makes them buffer lines
// without limit.
func TestPlainSwitchesBetweenSteps(t *testing.T) {
	v := newPlainView(begun)
	v.apply(&event{at: at(0), kind: Begin, id: 1, text: "one"})
	v.apply(&event{at: at(0), kind: Begin, id: 2, text: "two"})
	for i := range 4000 {
		v.apply(&event{at: at(i / 10), kind: Output, id: 1, data: []byte("first\n")})
		v.apply(&event{at: at(i / 10), kind: Output, id: 2, data: []byte("second, which has more to say\n")})
	}
	text := string(v.frame(at(500), size{}, false))
	if !strings.Contains(text, "#1 ...\n\n#2 two\n#2 0.000 second") {
		t.Errorf("the second had to wait: %.200q", text)
	}
	text += string(v.frame(at(600), size{}, true))
	if got := strings.Count(text, "second,"); got != 4000 {
		t.Errorf("%d lines of 4000", got)
	}
}

func TestEndStatus(t *testing.T) {
	bad := errors.New("no space left on device")
	b := newStepList(begun)
	for i, c := range []struct {
		cached bool
		err    error
		want   status
	}{
		{err: context.Canceled, want: canceled}, {cached: true, want: cached}, {want: done}, {err: bad, want: failed},
		{err: fmt.Errorf("RUN x: %w", bad), want: canceled}, {err: errors.New("another"), want: failed},
	} {
		b.apply(&event{kind: Begin, id: i}, nil)
		s := b.apply(&event{kind: End, id: i, cached: c.cached, err: c.err}, nil)
		if s.status != c.want {
			t.Errorf("%v: state %d, want %d", c.err, s.status, c.want)
		}
		if b.apply(&event{kind: Output, id: i, data: []byte("late\n")}, nil) != nil || len(s.lines) > 0 {
			t.Error("output behind the end was taken")
		}
	}
	if b.apply(&event{kind: End, id: 99}, nil) != nil {
		t.Error("a step that has not begun has ended")
	}
}

func BenchmarkOutput(b *testing.B) {
	text := []byte("\x1b[32m  ok\x1b[0m  github.com/some/package/of/usual/length  0.123s  coverage: 12.3% of " +
		"statements\n")
	for _, mode := range []string{"plain", "tty", "rawjson"} {
		b.Run(mode, func(b *testing.B) {
			null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer null.Close()
			v := map[string]view{"plain": newPlainView(time.Now()), "tty": newTTYView(time.Now(), true),
				"rawjson": &rawJSON{}}[mode]
			d := startDisplay(v, null, func() size { return size{120, 40} })
			d.Begin(1, "RUN go test ./...")
			b.SetBytes(100_000 * int64(len(text)))
			for b.Loop() { // 100,000 lines
				for range 100_000 {
					d.Output(1, text)
				}
			}
			d.End(1, false, nil)
			d.Close()
		})
	}
}
