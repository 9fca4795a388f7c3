package inspect

import (
	"strings"
	"testing"
)

const viewText = `box  running  /b

CGROUP     LIMIT  USED
memory     1 MiB  3 KiB
processes  -      2

MOUNTS
  /: a
  /proc: b
  /sys: c
`

// TestChangedLinesAreMarked: a line is marked if its words have changed, for one update. The width of
// columns does not count.
func TestChangedLinesAreMarked(t *testing.T) {
	var c changes
	c.update(viewText)
	changed := func(text string) string {
		var out []string
		for _, l := range c.update(text) {
			if l.changed {
				out = append(out, strings.Join(strings.Fields(l.section+": "+l.text), " "))
			}
		}
		return strings.Join(out, "; ")
	}
	if got := changed(viewText); got != "" {
		t.Errorf("nothing has changed, but %q is marked", got)
	}
	wider := strings.NewReplacer("3 KiB", "1000 KiB", "processes  -", "processes     -").Replace(viewText)
	if got := changed(wider + "  /new: d\n"); got != "CGROUP: memory 1 MiB 1000 KiB; MOUNTS: /new: d" {
		t.Errorf("marked: %q", got)
	}
}

// TestGoneLinesAreShownOnce: a line about something that no longer exists is marked in one update, at the
// end of its section; a value that changes, and a section that ends, are not.
func TestGoneLinesAreShownOnce(t *testing.T) {
	var c changes
	c.update(viewText)
	text := strings.NewReplacer("  /proc: b\n", "", "3 KiB", "4 KiB").Replace(viewText)
	show := func(text string) (out []string) {
		for _, l := range c.update(text) {
			if l.changed {
				out = append(out, strings.TrimSpace(l.text))
			}
		}
		return out
	}
	if got := strings.Join(show(text), "; "); got != "memory     1 MiB  4 KiB; /proc: b  (gone)" {
		t.Errorf("changed: %s", got)
	}
	if got := show(text); len(got) > 0 {
		t.Errorf("nothing has changed, but %q is marked", got)
	}
	if got := strings.Join(show(viewText), "; "); got != "memory     1 MiB  3 KiB; /proc: b" {
		t.Errorf("changed: %s", got)
	}
	if got := show("box  running  /b\n"); len(got) > 0 {
		t.Errorf("the sections have ended, and %q is marked", got)
	}
}

// TestFitKeepsTitlesAndChanges: with too few rows, titles and changed lines stay, and a title says how
// many lines are missing.
func TestFitKeepsTitlesAndChanges(t *testing.T) {
	var c changes
	c.update(viewText)
	lines := c.update(strings.Replace(viewText, "/sys: c", "/sys: d", 1))
	for rows := 1; rows < 12; rows++ {
		got := fit(lines, rows)
		if len(got) != min(rows, len(lines)) {
			t.Errorf("%d rows: %d lines", rows, len(got))
		}
		text := ""
		for _, l := range got {
			text += l.text + l.missing + "\n"
		}
		if rows >= 4 && (!strings.Contains(text, "/sys: d") || !strings.Contains(text, "CGROUP")) {
			t.Errorf("%d rows:\n%s", rows, text)
		}
		if rows == 5 && text != "box  running  /b\nCGROUP     LIMIT  USED  … 1 more\nmemory     1 MiB  3 KiB\nMOUNTS  … 2 more\n  /sys: d\n" {
			t.Errorf("%d rows:\n%s", rows, text)
		}
	}
}
