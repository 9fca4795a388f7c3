package spec

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestCompact: Compact writes the same JSON as encoding/json, and encoding/json can read it.
func TestCompact(t *testing.T) {
	docker := Default(true)
	var err error
	if docker.Linux.Seccomp, err = seccomp.GetDefaultProfile(docker); err != nil {
		t.Fatal(err)
	}
	odd := Default(false)
	odd.Annotations = map[string]string{"b": "<&>\u2028", "a\x01\"\\\n\r\t\x7f": "\xff€"}
	odd.Process.Args, odd.Process.Env = nil, []string{}
	odd.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/x"}}}
	for name, s := range map[string]*specs.Spec{"default": Default(false), "rootless": DefaultRootless(5, 6, true),
		"docker": docker, "odd": odd, "empty": {}} {
		got, err := Compact(s)
		if err != nil {
			t.Fatal(name, err)
		}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(name, err)
		}
		var g, w any
		if err := json.Unmarshal(got, &g); err != nil {
			t.Fatalf("%s: %v in %s", name, err, got)
		}
		if err := json.Unmarshal(want, &w); err != nil {
			t.Fatal(name, err)
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s:\n%s\nencoding/json:\n%s", name, got, want)
		}
	}
}

// FuzzCompact: whatever config.json is read, Compact writes an equivalent document.
func FuzzCompact(f *testing.F) {
	text, err := Marshal(Default(true))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var s specs.Spec
		if json.Unmarshal(text, &s) != nil {
			return
		}
		got, err := Compact(&s)
		if err != nil {
			return
		}
		want, err := json.Marshal(&s)
		if err != nil {
			t.Fatal(err)
		}
		var g, w specs.Spec
		if err := json.Unmarshal(got, &g); err != nil {
			t.Fatalf("%v in %s", err, got)
		}
		if err := json.Unmarshal(want, &w); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s\nencoding/json:\n%s", got, want)
		}
	})
}
