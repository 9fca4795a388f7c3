package hostile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// volume turns the directory b.Host into a volume with files that have the names of devices and
// links.
func volume(t *testing.T, b *testbundle.Bundle) {
	t.Helper()
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd", "console", "fuse", "sub/fuse"} {
		path := filepath.Join(b.Host, name)
		mkdir(t, filepath.Dir(path))
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// lost returns which of a volume's files have changed, and how.
func lost(b *testbundle.Bundle) (out []string) {
	_ = filepath.WalkDir(b.Host, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, b.Host+"/")
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			out = append(out, name+": "+d.Type().String())
		} else if text, err := os.ReadFile(path); err != nil || string(text) != name {
			out = append(out, fmt.Sprintf("%s: %q", name, text))
		}
		return nil
	})
	return out
}

// TestDevicesInAVolume: CVE-2026-41579, CVE-2026-47766: the image's /dev leads to the user's volume,
// or the volume's target to /dev, and the devices that the runtime creates replace files of the
// volume.
func TestDevicesInAVolume(t *testing.T) {
	onV := func(b *testbundle.Bundle) {
		testbundle.AddMount(specs.Mount{Destination: "/v", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
	}
	fuse := func(paths ...string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			for _, p := range paths {
				s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: p, Type: "c", Major: 10, Minor: 229})
			}
		}
	}
	noDev := testbundle.NoMount(func(d string) bool { return strings.HasPrefix(d, "/dev") })
	terminal := func(s *specs.Spec) { s.Process.Terminal = true }
	for name, c := range map[string]struct {
		target, link string
		change       func(*specs.Spec)
	}{
		"/dev is a link":                  {"/v", "/dev", func(*specs.Spec) {}},
		"/dev is a link, terminal":        {"/v", "/dev", terminal},
		"/dev is a link, nothing on /dev": {"/v", "/dev", noDev},
		"/dev is a link, user namespace":  {"/v", "/dev", testbundle.UserNS},
		"volume on /dev":                  {"/dev", "/v", func(*specs.Spec) {}},
		"volume on /dev, terminal":        {"/dev", "/v", terminal},
		"volume on /dev, nothing on /dev": {"/dev", "/v", noDev},
		"volume on /dev, user namespace":  {"/dev", "/v", testbundle.UserNS},
		"volume below /dev":               {"/dev", "/v", fuse("/dev/sub/fuse")},
		"device through a link":           {"/v", "/opt/link", fuse("/opt/link/fuse", "/opt/link/sub/fuse")},
		"device below a link, user namespace": {"/v/sub", "/opt/link", func(s *specs.Spec) {
			testbundle.UserNS(s)
			fuse("/opt/link/fuse")(s)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("true"), c.change)
			volume(t, b)
			mkdir(t, b.Path("/v"))
			b.Link(c.target, c.link)
			onV(b)
			run := b.Run
			if b.Spec.Process.Terminal {
				run = b.RunTerminal
			}
			if r := run(); r.Status != 0 && !strings.Contains(r.Stderr, "config.json: ") {
				t.Errorf("%s", r.Stderr)
			}
			for _, what := range lost(b) {
				t.Error("the volume's file was replaced: ", what)
			}
		})
	}
	t.Run("images", func(t *testing.T) {
		for _, link := range [][2]string{{"/v", "/dev"}, {"/dev", "/v"}} {
			b := testbundle.New(t)
			volume(t, b)
			mkdir(t, b.Path("/v"))
			b.Link(link[0], link[1])
			withStore(t, b)
			_ = b.Minirun("run", "--rm", "-v", b.Host+":/v", "box", "true")
			for _, what := range lost(b) {
				t.Errorf("%s -> %s: the volume's file was replaced: %s", link[1], link[0], what)
			}
		}
	})
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t)
		volume(t, b)
		b.Link(b.Host, "/dev")
		naively(t, b, `rm "$ROOT/dev/null"; mknod "$ROOT/dev/null" c 1 3`)
		volume(t, b)
		if err := os.Rename(filepath.Join(b.Host, "null"), filepath.Join(b.Host, "zero")); err != nil || len(lost(b)) != 1 {
			t.Errorf("the check does not see a file that was replaced: %v, %q", err, lost(b))
		}
	})
}

// TestOtherPathsThroughLinks: everything else in config.json that creates or hides a path (the class
// of CVE-2024-45310: directories and files created on the host).
func TestOtherPathsThroughLinks(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"process.cwd":        func(s *specs.Spec) { s.Process.Cwd = "/evil/made/here" },
		"process.cwd itself": func(s *specs.Spec) { s.Process.Cwd = "/evil" },
		"linux.devices": func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/evil/null", Type: "c", Major: 1, Minor: 3}}
		},
		"linux.devices deep":  func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/evil/a/b", Type: "p"}} },
		"linux.maskedPaths":   func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/evil", "/evil/x"} },
		"linux.readonlyPaths": func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"/evil", "/evil/x"} },
		"user namespace devices": func(s *specs.Spec) {
			testbundle.UserNS(s)
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/evil/zero", Type: "c", Major: 1, Minor: 5}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("true"), testbundle.Writable, change)
			for _, target := range toHost(t, b, "/evil") {
				b.Link(target, "/evil")
				if r := b.Run(); r.Status != 0 && !strings.Contains(r.Stderr, "config.json: ") {
					t.Errorf("%s", r.Stderr)
				}
				untouched(t, b)
			}
		})
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t)
		b.Link(b.Host, "/evil")
		naively(t, b, `mkdir -p "$ROOT/evil/made/here"`)
		naively(t, b, `mknod "$ROOT/evil/null" c 1 3`)
		naively(t, b, `mount --bind /usr "$ROOT/evil"`)
	})
}
