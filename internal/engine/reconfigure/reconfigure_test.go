package reconfigure

import (
	"encoding/json"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

func encode(t *testing.T, c *specs.Spec) []byte {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(t *testing.T, text []byte, err error) *specs.Spec {
	t.Helper()
	var c specs.Spec
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func TestMove(t *testing.T) {
	c := decode(t, encode(t, &specs.Spec{
		Process: &specs.Process{Args: []string{"/s/containers/a/x"}},
		Mounts: []specs.Mount{{Destination: "/1", Source: "/s/containers/a/hosts"},
			{Destination: "/2", Source: "/s/containers/ab/hosts"}, {Destination: "/3", Source: "tmpfs"}},
		Annotations: map[string]string{spec.AnnotationUpper: "/s/containers/a/upper",
			spec.AnnotationLayers: `["/s/containers/a/empty"]`, "other": "a"},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: "network", Path: "/s/containers/a/netns"}}},
	}), nil)
	text, err := Move(encode(t, c), "/s/containers/a", "/s/containers/b")
	got := decode(t, text, err)
	for _, each := range [][2]string{
		{got.Mounts[0].Source, "/s/containers/b/hosts"}, {got.Mounts[1].Source, "/s/containers/ab/hosts"},
		{got.Mounts[2].Source, "tmpfs"}, {got.Annotations[spec.AnnotationUpper], "/s/containers/b/upper"},
		{got.Annotations[spec.AnnotationLayers], `["/s/containers/b/empty"]`}, {got.Annotations["other"], "a"},
		{got.Linux.Namespaces[0].Path, "/s/containers/b/netns"}, {got.Process.Args[0], "/s/containers/a/x"},
	} {
		if each[0] != each[1] {
			t.Errorf("got %s, want %s", each[0], each[1])
		}
	}
}

func TestLimit(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	config := encode(t, &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
		Memory:  &specs.LinuxMemory{Limit: number(1), Swap: number(2)}, Pids: &specs.LinuxPids{Limit: number(3)},
	}}})
	text, err := Limit(config, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: number(10)}, CPU: &specs.LinuxCPU{Quota: number(5), Cpus: "0"},
	})
	r := decode(t, text, err).Linux.Resources
	if len(r.Devices) != 1 || *r.Memory.Limit != 10 || *r.Memory.Swap != 2 || *r.Pids.Limit != 3 || *r.CPU.Quota != 5 ||
		r.CPU.Cpus != "0" {
		t.Errorf("%+v", r)
	}
	text, err = Limit(encode(t, &specs.Spec{Linux: &specs.Linux{}}), &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: number(3)}})
	if r := decode(t, text, err).Linux.Resources; *r.Pids.Limit != 3 {
		t.Errorf("%+v", r)
	}
}
