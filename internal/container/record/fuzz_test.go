package record

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/systemd"
)

// FuzzRecord: reading any state.json returns an error or a record, and a record that is written and
// read again is unchanged.
func FuzzRecord(f *testing.F) {
	seconds := 3
	for _, r := range []Record{
		{},
		{Version: "1.3.0", ID: "a-1", Pid: 7, StartTime: 1 << 40, Bundle: "/a \"b\"\\c\n", Rootfs: "/r",
			Created: time.Unix(1e9, 6).UTC(), Namespaces: 0x7e020000},
		{ID: "b", Cgroups: map[string]string{"": "/u", "cpu": "/c"}, Socket: 5, LastSteps: []LastStep{{1, "x", "y()", true}},
			Layers: []string{"/l1", "/l2"}, Upper: "/u", Work: "/w"},
		{ID: "c", Hooks: &specs.Hooks{Poststop: []specs.Hook{{Path: "/h", Args: []string{"h"}, Timeout: &seconds}}},
			Listener: &Listener{"/l", "m"}, Annotations: map[string]string{"k": "v"}},
		{ID: "d", OnHost: &HostMount{Below: 1 << 40, ID: 3},
			Unit: &systemd.Unit{Name: "x.scope", Slice: "a.slice", User: true}, Declared: "1.2.0", NoKeyring: true},
	} {
		data, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"layers":[],"cgroups":{}}`)) // is written without them
	f.Add([]byte("{\"ociVersion\":\"1\x7f\"}")) // quoted differently in Go and in JSON
	f.Add([]byte(`{"pid":-1,"startTime":18446744073709551615,"namespaces":1e3,"created":"no time"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second Record
		if spec.Decode(data, RecordFile, &first) != nil {
			return
		}
		text, err := first.encode()
		if err != nil {
			return // a time that JSON cannot represent
		}
		if !json.Valid(text) {
			t.Fatalf("not JSON: %s", text)
		}
		if err := spec.Decode(text, RecordFile, &second); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		again, err := second.encode()
		if err != nil || string(again) != string(text) {
			t.Errorf("%v\n%s\n%s", err, text, again)
		}
		if !slices.Equal(first.Layers, second.Layers) || first.Pid != second.Pid ||
			first.StartTime != second.StartTime {
			t.Errorf("%+v\n%+v", first, second)
		}
	})
}
