package record

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// largePod returns the configuration that Kubernetes writes on a machine with many processors:
// masked and read-only paths for each of them, volumes, devices, variables, annotations.
func largePod(n int) *specs.Spec {
	s := spec.Default(false)
	s.Annotations = map[string]string{}
	for i := range n {
		cpu := fmt.Sprintf("/sys/devices/system/cpu/cpu%05d", i)
		s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, cpu+"/thermal_throttle")
		s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, cpu+"/topology")
		s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: fmt.Sprintf("/dev/d%05d", i), Type: "c",
			Major: 1, Minor: int64(i)})
		s.Mounts = append(s.Mounts, specs.Mount{Destination: fmt.Sprintf("/volumes/v%05d/data", i), Type: "bind",
			Source: fmt.Sprintf("/srv/v%05d", i), Options: []string{"rbind", "ro", "rprivate"}})
		s.Process.Env = append(s.Process.Env, fmt.Sprintf("VAR%05d=x", i))
		s.Annotations[fmt.Sprintf("key%05d", i)] = strings.Repeat("x", 100)
	}
	return s
}

// size measures a configuration in numbers that do not depend on the machine.
type size struct{ steps, data, text, allocated int }

func sizeOf(t *testing.T, n int) size {
	t.Helper()
	document, err := json.Marshal(largePod(n))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, _, err := spec.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	in := compile.Inputs{Spec: s}
	in.Rootfs.Bundle, in.Rootfs.Root = "/bundle", "/bundle/rootfs"
	in.Rootfs.SourceKind = func(int) rootfs.Kind { return rootfs.Directory }
	in.Process.LastCapability = 40
	p, _ := compile.Container(in)
	image, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var text countingWriter
	if err := p.Text(&text); err != nil {
		t.Fatal(err)
	}
	record := Record{Annotations: s.Annotations}
	if _, err := record.encode(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return size{len(p.Steps), len(image), int(text), int(after.TotalAlloc - before.TotalAlloc)}
}

type countingWriter int

func (w *countingWriter) Write(b []byte) (int, error) {
	*w += countingWriter(len(b))
	return len(b), nil
}

var _ io.Writer = (*countingWriter)(nil)

// TestLargePodIsLinear: every further masked path, mount or device adds the same amount to the
// plan, its text and the record.
func TestLargePodIsLinear(t *testing.T) {
	none, one, four := sizeOf(t, 0), sizeOf(t, 500), sizeOf(t, 2000)
	if got, want := four.steps-none.steps, 4*(one.steps-none.steps); got != want {
		t.Errorf("500 of each make %d steps, 2000 make %d, want %d", one.steps-none.steps, got, want)
	}
	for _, c := range []struct {
		name            string
		none, one, four int
	}{{"data", none.data, one.data, four.data}, {"text", none.text, one.text, four.text},
		{"allocated", none.allocated, one.allocated, four.allocated}} {
		// A slice that doubles its capacity when it is full may add half as much again.
		if ratio := float64(c.four-c.none) / float64(c.one-c.none); ratio > 6 {
			t.Errorf("%s: %d bytes for 500 of each, %d for 2000: %.1f times as much", c.name, c.one-c.none,
				c.four-c.none, ratio)
		}
	}
}
