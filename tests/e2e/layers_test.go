package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// layered creates a bundle with layers in separate directories, lowest first; each layer is a list of
// path=content. root.path is an empty directory.
func layered(t *testing.T, script string, layers ...map[string]string) (*testbundle.Bundle, []string) {
	t.Helper()
	b := testbundle.New(t, testbundle.Sh(script), testbundle.Writable)
	base := filepath.Join(b.Dir, "base")
	if err := os.Rename(b.Path("/"), base); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(b.Path("/"), 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"base"}
	for i, files := range layers {
		name := fmt.Sprintf("layer%d", i)
		names = append(names, name)
		for path, text := range files {
			full := filepath.Join(b.Dir, name, path)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			var err error
			if text == "whiteout" {
				err = unix.Mknod(full, unix.S_IFCHR, 0)
			} else {
				err = os.WriteFile(full, []byte(text), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	annotate(t, b, names)
	return b, names
}

func annotate(t *testing.T, b *testbundle.Bundle, names []string) {
	t.Helper()
	text, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	b.Spec.Annotations = map[string]string{"dev.minirun.layers": string(text)}
}

// fingerprint returns a digest of the names, modes and contents of a tree.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(sum, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum.Write(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

func TestLayers(t *testing.T) {
	const script = `cat /who; cat /one /two; [ -e /gone ] || echo none; echo new > /who; rm /one; mkdir /made; cat /who; stat -f -c %T /; ls / | tr '\n' ' '`
	b, names := layered(t, script,
		map[string]string{"who": "first\n", "one": "1\n", "gone": "x"},
		map[string]string{"who": "second\n", "two": "2\n", "gone": "whiteout"})
	before := map[string]string{}
	for _, n := range names {
		before[n] = fingerprint(t, filepath.Join(b.Dir, n))
	}
	r := b.Run()
	r.Exit(t, 0)
	if !strings.HasPrefix(r.Stdout, "second\n1\n2\nnone\nnew\n") || !strings.Contains(r.Stdout, "made") || strings.Contains(r.Stdout, "one ") {
		t.Errorf("inside:\n%s", r.Stdout)
	}
	for _, n := range names {
		if fingerprint(t, filepath.Join(b.Dir, n)) != before[n] {
			t.Errorf("layer %s has changed", n)
		}
	}
	if e, _ := os.ReadDir(b.Path("/")); len(e) != 0 {
		t.Errorf("root.path got %v", e)
	}
	// The container's changes are discarded with the container.
	b.Spec.Process.Args = []string{"cat", "/who", "/one"}
	b.Run().Prints(t, "second\n1")
}

func TestManyLayers(t *testing.T) {
	count := 499
	if testbundle.OlderKernel(t, 6, 8) {
		count = 400 // as many as fit
	}
	var layers []map[string]string
	for i := range count {
		layers = append(layers, map[string]string{"top": fmt.Sprint(i), fmt.Sprintf("f/%d", i): "x"})
	}
	b, _ := layered(t, "cat /top; echo; ls /f | wc -l", layers...)
	b.Run().Prints(t, fmt.Sprintf("%d\n%d", count-1, count))
}

// Before Linux 6.8 all layers of an overlay must fit in one page of options. A process with this
// personality sees Linux 2.6 as the kernel version.
func TestLayersOfOldKernels(t *testing.T) {
	setarch, err := exec.LookPath("setarch")
	if err != nil {
		t.Skip("setarch(8) is not installed: apt-get install util-linux")
	}
	for name, mutate := range map[string]func(*specs.Spec){
		"default":        func(*specs.Spec) {},
		"user namespace": testbundle.UserNS,
	} {
		t.Run(name, func(t *testing.T) {
			var layers []map[string]string
			for i := range 150 {
				layers = append(layers, map[string]string{"top": fmt.Sprint(i), fmt.Sprintf("f/%d", i): "x"})
			}
			layers = append(layers, map[string]string{"it's, \\ and: all": "x"})
			b, names := layered(t, "cat /top; echo; ls /f | wc -l; ls / | grep it; touch /new", layers...)
			odd := names[len(names)-1] + `: a,b\`
			if err := os.Rename(filepath.Join(b.Dir, names[len(names)-1]), filepath.Join(b.Dir, odd)); err != nil {
				t.Fatal(err)
			}
			names[len(names)-1] = odd
			annotate(t, b, names)
			mutate(b.Spec)
			b.Write()
			run := func() testbundle.Result {
				cmd := b.Command("run", b.ID, b.Dir)
				cmd.Path, cmd.Args = setarch, append([]string{setarch, "--uname-2.6", "--"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
				return testbundle.Finish(t, cmd)
			}
			run().Prints(t, "149\n150\nit's, \\ and: all")
			for i := range 20 {
				names = append(names, fmt.Sprintf("%0200d", i))
				if err := os.Mkdir(filepath.Join(b.Dir, names[len(names)-1]), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			annotate(t, b, names)
			b.Write()
			run().Fails(t, "annotations[", "fit into a page")
		})
	}
}

// While the container runs, the host's mount table is unchanged, also on a host whose mounts are
// shared.
func TestLayersAreNotMountedOnTheHost(t *testing.T) {
	b, _ := layered(t, "echo up; exec sleep 1000", map[string]string{"x": "y"})
	before := strings.Join(testbundle.Mounts("self"), "\n")
	pid, _ := b.Background(t)
	if now := strings.Join(testbundle.Mounts("self"), "\n"); now != before {
		t.Errorf("the host's mounts have changed:\n%s\nwere:\n%s", now, before)
	}
	inside := strings.Join(testbundle.Mounts(fmt.Sprint(pid)), "\n")
	if !strings.Contains(inside, "overlay") {
		t.Errorf("the container has no overlay:\n%s", inside)
	}
}

func TestUpperIsKept(t *testing.T) {
	b, _ := layered(t, "echo kept > /file; rm /x", map[string]string{"x": "y"})
	b.Spec.Annotations["dev.minirun.upper"] = "changes"
	b.Run().Exit(t, 0)
	upper := filepath.Join(b.Dir, "changes")
	if text, err := os.ReadFile(filepath.Join(upper, "file")); err != nil || string(text) != "kept\n" {
		t.Errorf("the upper directory has %q, %v", text, err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(upper, "x"), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		t.Errorf("no whiteout of the file that was removed: %v", err)
	}
	// A second run continues from there.
	b.Spec.Process.Args = []string{"sh", "-c", "cat /file; [ -e /x ] || echo none"}
	b.Run().Prints(t, "kept\nnone")
	entries, _ := os.ReadDir(b.Dir)
	for _, e := range entries {
		if strings.Contains(e.Name(), "work") {
			t.Errorf("overlay's work directory is left: %s", e.Name())
		}
	}
}

func TestLayerFlag(t *testing.T) {
	b, _ := layered(t, "cat /who; touch /written", map[string]string{"who": "annotation\n"})
	b.Spec.Annotations = nil
	b.Run("--layer", filepath.Join(b.Dir, "base"), "--layer", filepath.Join(b.Dir, "layer0")).Prints(t, "annotation")
	if e, _ := os.ReadDir(b.Path("/")); len(e) != 0 {
		t.Errorf("root.path got %v", e)
	}
}

func TestEphemeral(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo x > /written; cat /written; rm /etc/passwd"), testbundle.Writable)
	before := fingerprint(t, b.Path("/"))
	b.Run("--ephemeral").Prints(t, "x")
	if fingerprint(t, b.Path("/")) != before {
		t.Error("root.path has changed in spite of --ephemeral")
	}
}

func TestEphemeralReadonly(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("touch /x 2>&1"))
	b.Run("--ephemeral").Fails(t, "")
}

func TestLayersInUserNamespace(t *testing.T) {
	b, _ := layered(t, "cat /x; touch /new && echo ok; stat -c %u /new", map[string]string{"x": "y\n"})
	userns(b.Spec)
	b.Run().Prints(t, "y\nok\n0")
}

func TestLayerErrors(t *testing.T) {
	b, _ := layered(t, "true")
	for _, c := range []struct{ layers, want string }{
		{`["base", "missing"]`, "no such file"},
		{`["base", "config.json"]`, "not a directory"},
		{`[]`, "JSON list"},
		{`base`, "JSON list"},
		{`["base", "base/"]`, "twice"},
	} {
		t.Run(c.layers, func(t *testing.T) {
			b.Spec.Annotations["dev.minirun.layers"] = c.layers
			b.Run().Fails(t, `config.json: annotations["dev.minirun.layers"]`, c.want)
		})
	}
}
