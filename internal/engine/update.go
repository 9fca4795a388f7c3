package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/spec"
)

// Update changes the limits of a container created from an image, also for its next starts. If it is
// running, live changes them in the runtime first.
func (e *Engine) Update(id string, r *specs.LinuxResources, live func() error) error {
	if e.hasProcess(id) {
		if err := live(); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(e.file(id, "config.json"))
	if err != nil {
		return err
	}
	var c specs.Spec
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	if c.Linux.Resources, err = mergeResources(c.Linux.Resources, r); err != nil {
		return err
	}
	if text, err = spec.Compact(&c); err != nil {
		return err
	}
	return atomicfile.Write(e.file(id, "config.json"), text, 0o600)
}

// mergeResources returns resources with changes: other fields stay. Devices are not
// limits, and stay too.
func mergeResources(before, changes *specs.LinuxResources) (*specs.LinuxResources, error) {
	if before == nil {
		before = &specs.LinuxResources{}
	}
	a, err := toObject(before)
	if err != nil {
		return nil, err
	}
	b, err := toObject(changes)
	if err != nil {
		return nil, err
	}
	delete(b, "devices")
	for name, value := range b {
		old, isOld := a[name].(map[string]any)
		fields, isObject := value.(map[string]any)
		if isOld && isObject {
			maps.Copy(old, fields)
		} else {
			a[name] = value
		}
	}
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	out := &specs.LinuxResources{}
	return out, json.Unmarshal(text, out)
}

func toObject(r *specs.LinuxResources) (object map[string]any, err error) {
	text, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(text, &object)
	}
	return object, err
}
