package workspace

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/newbundle"
	"github.com/minirun/minirun/internal/spec"
)

// writeBundle generates a bundle: busybox as its root, and the default config.json with the lab's changes.
func (w *Workspace) writeBundle(b course.Bundle, into string) error {
	dir := filepath.Join(into, b.Dir)
	settings := newbundle.Settings{Args: b.Args, Rootless: os.Geteuid() != 0}
	if h, err := host.Detect(); err == nil {
		settings.Unified = h.IsV2Only()
	}
	if b.Root != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := settings.Write(dir); err != nil {
			return err
		}
		return w.changeConfig(filepath.Join(dir, "config.json"), b)
	}
	if err := settings.WriteBusybox(dir); err != nil {
		return err
	}
	if err := copyPrograms(b, filepath.Join(dir, "rootfs")); err != nil {
		return err
	}
	return w.changeConfig(filepath.Join(dir, "config.json"), b)
}

// changeConfig merges the lab's changes into a config.json, and adds the lab's mark and cgroup.
func (w *Workspace) changeConfig(path string, b course.Bundle) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		return err
	}
	changes, err := json.Marshal(b.Config)
	if err != nil {
		return err
	}
	var filled map[string]any
	if err := json.Unmarshal([]byte(course.Fill(string(changes), w.Values)), &filled); err != nil {
		return err
	}
	w.mark(config, b.Dir)
	if b.Root != "" {
		shared, err := filepath.Rel(b.Dir, filepath.Join(b.Root, "rootfs"))
		if err != nil {
			return err
		}
		merge(config, map[string]any{"root": map[string]any{"path": shared}})
	}
	merge(config, filled)
	// Through the specification's types, for the usual order of the fields.
	data, err = json.Marshal(config)
	if err != nil {
		return err
	}
	var ordered specs.Spec
	if err := json.Unmarshal(data, &ordered); err != nil {
		return err
	}
	data, err = spec.Marshal(&ordered)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// mark adds the lab's mark and cgroup to a config.json.
func (w *Workspace) mark(config map[string]any, part string) {
	if process, ok := config["process"].(map[string]any); ok {
		env, _ := process["env"].([]any)
		process["env"] = append(env, scene.MarkVariable+"="+scene.Mark(w.Values[course.Token], filepath.Base(part)))
	}
	if linux, ok := config["linux"].(map[string]any); ok && os.Geteuid() == 0 {
		linux["cgroupsPath"] = cgroupParent + "/" + w.id() + "-" + w.Lab.Dir + "-" + filepath.Base(part)
	}
}

// cgroupParent is the cgroup above those of all labs.
const cgroupParent = "/minirun-labs"

// merge merges changes into a document as RFC 7386 says: null removes, an object is merged, anything
// else replaces.
func merge(document, changes map[string]any) {
	for name, change := range changes {
		below, isObject := change.(map[string]any)
		old, wasObject := document[name].(map[string]any)
		switch {
		case change == nil:
			delete(document, name)
		case isObject && wasObject:
			merge(old, below)
		case isObject:
			fresh := map[string]any{}
			merge(fresh, below)
			document[name] = fresh
		default:
			document[name] = change
		}
	}
}
