package restart

import (
	"testing"
	"time"
)

func TestParsePolicy(t *testing.T) {
	for text, want := range map[string]string{
		"no": "no", "": "no", "always": "always", "unless-stopped": "unless-stopped", "on-failure": "on-failure",
		"on-failure:3": "on-failure:3", "on-failure:0": "on-failure",
	} {
		if p, err := Parse(text); err != nil || p.String() != want {
			t.Errorf("%q: %s, %v, want %s", text, p, err, want)
		}
	}
	for _, text := range []string{"yes", "on-failure:", "on-failure:-1", "on-failure:x", "always:3", "no:1", "Always"} {
		if p, err := Parse(text); err == nil {
			t.Errorf("%q: %s", text, p)
		}
	}
}

func TestPolicyApplies(t *testing.T) {
	for _, c := range []struct {
		policy           string
		status, restarts int
		want             bool
	}{
		{"no", 1, 0, false}, {"always", 0, 100, true}, {"unless-stopped", 1, 0, true}, {"on-failure", 0, 0, false},
		{"on-failure", 1, 100, true}, {"on-failure:2", 1, 1, true}, {"on-failure:2", 1, 2, false},
	} {
		p, err := Parse(c.policy)
		if got := p.Applies(c.status, c.restarts); err != nil || got != c.want {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

// TestBackoffDoubles: the time doubles up to a minute, and begins again after a run that lasted.
func TestBackoffDoubles(t *testing.T) {
	var b Backoff
	want := 100 * time.Millisecond
	for range 20 {
		b.Ran(time.Second)
		if got := b.Next(); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		want = min(2*want, time.Minute)
	}
	if n := b.Ran(lastingRun); n != 0 || b.Next() != firstDelay || b.Ran(0) != 1 {
		t.Errorf("after a long run: %d restarts, %+v", n, b)
	}
}
