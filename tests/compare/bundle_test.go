// A bundle on disk: created anew for each run, at the same path, so that no runtime sees changes made
// by another.
package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testrootfs"
)

type bundle struct {
	t      *testing.T
	rt     *ociRuntime
	id     string
	dir    string // the bundle
	root   string // its root file system
	spec   *specs.Spec
	raw    []byte            // config.json verbatim, instead of spec
	joined map[string]string // identities of namespaces that the case created for joining → name
	undo   []func()
}

// ask is written to /probe.json; the probe's type Config documents the fields.
type ask struct {
	Masked   []string `json:"masked,omitempty"`
	ReadOnly []string `json:"readonly,omitempty"`
	Stat     []string `json:"stat,omitempty"`
	Read     []string `json:"read,omitempty"`
	Sysctls  []string `json:"sysctls,omitempty"`
	Calls    []string `json:"calls,omitempty"`
	NoHold   bool     `json:"nohold,omitempty"`
	Exit     int      `json:"exit,omitempty"`
	WaitSize bool     `json:"waitsize,omitempty"`
	Out      string   `json:"out,omitempty"`
	Devices  []string `json:"devices,omitempty"` // network devices
}

// writtenSpecs holds the output of `runc spec`, by its flags: each is generated once.
var writtenSpecs = map[string][]byte{}

// defaultConfig returns the output of `runc spec`, with --rootless for a user.
func (rt *ociRuntime) defaultConfig() ([]byte, error) {
	words := append(rt.demotion(), reference.path, "spec")
	if rt.user != 0 {
		words = append(words, "--rootless")
	}
	if text := writtenSpecs[strings.Join(words, " ")]; text != nil {
		return text, nil
	}
	dir, err := os.MkdirTemp(box.dir, "spec-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, int(rt.user), int(rt.user)); err != nil {
		return nil, err
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("runc spec: %w: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	writtenSpecs[strings.Join(words, " ")] = text
	return text, err
}

func (c *testCase) makeBundle(t *testing.T, rt *ociRuntime, id string) (*bundle, error) {
	b := &bundle{t: t, rt: rt, id: id, dir: filepath.Join(box.dir, "bundle"), joined: map[string]string{}, spec: new(specs.Spec)}
	b.root = filepath.Join(b.dir, "rootfs")
	if reason := testrootfs.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	if err := os.RemoveAll(b.dir); err != nil {
		return nil, err
	}
	if err := testrootfs.Make(b.root); err != nil {
		return nil, err
	}
	program, err := os.ReadFile(box.probe)
	if err != nil {
		return nil, err
	}
	config, err := rt.defaultConfig()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(config, b.spec); err != nil {
		return nil, err
	}
	b.spec.Process.Terminal = false
	b.spec.Process.Capabilities.Ambient = nil // up to version 1.1 runc wrote some that cannot be raised
	b.spec.Process.Args = []string{"/probe"}
	b.file("probe", string(program), 0o755)
	b.cleanup(func() { os.RemoveAll(b.dir) })
	if c.set != nil {
		c.set(b)
	}
	asked := c.ask
	asked.NoHold = asked.NoHold || c.run.stdin != ""
	question, err := json.Marshal(asked)
	if err != nil {
		return b, err
	}
	b.file("probe.json", string(question), 0o644)
	if rt.ociVersion != "" {
		b.spec.Version = rt.ociVersion
	}
	text := b.raw
	if text == nil {
		if text, err = json.MarshalIndent(b.spec, "", "\t"); err != nil {
			return b, err
		}
	}
	if rt.user != 0 {
		b.check(b.chown(b.dir, int(rt.user)))
	}
	return b, os.WriteFile(filepath.Join(b.dir, "config.json"), text, 0o644)
}

func (b *bundle) cleanup(f func()) { b.undo = append(b.undo, f) }

func (b *bundle) close() {
	for i := len(b.undo) - 1; i >= 0; i-- {
		b.undo[i]()
	}
}

func (b *bundle) check(err error) {
	b.t.Helper()
	if err != nil {
		b.close()
		b.t.Fatalf("preparing the bundle: %v", err)
	}
}

// file writes a file into the root file system.
func (b *bundle) file(name, content string, mode os.FileMode) {
	path := filepath.Join(b.root, name)
	b.check(os.MkdirAll(filepath.Dir(path), 0o755))
	b.check(os.WriteFile(path, []byte(content), mode))
	b.check(os.Chmod(path, mode))
}

func (b *bundle) mkdir(name string, mode os.FileMode) string {
	path := filepath.Join(b.root, name)
	b.check(os.MkdirAll(path, 0o755))
	b.check(os.Chmod(path, mode))
	return path
}

func (b *bundle) symlink(name, target string) {
	b.check(os.Symlink(target, filepath.Join(b.root, name)))
}

// addSource creates a directory (or a file, if content is not nil) in the bundle next to the root file
// system: a source for bind mounts.
func (b *bundle) addSource(name string, content *string) string {
	path := filepath.Join(b.dir, name)
	if content == nil {
		b.check(os.MkdirAll(path, 0o755))
	} else {
		b.check(os.WriteFile(path, []byte(*content), 0o644))
	}
	return path
}

// mount adds a mount to the config.
func (b *bundle) mount(destination, kind, source string, options ...string) {
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: destination, Type: kind, Source: source, Options: options})
}

// dropMount removes the default mounts on or below a mountpoint.
func (b *bundle) dropMount(point string) {
	var kept []specs.Mount
	for _, m := range b.spec.Mounts {
		if m.Destination != point && !strings.HasPrefix(m.Destination, point+"/") {
			kept = append(kept, m)
		}
	}
	b.spec.Mounts = kept
}

// hostMount makes a mount in the sandbox (the containers' host); it is unmounted after the run.
func (b *bundle) hostMount(source, target, kind string, flags uintptr, data string) {
	b.check(os.MkdirAll(target, 0o755))
	b.check(unix.Mount(source, target, kind, flags, data))
	b.cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) })
}

func (b *bundle) namespace(kind specs.LinuxNamespaceType, path string) {
	b.withoutNamespace(kind)
	b.spec.Linux.Namespaces = append(b.spec.Linux.Namespaces, specs.LinuxNamespace{Type: kind, Path: path})
}

func (b *bundle) withoutNamespace(kind specs.LinuxNamespaceType) {
	var kept []specs.LinuxNamespace
	for _, n := range b.spec.Linux.Namespaces {
		if n.Type != kind {
			kept = append(kept, n)
		}
	}
	b.spec.Linux.Namespaces = kept
}

// holder starts a process in new namespaces that the case can join; short names as in /proc/PID/ns.
func (b *bundle) holder(clone, unshare uintptr, maps []syscall.SysProcIDMap, kinds ...string) *pause {
	p, err := startPause(clone, unshare, maps)
	b.check(err)
	b.cleanup(p.stop)
	for _, kind := range kinds {
		link, err := os.Readlink(p.path(kind))
		b.check(err)
		b.joined[link] = kind
	}
	return p
}

// userns gives the container a user namespace that maps 0.. to 100000.., and gives the root file
// system to its root.
func (b *bundle) userns() {
	b.namespace(specs.UserNamespace, "")
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	b.spec.Linux.UIDMappings, b.spec.Linux.GIDMappings = maps, maps
	b.chownRoot(100000)
}

func (b *bundle) chownRoot(id int) { b.check(b.chown(b.root, id)) }

func (b *bundle) chown(dir string, id int) error {
	return filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, id, id)
	})
}

func pointer[T any](v T) *T { return &v }

// lines splits a container's output into the probe's report and everything else.
func lines(text []byte) (report []byte, rest string) {
	var other []string
	for _, line := range strings.SplitAfter(string(text), "\n") {
		if report == nil && strings.HasPrefix(line, "{\"") && strings.HasSuffix(line, "\n") {
			report = bytes.TrimSpace([]byte(line))
			continue
		}
		other = append(other, line)
	}
	return report, strings.Join(other, "")
}
