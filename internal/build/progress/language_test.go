package progress

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestSentencesAreTranslated: the display's own sentences are in the user's language. Instructions, the output
// of programs and the words for a state are not translated.
func TestSentencesAreTranslated(t *testing.T) {
	now := time.Unix(0, 0)
	events := []event{
		{kind: Begin, id: 1, text: "[internal] load metadata for base"}, {kind: Note, id: 1, text: "reading it"},
		{kind: End, id: 1},
		{kind: Begin, id: 2, text: "[1/2] RUN make"}, {kind: Output, id: 2, data: []byte("program\n")},
		{kind: End, id: 2, err: errors.New("it failed\nsecond line")},
		{kind: Begin, id: 3, text: "exporting to image"}, {kind: Count, id: 3, text: "unpack abc", done: 1, total: 2},
		{kind: Count, id: 3, text: "unpack abc", done: 2, total: 2}, {kind: End, id: 3, cached: true},
	}
	plain := newPlainView(now)
	tty := newTTYView(now, false)
	plain.toLanguage, tty.toLanguage = strings.ToUpper, strings.ToUpper
	for _, e := range events {
		e.at = now
		plain.apply(&e)
		tty.apply(&e)
	}
	log := string(plain.frame(now, size{}, true)) + string(plain.trailer())
	screen := string(tty.frame(now, size{width: 80}, true))
	for _, want := range []string{"#1 [internal] LOAD METADATA FOR BASE\n#1 READING IT DONE\n#1 DONE", "#2 [1/2] RUN make\n",
		"#2 0.000 program\n#2 ERROR: IT FAILED\n", "#3 EXPORTING TO IMAGE\n#3 UNPACK ABC 2B DONE\n#3 CACHED"} {
		if !strings.Contains(log, want) {
			t.Errorf("%s\nwithout %q", log, want)
		}
	}
	for _, want := range []string{"[+] BUILDING 0.0s (3/3) FINISHED", "=> [internal] LOAD METADATA FOR BASE ", "=> => READING IT",
		"=> ERROR [1/2] RUN make", "=> CACHED EXPORTING TO IMAGE"} {
		if !strings.Contains(screen, want) {
			t.Errorf("%s\nwithout %q", screen, want)
		}
	}
	for id := 4; id < 40; id++ {
		tty.apply(&event{at: now, kind: Begin, id: id, text: "[1/2] RUN x"})
	}
	screen = string(tty.frame(now, size{width: 80, height: 10}, false))
	for _, want := range []string{"=> … 2 MORE STEPS ENDED", "MORE LINES"} {
		if !strings.Contains(screen, want) {
			t.Errorf("%s\nwithout %q", screen, want)
		}
	}
}
