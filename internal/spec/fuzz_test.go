package spec

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec/spectest"
)

// FuzzParse: no document makes Parse panic. An accepted document has the same meaning for
// encoding/json, is valid as a Spec, and is unchanged by Marshal.
func FuzzParse(f *testing.F) {
	f.Add(spectest.Rich())
	for i, c := range spectest.Malformed() {
		if i%7 == 0 || i > 1400 {
			f.Add(c.JSON)
		}
	}
	for _, s := range []*specs.Spec{Default(true), DefaultRootless(1, 2, false)} {
		data, err := Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, warns, err := Parse(data)
		if err != nil {
			if s != nil || err.Error() == "" {
				t.Fatalf("Spec %v with error %q", s, err)
			}
			return
		}
		var plain specs.Spec
		if err := json.Unmarshal(data, &plain); err != nil || !reflect.DeepEqual(*s, plain) {
			t.Fatalf("encoding/json reads it differently: %v", err)
		}
		again, err := validate(s)
		if err != nil {
			t.Fatalf("valid in Parse, then: %v", err)
		}
		if more, _ := validate(s); !reflect.DeepEqual(again, more) {
			t.Fatalf("two validations differ: %v, %v", again, more)
		}
		if len(again) > len(warns) {
			t.Fatalf("warnings %v, then %v", warns, again)
		}
		out, err := Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		s2, _, err := Parse(out)
		if err != nil {
			t.Fatalf("not valid after Marshal: %v\n%s", err, out)
		}
		out2, err := Marshal(s2)
		if err != nil || !bytes.Equal(out, out2) {
			t.Fatalf("differs after Marshal: %v\n%s\n%s", err, out, out2)
		}
	})
}

// FuzzParseMountOptions: no panic, no flag both set and cleared, the access time in the form that
// mount_setattr(2) requires, and no option lost.
func FuzzParseMountOptions(f *testing.F) {
	for _, name := range MountOptionNames() {
		f.Add(name, "ro", "x=y")
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		o, err := ParseMountOptions([]string{a, b, c})
		if err != nil {
			return
		}
		const atime = unix.MOUNT_ATTR__ATIME
		if o.Flags&o.ClearFlags != 0 || o.RecSet&o.RecClr&^atime != 0 || o.RIDMap && !o.IDMap {
			t.Fatalf("%q, %q, %q: %+v", a, b, c, o)
		}
		if o.RecClr&atime != 0 && o.RecClr&atime != atime || o.RecSet&atime != 0 && o.RecClr&atime == 0 {
			t.Fatalf("%q, %q, %q: %+v", a, b, c, o)
		}
		for _, word := range []string{a, b, c} {
			if _, known := slices.BinarySearch(MountOptionNames(), word); known == slices.Contains(o.Data, word) {
				t.Fatalf("%q: known %t, data %q", word, known, o.Data)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data, err := Marshal(Default(true))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnmarshal measures the part of BenchmarkParse that encoding/json alone takes.
func BenchmarkUnmarshal(b *testing.B) {
	data, err := Marshal(Default(true))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(data, new(specs.Spec)); err != nil {
			b.Fatal(err)
		}
	}
}
