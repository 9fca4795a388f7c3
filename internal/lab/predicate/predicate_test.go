package predicate

import (
	"slices"
	"testing"

	"github.com/minirun/minirun/internal/lab/scene"

	"go.yaml.in/yaml/v3"
)

// TestValuesHaveTheTypeOfTheirText: "{{pids}}" must be in quotes in YAML, and is a number in a field that
// is one. In a field that is text, everything stays as it is.
func TestValuesHaveTheTypeOfTheirText(t *testing.T) {
	values := map[string]string{"pids": "20", "cpus": "0.25", "owner": "4711", "hex": "12e456", "mib": "48", "text": "a: b # c"}
	parsed := func(text string) scene.Predicate {
		t.Helper()
		var node yaml.Node
		if err := yaml.Unmarshal([]byte(text), &node); err != nil {
			t.Fatal(err)
		}
		c, err := parse(node.Content[0], values)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return c.Predicate
	}
	l, ok := parsed(`{id: a, limit: {of: bundle, pids: "{{pids}}", cpus: "{{cpus}}", memory: "{{mib}}M"}}`).(*limit)
	if !ok || l.PIDs != 20 || l.CPUs != 0.25 || l.Memory != "48M" || l.Of.Of != "bundle" {
		t.Errorf("%+v", l)
	}
	f, ok := parsed(`{id: a, file: {path: "{{hex}}", is: "{{text}}", contains: "{{pids}}", owner: "{{owner}}"}}`).(*file)
	if !ok || f.Path != "12e456" || f.Is != "a: b # c" || f.Contains != "20" || f.Owner == nil || *f.Owner != 4711 {
		t.Errorf("%+v", f)
	}
	a, ok := parsed(`{id: a, argv: {of: b, is: [httpd, "{{pids}}", "{{none}}"]}}`).(*argv)
	if !ok || !slices.Equal(a.Is, []string{"httpd", "20", "{{none}}"}) {
		t.Errorf("%+v", a)
	}
}
