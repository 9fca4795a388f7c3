package explain

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
)

// A Change is one difference between two image configurations.
type Change struct {
	Field  string `json:"field"`         // Env, Cmd, …: as in the image's configuration
	Key    string `json:"key,omitempty"` // a variable, a label
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"` // "": removed
}

// String describes the change in words.
func (c Change) String() string {
	name := c.Field
	if c.Key != "" {
		name += " " + c.Key
	}
	switch {
	case c.After == "":
		return name + ": no longer " + c.Before
	case c.Before == "":
		return name + ": " + c.After
	}
	return name + ": " + c.Before + " → " + c.After
}

// changes returns the differences between two configurations.
func changes(before, after *docker.DockerOCIImage) []Change {
	a, b := &before.Config, &after.Config
	out := compare("Env", variables(a.Env), variables(b.Env))
	out = append(out, compare("Labels", a.Labels, b.Labels)...)
	out = append(out, compare("ExposedPorts", set(a.ExposedPorts), set(b.ExposedPorts))...)
	out = append(out, compare("Volumes", set(a.Volumes), set(b.Volumes))...)
	for _, f := range []struct{ name, before, after string }{
		{"Entrypoint", list(a.Entrypoint), list(b.Entrypoint)},
		{"Cmd", list(a.Cmd), list(b.Cmd)},
		{"Shell", list(a.Shell), list(b.Shell)},
		{"OnBuild", list(a.OnBuild), list(b.OnBuild)},
		{"User", a.User, b.User},
		{"WorkingDir", a.WorkingDir, b.WorkingDir},
		{"StopSignal", a.StopSignal, b.StopSignal},
		{"Healthcheck", health(a.Healthcheck), health(b.Healthcheck)},
		{"Author", before.Author, after.Author},
	} {
		if f.before != f.after {
			out = append(out, Change{f.name, "", f.before, f.after})
		}
	}
	return out
}

// compare compares two maps. An empty value is shown as "".
func compare(field string, a, b map[string]string) (out []Change) {
	shown := func(m map[string]string, key string) string {
		value, ok := m[key]
		if ok && value == "" {
			return `""`
		}
		return value
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if before, after := shown(a, key), shown(b, key); before != after {
			out = append(out, Change{field, key, before, after})
		}
	}
	return out
}

func variables(env []string) map[string]string {
	out := map[string]string{}
	for _, e := range env {
		key, value, _ := strings.Cut(e, "=")
		out[key] = value
	}
	return out
}

func set(m map[string]struct{}) map[string]string {
	out := map[string]string{}
	for key := range m {
		out[key] = "yes"
	}
	return out
}

// list formats a list as Dockerfiles do; an empty list is "".
func list(l []string) string {
	if len(l) == 0 {
		return ""
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(l) // strings written to memory: cannot fail
	return strings.TrimSpace(strings.ReplaceAll(out.String(), `","`, `", "`))
}

func health(h *docker.HealthcheckConfig) string {
	if h == nil {
		return ""
	}
	text := list(h.Test)
	for _, d := range []struct {
		name string
		text string
		zero bool
	}{
		{"every", h.Interval.String(), h.Interval == 0},
		{"timeout", h.Timeout.String(), h.Timeout == 0},
		{"start", h.StartPeriod.String(), h.StartPeriod == 0},
	} {
		if !d.zero {
			text += " " + d.name + " " + d.text
		}
	}
	return text
}
