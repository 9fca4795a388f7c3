package formatter

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestTableFormats(t *testing.T) {
	table := Table{
		Headers: map[string]string{"ID": "ID", "Tags": "TAGS"},
		Rows:    []Row{{"ID": "a\x1b", "Tags": []string{"x", "y"}}, {"ID": "long", "Tags": []string{}}},
	}
	for format, want := range map[string]string{
		"{{.ID}}":                            "a\\x1b\nlong\n",
		"{{json .Tags}}":                     "[\"x\",\"y\"]\n[]\n",
		"{{truncate .ID 2 | upper}}":         "A\\x1b\nLO\n",
		"{{.Size}}":                          "Size",
		"{{":                                 "--format: template",
		`{{.ID}}\t{{len (split .ID "n")}}`:   "a\\x1b\t1\nlong\t2\n",
		`  {{.ID | lower | printf "%q"}}   `: "\"a\\x1b\"\n\"long\"\n",
		`table {{.ID}}\t{{.ID}}\n{{.ID}}`:    "ID   ID\nID\na\\x1b",
	} {
		var out bytes.Buffer
		if err := table.Write(&out, format); err != nil {
			out.WriteString(err.Error())
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q, want %q", format, &out, want)
		}
	}
}

func TestTableHeader(t *testing.T) {
	var out bytes.Buffer
	err := Table{Headers: map[string]string{"ID": "NUMBER"}, Rows: []Row{{"ID": "1"}}}.Write(&out,
		`table {{.ID}}\t{{.ID}}`)
	if want := "NUMBER   NUMBER\n1        1\n"; err != nil || out.String() != want {
		t.Errorf("%v: %q, want %q", err, &out, want)
	}
}

func TestShorten(t *testing.T) {
	for in, want := range map[string]string{"": "", "four": "four", "fifth": "fif…", "größer": "grö…"} {
		if got := Shorten(in, 4); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAge(t *testing.T) {
	hour := time.Now().Add(-3 * time.Hour)
	for want, at := range map[string]*time.Time{"-": nil, "3 hours ago": &hour} {
		if got := FormatAge(at); got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
	if got := FormatAge(&time.Time{}); got != "-" {
		t.Errorf("an unknown time: %q", got)
	}
}
