package record

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/netdevice"
	"github.com/minirun/minirun/internal/resctrl"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/systemd"
)

// TestRecordRoundTrip: a record that was written is read again, also by encoding/json, which other
// programs use.
func TestRecordRoundTrip(t *testing.T) {
	full := Record{
		Version: "1.3.0", ID: "a-1", Pid: 7, StartTime: 1 << 40, Bundle: "/a \"b\"\\c\n\u00e9", Rootfs: "/r",
		Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Cgroups: map[string]string{"": "/u", "cpu": "/c", "name=systemd": "/s"},
		Socket:  5, HookOutputs: []int{7, 9}, NoKeyring: true,
		LastSteps: []LastStep{{1, "config.json: \"x\"", "x()", true}, {2, "y", "y()", false}}, Layers: []string{"/l\"1", "/l2"},
		Upper: "/u", Work: "/w", Listener: &Listener{"/l", "m"},
		Hooks: &specs.Hooks{Poststop: []specs.Hook{{Path: "/h"}}}, Namespaces: 0x7e020000,
		Annotations: map[string]string{"k": "v"}, OnHost: &HostMount{Below: 1 << 40, ID: 3},
		Unit: &systemd.Unit{Name: "minirun-x.scope", Slice: "a.slice", User: true}, Declared: "1.2.0",
		Joined: 0x40000000,
		IntelRdt: &resctrl.Group{Root: "/sys/fs/resctrl", Control: "/sys/fs/resctrl/c",
			Monitor: "/sys/fs/resctrl/c/mon_groups/x", Private: true},
		Devices: []netdevice.Device{{Host: "eth0", Name: "c0", Index: 3, Hardware: "aGk=", Up: true, Master: 4,
			Addresses: []string{"aGk="}, Routes: []string{"aGk="}}}, NetworkNamespace: "/run/netns/x",
	}
	plain := full
	plain.Hooks, plain.Listener, plain.Annotations, plain.OnHost, plain.Declared = nil, nil, nil, nil, ""
	plain.IntelRdt, plain.Devices, plain.NetworkNamespace = nil, nil, ""
	empty := plain
	empty.Hooks, empty.Annotations, empty.Cgroups, empty.Socket, empty.LastSteps, empty.Layers, empty.Upper,
		empty.Work = nil, map[string]string{}, nil, 0, nil, nil, "", ""
	for name, want := range map[string]Record{"full": full, "plain": plain, "empty": empty, "zero": {}} {
		data, err := want.encode()
		if err != nil {
			t.Fatal(name, err)
		}
		if len(want.Annotations) == 0 {
			want.Annotations = nil
		}
		var got, byLibrary Record
		if err := spec.Decode(data, RecordFile, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
		if err := json.Unmarshal(data, &byLibrary); err != nil || !reflect.DeepEqual(byLibrary, want) {
			t.Errorf("%s: encoding/json reads %+v, %v, want %+v", name, byLibrary, err, want)
		}
	}
	fields := reflect.TypeFor[Record]().NumField()
	if value := reflect.ValueOf(full); fields != value.NumField() {
		t.Fatal("unreachable")
	} else {
		for i := range fields {
			if value.Field(i).IsZero() {
				t.Errorf("field %s is not covered", value.Type().Field(i).Name)
			}
		}
	}
}
