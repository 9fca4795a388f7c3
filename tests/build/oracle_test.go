package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestOracle regenerates golden/ with BuildKit; README.md explains how to get it. MINIRUN_FAMILY
// selects a single family.
func TestOracle(t *testing.T) {
	buildctl, address := os.Getenv("MINIRUN_BUILDCTL"), os.Getenv("MINIRUN_BUILDKITD")
	if buildctl == "" || address == "" {
		t.Skip("MINIRUN_BUILDCTL and MINIRUN_BUILDKITD are not set: golden/ is as BuildKit v0.34.2 has made it")
	}
	testbundleRoot(t)
	o := newBuildkit(t, buildctl, address)
	paint(t, "golden", func(d *dockerfile) []string {
		lines, failure := o.build(t, d)
		if failure != "" {
			t.Logf("%s: %s", d.name, lastLine(failure))
		}
		return lines
	})
}

// layouts saves the base images for other builders.
func layouts(t *testing.T) map[string]string {
	t.Helper()
	s := newStore(t)
	out := map[string]string{}
	for _, i := range baseImages {
		out[i.name] = filepath.Join(t.TempDir(), i.name)
		s.Do("save", "--quiet", "--dir", out[i.name], i.name)
	}
	return out
}

// paint writes the pictures of all Dockerfiles to files, as differences.
func paint(t *testing.T, dir string, build func(*dockerfile) []string) {
	t.Helper()
	only, bases := regexp.MustCompile(os.Getenv("MINIRUN_FAMILY")), basesOf(t, dir)
	for _, family := range families(t) {
		if !only.MatchString(family) {
			continue
		}
		var out strings.Builder
		for _, d := range corpus(t, family) {
			for _, l := range storedPicture(d.name, build(d), bases(d.name, family)) {
				out.WriteString(l + "\n")
			}
		}
		if err := os.WriteFile(pictureFile(dir, family), []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A buildkit is a BuildKit daemon and its client.
type buildkit struct {
	buildctl, address string
	bases             []string // flags that pass it the base images
	digests           map[string]string
	shelf             *shelf
}

func newBuildkit(t *testing.T, buildctl, address string) *buildkit {
	t.Helper()
	b := &buildkit{buildctl: buildctl, address: address, digests: map[string]string{}, shelf: newShelf(t)}
	for name, layout := range layouts(t) {
		var index oci.Index
		read(t, filepath.Join(layout, "index.json"), &index)
		b.digests[name] = "oci-layout://" + name + "@" + index.Manifests[0].Digest.String()
		b.bases = append(b.bases, "--oci-layout", name+"="+layout, "--opt", "context:"+name+"="+b.digests[name])
	}
	return b
}

// prune removes what builds have left, or everything of one kind.
func (b *buildkit) prune(t *testing.T, filter ...string) {
	t.Helper()
	if out, err := exec.Command(b.buildctl, append([]string{"--addr", b.address, "prune"}, filter...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func (b *buildkit) build(t *testing.T, d *dockerfile) (lines []string, failure string) {
	t.Helper()
	dir := contextDir(t, d.files, d.script)
	plain := serve(t, dir)
	// A context is sent as changes to the previous one, and the times of its directories get lost.
	b.prune(t, "--filter", "type==source.local")
	archive := filepath.Join(t.TempDir(), "out.tar")
	if failure := b.buildDir(t, d, dir, archive); failure != "" {
		return []string{"fails"}, failure
	}
	return shown(b.shelf.picture(t, archive), plain), ""
}

// buildDir builds from a directory into an archive, and returns the error output if the build fails.
func (b *buildkit) buildDir(t *testing.T, d *dockerfile, dir, archive string) (failure string) {
	t.Helper()
	args := append([]string{
		"--addr", b.address, "build", "--progress", "plain", "--frontend", "dockerfile.v0", "--local", "context=" + dir, "--local", "dockerfile=" + dir,
		"--output", "type=oci,dest=" + archive,
	}, b.bases...)
	for _, f := range d.flags(dir) {
		flag, value, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		switch flag {
		case "build-arg", "label":
			args = append(args, "--opt", flag+":"+value)
		case "target", "platform":
			args = append(args, "--opt", flag+"="+value)
		case "add-host":
			name, ip, _ := strings.Cut(value, ":")
			args = append(args, "--opt", "add-hosts="+name+"="+ip)
		case "network":
			args = append(args, "--opt", "force-network-mode="+value)
		case "file":
			args = append(args, "--opt", "filename="+strings.TrimPrefix(value, dir+"/"))
		case "no-cache":
			args = append(args, f)
		case "secret", "allow":
			args = append(args, "--"+flag, value)
		case "build-context":
			name, where, _ := strings.Cut(value, "=")
			if image, ok := strings.CutPrefix(where, "docker-image://"); ok && b.digests[image] != "" {
				args = append(args, "--opt", "context:"+name+"="+b.digests[image])
				continue
			}
			if strings.Contains(where, "://") {
				args = append(args, "--opt", "context:"+name+"="+where)
				continue
			}
			args = append(args, "--local", name+"="+where, "--opt", "context:"+name+"=local:"+name)
		default:
			t.Fatalf("%s: the flag %s", d.name, flag)
		}
	}
	if out, err := exec.Command(b.buildctl, args...).CombinedOutput(); err != nil {
		return "fails: " + string(out)
	}
	return ""
}
