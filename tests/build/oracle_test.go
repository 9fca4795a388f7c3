package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestOracle writes golden/ anew, with BuildKit: README.md says how to get one.
func TestOracle(t *testing.T) {
	buildctl, address := os.Getenv("MINIRUN_BUILDCTL"), os.Getenv("MINIRUN_BUILDKITD")
	if buildctl == "" || address == "" {
		t.Skip("MINIRUN_BUILDCTL and MINIRUN_BUILDKITD are not set: golden/ is as BuildKit v0.34.2 has made it")
	}
	testbundleRoot(t)
	s := newStore(t)
	layouts := map[string]string{}
	for _, i := range baseImages {
		layouts[i.name] = filepath.Join(t.TempDir(), i.name)
		s.do("save", "--quiet", "--dir", layouts[i.name], i.name)
	}
	second := 0
	for _, family := range families(t) {
		var out strings.Builder
		for _, d := range corpus(t, family) {
			second++
			lines, failure := buildWithBuildKit(t, buildctl, address, layouts, d, second)
			if (failure != "") != (d.fails != "") {
				t.Errorf("%s: failed: %q; it is to fail: %q", d.name, failure, d.fails)
			}
			out.WriteString("=== " + d.name + "\n")
			for _, l := range lines {
				out.WriteString(l + "\n")
			}
		}
		if err := os.WriteFile(goldenFile(family), []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func buildWithBuildKit(t *testing.T, buildctl, address string, layouts map[string]string, d *dockerfile, second int) ([]string, string) {
	t.Helper()
	dir := contextDir(t, d.files, d.script)
	// BuildKit does not ask for a file again that has the name, size and time of one of the last case.
	touch := exec.Command("sh", "-c", `find "$0" -exec touch -h -d "2020-02-02T00:00:00Z + $1 seconds" {} +`, dir, strconv.Itoa(second))
	if out, err := touch.CombinedOutput(); err != nil {
		t.Fatalf("touch: %v: %s", err, out)
	}
	archive := filepath.Join(t.TempDir(), "out.tar")
	args := []string{
		"--addr", address, "build", "--progress", "plain", "--frontend", "dockerfile.v0", "--local", "context=" + dir, "--local", "dockerfile=" + dir,
		"--output", "type=oci,dest=" + archive,
	}
	for name, layout := range layouts {
		digest, err := exec.Command("sh", "-c", `grep -o 'sha256:[0-9a-f]*' "$1/index.json" | head -1`, "sh", layout).Output()
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "--oci-layout", name+"="+layout, "--opt", "context:"+name+"=oci-layout://"+name+"@"+strings.TrimSpace(string(digest)))
	}
	for _, f := range d.flags(dir) {
		flag, value, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		switch flag {
		case "build-arg":
			args = append(args, "--opt", "build-arg:"+value)
		case "target":
			args = append(args, "--opt", "target="+value)
		case "secret":
			args = append(args, "--secret", value)
		case "build-context":
			name, where, _ := strings.Cut(value, "=")
			args = append(args, "--local", name+"="+where, "--opt", "context:"+name+"=local:"+name)
		default:
			t.Fatalf("%s: the flag %s", d.name, flag)
		}
	}
	if out, err := exec.Command(buildctl, args...).CombinedOutput(); err != nil {
		return nil, string(out)
	}
	return picture(t, archive), ""
}
