package devices

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const vendor1 = `cdiVersion: "0.6.0"
kind: "vendor1.com/device"
annotations:
  org.mobyproject.buildkit.device.class: class1
devices:
- name: foo
  containerEdits: {env: ["FOO=injected"]}
- name: bar
  containerEdits: {env: ["BAR=injected"]}
- name: other
  annotations: {org.mobyproject.buildkit.device.class: class2}
  containerEdits: {env: ["OTHER=injected"]}
`

const vendor3 = `{"cdiVersion":"0.6.0","kind":"vendor3.com/auto","annotations":{"org.mobyproject.buildkit.device.autoallow":"true"},` +
	`"devices":[{"name":"one","containerEdits":{"env":["AUTO=injected"]}}]}`

func registry(t *testing.T, files map[string]string) *Registry {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open([]string{filepath.Join(dir, "none"), dir})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const foo, bar, other, auto = "vendor1.com/device=foo", "vendor1.com/device=bar", "vendor1.com/device=other",
	"vendor3.com/auto=one"

// TestSelectChecksPermission: which devices a name refers to, and which of them a build may use, as in
// BuildKit v0.34.2.
func TestSelectChecksPermission(t *testing.T) {
	r := registry(t, map[string]string{"1.yaml": vendor1, "3.json": vendor3})
	for _, c := range []struct {
		name     string
		required bool
		allow    string // values of --allow, separated by spaces
		want     []string
		fails    string
	}{
		{foo, false, "device", []string{foo}, ""},
		{foo, true, "device", []string{foo}, ""},
		{"vendor1.com/device", false, "device", []string{bar}, ""},
		{"vendor1.com/device=*", false, "device", []string{bar, foo, other}, ""},
		{"class1", false, "device", []string{bar, foo}, ""},
		{"class2", false, "device", []string{other}, ""},
		{"class1=*", false, "device", nil, ""},
		{"foo", false, "device", nil, ""},
		{"", false, "device", nil, ""},
		{"", true, "device", nil, `required device "" is not registered`},
		{"vendor1.com/device=none", false, "", nil, ""},
		{"vendor1.com/device=none", true, "", nil,
			`required device "vendor1.com/device=none" is not registered: ` +
				`the devices are vendor1.com/device=bar, vendor1.com/device=foo`},
		{"vendor2.com/x", false, "", nil, ""},
		{foo, false, "", nil,
			"device vendor1.com/device=foo is requested by the build but not allowed\n" +
				"hint: use --allow device=vendor1.com/device=foo"},
		{"class1", false, "", nil, "devices vendor1.com/device=bar, vendor1.com/device=foo are requested"},
		{"class1", false, "device=" + foo, nil, "device vendor1.com/device=bar is requested"},
		{foo, false, "device=" + foo, []string{foo}, ""},
		{foo, false, "device=class1", []string{foo}, ""},
		{foo, false, "device=vendor1.com/device", nil, "device vendor1.com/device=foo is requested"},
		{bar, false, "device=vendor1.com/device", []string{bar}, ""},
		{"vendor1.com/device=*", false, "device=vendor1.com/device=*", []string{bar, foo, other}, ""},
		{"vendor2.com/x", false, "device=" + foo + ",alias=vendor2.com/x", []string{foo}, ""},
		{foo, false, "device=" + foo + ",alias=vendor2.com/x", nil, "device vendor1.com/device=foo is requested"},
		{foo, false, "device=vendor2.com/x,alias=" + foo, nil, ""},
		{foo, true, "device=vendor2.com/x,alias=" + foo, nil, `required device "vendor2.com/x" is not registered`},
		{auto, false, "", []string{auto}, ""},
		{"vendor3.com/auto", false, "device=" + foo, []string{auto}, ""},
		{foo, false, "device=none", nil, `--allow device=none: required device "none" is not registered`},
		{"vendor2.com/x", false, "device=none", nil, ""},
	} {
		var allow Allow
		for a := range strings.FieldsSeq(c.allow) {
			if err := allow.Add(a); err != nil {
				t.Fatal(err)
			}
		}
		got, err := r.Select(&allow, c.name, c.required)
		if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) ||
			!slices.Equal(got, c.want) {
			t.Errorf("%q, required %v, with %q: %q, %v; want %q, %q", c.name, c.required, c.allow, got, err, c.want,
				c.fails)
		}
	}
	for _, bad := range []string{"device=", "device=a,b=c", "device=a,alias=", `device="`} {
		if err := new(Allow).Add(bad); err == nil {
			t.Errorf("--allow %s is accepted", bad)
		}
	}
}

// TestProblemsNameUnreadableSpecs: a spec that cannot be read does not hide the others, and is named in the error
// for a missing device.
func TestProblemsNameUnreadableSpecs(t *testing.T) {
	r := registry(t, map[string]string{"1.yaml": vendor1,
		"broken.yaml": "cdiVersion: 0.6.0\nkind: vendor9.com/x\ndevices: [{name: y}]\n"})
	if got, err := r.Select(&Allow{All: true}, foo, true); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := r.Select(&Allow{All: true}, "vendor9.com/x=y", true); err == nil ||
		!strings.Contains(err.Error(), "broken.yaml") {
		t.Errorf("a device of a broken spec: %v", err)
	}
	var denied *DeniedError
	if _, err := r.Select(&Allow{}, foo, true); !errors.As(err, &denied) || len(denied.Names) != 1 {
		t.Errorf("%v", err)
	}
}
