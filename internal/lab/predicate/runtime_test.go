package predicate

import (
	"testing"
)

// TestExplainedJudge: each known difference needs its own reason, one line may serve many facts, the
// longest pattern counts, and a difference that must stay may not disappear.
func TestExplainedJudge(t *testing.T) {
	q := &explained{File: "answers.txt", Must: []string{"c"},
		Reasons: map[string]string{"a": "mount /sys/fs/cgroup", "c": "mount /proc/*", "f": "mount /sys/fs/cgroup/*"}}
	keys := difference{Fact: "mount /proc/keys", Left: "ro", Right: "rw"}
	cgroup, below := difference{Fact: "mount /sys/fs/cgroup"}, difference{Fact: "mount /sys/fs/cgroup/systemd"}
	unknown := difference{Fact: "status NoNewPrivs"}
	for name, c := range map[string]struct {
		answers string
		found   []difference
		holds   bool
	}{
		"each":            {"mount /proc/keys = c\nmount /sys/fs/cgroup = a", []difference{keys, cgroup}, true},
		"pattern":         {"# masks\n mount  /proc/* =  C)  # with a comment", []difference{keys, unknown}, true},
		"longest":         {"mount * = c\nmount /sys/fs/cgroup = a\nmount /sys/fs/cgroup/* = f", []difference{keys, cgroup, below}, true},
		"one for all":     {"* = c", []difference{keys, cgroup}, false},
		"missing":         {"mount /proc/keys = c", []difference{keys, cgroup}, false},
		"no file":         {"", []difference{keys}, false},
		"wrong":           {"mount /proc/keys = a", []difference{keys}, false},
		"nothing differs": {"mount /proc/keys = c", nil, false},
		"disappeared":     {"mount /proc/keys = c", []difference{keys}, true},
	} {
		failure, err := q.judge(parseAnswers(c.answers), c.found, "")
		if err != nil || (failure == nil) != c.holds {
			t.Errorf("%s: %v, %v", name, failure, err)
		}
	}
}

func TestCountCode(t *testing.T) {
	if n := countCode("#!/bin/sh\n\n# comment\necho a # b\n\t// Go\n\treturn\n"); n != 2 {
		t.Errorf("%d lines, want 2", n)
	}
}

// TestFirstFailure: skipped checks and those that hold are not failures; without a report the error is shown.
func TestFirstFailure(t *testing.T) {
	report := `{"checks": [{"text": "a", "holds": true}, {"text": "b", "skipped": "no"}, {"text": "c", "found": "d"}]}`
	if got := firstFailure([]byte(report), "minirun: failed"); got != "c: d" {
		t.Error(got)
	}
	if got := firstFailure(nil, "minirun: failed\n"); got != "minirun: failed" {
		t.Error(got)
	}
}
