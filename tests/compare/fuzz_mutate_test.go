package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// mutation sets one value in config.json, or changes how the runtime is called.
type mutation struct {
	// "process.rlimits.+": + appends; "run.detach", "run.split", "run.flags", "run.verb": the call.
	At    string          `json:"at"`
	Value json.RawMessage `json:"value,omitempty"` // none: the key is removed
}

// keepMountNamespace adds the mount namespace if mutations have removed it: without it, runtimes
// change the mounts of the sandbox.
func keepMountNamespace(config map[string]any) {
	linux, ok := config["linux"].(map[string]any)
	if config["linux"] == nil {
		linux, ok = map[string]any{}, true
		config["linux"] = linux
	}
	if ok && !namespaceOf(config, "mount") {
		namespaces, _ := linux["namespaces"].([]any)
		linux["namespaces"] = append(namespaces, map[string]any{"type": "mount"})
	}
}

// unmarshal keeps numbers as text: 64 bits do not fit into a float64.
func unmarshal(text []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(to)
}

func (run *runOptions) mutate(option string, value json.RawMessage) error {
	switch option {
	case "detach":
		run.detach = true
	case "split":
		run.split = true
	case "flags":
		return json.Unmarshal(value, &run.flags)
	case "preserve":
		return json.Unmarshal(value, &run.preserveFDs)
	case "verb":
		var verb []string
		if err := json.Unmarshal(value, &verb); err != nil {
			return err
		}
		run.verbs = append(run.verbs, verb)
		if verb[0] == "pause" { // otherwise it would never end
			run.verbs = append(run.verbs, []string{"resume", "ID"})
		}
	default:
		return fmt.Errorf("no option %q", option)
	}
	return nil
}

// setAt sets or removes one value. Missing objects on the path are created; an index beyond the end
// of a list, and +, append. If a value on the path has another type because of an earlier mutation,
// nothing is changed.
func setAt(in any, path []string, value any, remove bool) any {
	key := path[0]
	switch node := in.(type) {
	case map[string]any:
		if len(path) > 1 {
			next, ok := node[key]
			if !ok || next == nil {
				next = map[string]any{}
				if path[1] == "+" {
					next = []any{}
				}
			}
			node[key] = setAt(next, path[1:], value, remove)
		} else if remove {
			delete(node, key)
		} else {
			node[key] = value
		}
		return node
	case []any:
		i, err := strconv.Atoi(key)
		switch {
		case remove && (err != nil || i >= len(node)):
		case err != nil || i >= len(node):
			if len(path) > 1 {
				value = setAt(map[string]any{}, path[1:], value, remove)
			}
			return append(node, value)
		case len(path) > 1:
			node[i] = setAt(node[i], path[1:], value, remove)
		case remove:
			return append(node[:i], node[i+1:]...)
		default:
			node[i] = value
		}
		return node
	}
	return in
}

// set writes the bundle: placeholders for paths in the config are replaced, and the root file system
// gets the files that values refer to.
func (c *fuzzCase) set(config map[string]any) func(b *bundle) {
	return func(b *bundle) {
		furnish(b)
		text, err := json.Marshal(config)
		b.check(err)
		if namespaceOf(config, "user") {
			b.chownRoot(100000)
			b.check(chmod(b.dir+"/hooks", 0o666))
		}
		words := []string{"$BUNDLE", b.dir, "$ID", b.id, "$TAG", box.tag, "$PROBE", box.probe}
		if strings.Contains(string(text), "$PAUSE") {
			p := b.holder(pauseFlags, 0, nil, "net", "ipc", "uts")
			words = append(words, "$PAUSE", fmt.Sprintf("/proc/%d/ns", p.pid))
		}
		b.raw = []byte(strings.NewReplacer(words...).Replace(string(text)))
	}
}

// ask returns what the probe has to examine for the config.
func (c *fuzzCase) ask(config map[string]any) ask {
	a := ask{
		Stat:  []string{"/data", "/link-to-data", "/dir", "/dir/file", "/made", "/made/deep", "/tmp", "/run", "/etc/hosts"},
		Read:  []string{"/data", "/dir/file"},
		Calls: someCalls, ReadOnly: []string{"/", "/tmp", "/dir", "/data", "/proc/sys", "/sys", "/sys/fs/cgroup"},
	}
	for _, m := range list(config["mounts"]) {
		if at, ok := object(m)["destination"].(string); ok && strings.HasPrefix(at, "/") {
			a.Stat, a.ReadOnly = append(a.Stat, at), append(a.ReadOnly, at)
		}
	}
	linux := object(config["linux"])
	for key, to := range map[string]*[]string{"maskedPaths": &a.Masked, "readonlyPaths": &a.ReadOnly} {
		for _, path := range list(linux[key]) {
			if at, ok := path.(string); ok && strings.HasPrefix(at, "/") {
				*to = append(*to, at)
			}
		}
	}
	for name := range object(linux["sysctl"]) {
		a.Sysctls = append(a.Sysctls, name)
	}
	sort.Strings(a.Sysctls)
	return a
}

// object and list convert a JSON value that may be of a different type.
func object(value any) map[string]any { o, _ := value.(map[string]any); return o }

func list(value any) []any { l, _ := value.([]any); return l }

// namespaceOf reports whether the config has a namespace of a type.
func namespaceOf(config map[string]any, kind string) bool {
	for _, n := range list(object(config["linux"])["namespaces"]) {
		if object(n)["type"] == kind {
			return true
		}
	}
	return false
}

func TestSetFieldByPath(t *testing.T) {
	var config map[string]any
	if err := json.Unmarshal([]byte(`{"a":{"b":[1,{"c":2}]},"x":"text"}`), &config); err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		at     string
		value  any
		remove bool
	}{
		{"a.b.+", "new", false}, {"a.b.1.c", 3, false}, {"a.b.0", nil, true}, {"new.list.+", 1, false}, {"x.y", 1, false}, {"a.gone", nil, true},
	} {
		setAt(config, strings.Split(m.at, "."), m.value, m.remove)
	}
	text, err := json.Marshal(config)
	if want := `{"a":{"b":[{"c":3},"new"]},"new":{"list":[1]},"x":"text"}`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
}
