package explain

import (
	"encoding/json"
	"fmt"
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
	name := strings.TrimSpace(c.Field + " " + c.Key)
	isMember := c.Field == "ExposedPorts" || c.Field == "Volumes" // of a set: it has no value
	switch {
	case isMember && c.After == "":
		return "removed " + name
	case isMember:
		return "added " + name
	case c.After == "":
		return fmt.Sprintf("removed %s (was %s)", name, c.Before)
	case c.Before == "":
		return fmt.Sprintf("set %s to %s", name, c.After)
	}
	return fmt.Sprintf("changed %s from %s to %s", name, c.Before, c.After)
}

// diffConfigs returns the differences between two configurations.
func diffConfigs(before, after *docker.DockerOCIImage) []Change {
	a, b := &before.Config, &after.Config
	out := diffMaps("Env", splitEnv(a.Env), splitEnv(b.Env))
	out = append(out, diffMaps("Labels", a.Labels, b.Labels)...)
	out = append(out, diffMaps("ExposedPorts", stringSet(a.ExposedPorts), stringSet(b.ExposedPorts))...)
	out = append(out, diffMaps("Volumes", stringSet(a.Volumes), stringSet(b.Volumes))...)
	for _, f := range []struct{ name, before, after string }{
		{"Entrypoint", formatList(a.Entrypoint), formatList(b.Entrypoint)},
		{"Cmd", formatList(a.Cmd), formatList(b.Cmd)},
		{"Shell", formatList(a.Shell), formatList(b.Shell)},
		{"OnBuild", formatList(a.OnBuild), formatList(b.OnBuild)},
		{"User", a.User, b.User},
		{"WorkingDir", a.WorkingDir, b.WorkingDir},
		{"StopSignal", a.StopSignal, b.StopSignal},
		{"Healthcheck", formatHealthcheck(a.Healthcheck), formatHealthcheck(b.Healthcheck)},
		{"Author", before.Author, after.Author},
	} {
		if f.before != f.after {
			out = append(out, Change{f.name, "", f.before, f.after})
		}
	}
	return out
}

// diffMaps compares two maps. An empty value is shown as "".
func diffMaps(field string, a, b map[string]string) (out []Change) {
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

func splitEnv(env []string) map[string]string {
	out := map[string]string{}
	for _, e := range env {
		key, value, _ := strings.Cut(e, "=")
		out[key] = value
	}
	return out
}

func stringSet(m map[string]struct{}) map[string]string {
	out := map[string]string{}
	for key := range m {
		out[key] = "yes"
	}
	return out
}

// formatList formats a list as Dockerfiles do; an empty list is "".
func formatList(l []string) string {
	if len(l) == 0 {
		return ""
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(l) // strings written to memory: cannot fail
	return strings.TrimSpace(strings.ReplaceAll(out.String(), `","`, `", "`))
}

func formatHealthcheck(h *docker.HealthcheckConfig) string {
	if h == nil {
		return ""
	}
	text := formatList(h.Test)
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
