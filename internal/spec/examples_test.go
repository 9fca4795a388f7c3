package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSpecificationExamples parses the documents that come with the specification, as far as they
// are for Linux.
func TestSpecificationExamples(t *testing.T) {
	dir := specFile(t, "schema/test/config")
	for name, path := range map[string]string{ // maps to the path of the problem, "-" for none
		"good/spec-example.json":      "ociVersion", // 0.5.0-dev, older than the compatible versions
		"good/minimal.json":           "process",    // required by create, as in runc and crun
		"good/minimal-for-start.json": "-",
		"good/linux-netdevice.json":   "linux.netDevices", // there is no network namespace to move it to
		"good/linux-rdma.json":        "process",
		"bad/invalid-json.json":       "",
		"bad/linux-hugepage.json":     "linux.resources.hugepageLimits[0].pageSize",
		"bad/linux-rdma.json":         "linux.resources.rdma.mlx5_1",
		"bad/linux-netdevice.json":    "linux.netDevices",
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		_, warns, err := Parse(data)
		t.Logf("%s: %v %v", name, warns, err)
		if (err == nil) != (path == "-") || err != nil && !blames(err, path) {
			t.Errorf("%s: %v, want a problem with %q", name, err, path)
		}
	}
}

// TestExampleInText parses the large example document in config.md.
func TestExampleInText(t *testing.T) {
	text, err := os.ReadFile(specFile(t, "config.md"))
	if err != nil {
		t.Skip(err)
	}
	_, example, _ := strings.Cut(string(text), "## Configuration Schema Example")
	_, example, _ = strings.Cut(example, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	if _, _, err := Parse([]byte(example)); err != nil {
		t.Error(err)
	}
}
