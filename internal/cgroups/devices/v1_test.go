package devices

import (
	"errors"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func formatWrites(writes []Write) string {
	var s []string
	for _, w := range writes {
		s = append(s, w.File+"="+w.Line)
	}
	return strings.Join(s, " ")
}

func TestChangesFromList(t *testing.T) {
	const list = "c *:* m\nb *:* m\nc 1:3 rwm\nc 5:2 rw\n"
	if got := formatWrites(RestoreList(list, list)); got != "" { // how a failed update is rolled back
		t.Errorf("to itself: %q", got)
	}
	got := formatWrites(RestoreList("c *:* m\nc 1:3 r\nc 7:7 w\n", list))
	if got != "devices.allow=b *:* m devices.allow=c 1:3 wm devices.allow=c 5:2 rw devices.deny=c 7:7 w" {
		t.Errorf("back: %q", got)
	}
	for _, c := range []struct{ want, changes string }{
		{"c *:* m,b *:* m,c 1:3 rwm,c 5:2 rw", ""},
		{"c *:* m,b *:* m,c 1:3 rwm", "devices.deny=c 5:2 rw"},
		{"c *:* m,b *:* m,c 1:3 rwm,c 5:2 rwm,c 1:8 r", "devices.allow=c 5:2 m devices.allow=c 1:8 r"},
		{"c *:* m,b *:* m,c 1:3 r,c 5:2 wm", "devices.allow=c 5:2 m devices.deny=c 1:3 wm devices.deny=c 5:2 r"},
	} {
		v := V1{exceptions: parseList(strings.ReplaceAll(c.want, ",", "\n"))}
		if got := formatWrites(v.ChangesFrom(list)); got != c.changes {
			t.Errorf("to %s: %q, want %q", c.want, got, c.changes)
		}
		if got, ok := v.List(); !ok || got != strings.ReplaceAll(c.want, ",", "\n") {
			t.Errorf("list %q, %v, want %q", got, ok, c.want)
		}
	}
}

func TestV1NamesTheRuleItCannotExpress(t *testing.T) {
	nine := int64(9)
	p, err := Parse([]specs.LinuxDeviceCgroup{
		{Allow: true, Type: "c", Major: &nine, Access: "rw"}, {Type: "c", Major: &nine, Minor: &nine, Access: "w"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.V1()
	var e *Error
	if !errors.As(err, &e) || e.Path != "linux.resources.devices[1]" {
		t.Errorf("%v", err)
	}
}

func TestV1OfAllowAll(t *testing.T) {
	everything := []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	for _, list := range [][]specs.LinuxDeviceCgroup{everything, nil} {
		p, err := Parse(list)
		if err != nil {
			t.Fatal(err)
		}
		v, err := p.V1()
		if err != nil {
			t.Fatal(err)
		}
		text, ok := v.List()
		all := list != nil
		if v.AllowsAll() != all || v.AllowsByDefault() != all || !ok || IsAllowAll(text) != all {
			t.Errorf("%v: %+v lists %q, %v", list, v, text, ok)
		}
	}
}
