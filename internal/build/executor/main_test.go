package executor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/tests/testbundle"
)

// These tests run steps with a minirun that is built once, on a layer with busybox in the
// test's own store. When a test ends, nothing may be left: no process, mount, cgroup, state,
// or file in the store's tmp.

func TestMain(m *testing.M) {
	if text := os.Getenv(builderVariable); text != "" {
		os.Exit(builder(text))
	}
	testbundle.Main(m)
}

// A builder is a separate process that runs a step, so that it can be killed, or be root in a
// user namespace only.
const builderVariable = "MINIRUN_TEST_BUILDER"

type order struct {
	Binary, Store, Prefix string
	Step                  *Step
}

func builder(text string) int {
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		e := &Executor{Minirun: o.Binary, Store: &store.Store{Store: &image.Store{Dir: o.Store}}, prefix: o.Prefix}
		o.Step.Output = os.Stdout
		err = e.Run(context.Background(), o.Step)
	}
	if err != nil {
		fmt.Println("builder:", err)
		return 1
	}
	return 0
}

// elsewhere creates the command of a builder.
func (x *box) elsewhere(s *Step) *exec.Cmd {
	x.t.Helper()
	s.Output = nil
	text, err := json.Marshal(order{x.Minirun, x.Store.Dir, x.prefix, s})
	if err != nil {
		x.t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), builderVariable+"="+string(text))
	return cmd
}

// A box is a store and a layer.
type box struct {
	*Executor
	t     testing.TB
	layer string
	host  string // a directory that must not be touched
	n     int
}

func newBox(t testing.TB) *box {
	t.Helper()
	b := testbundle.New(t)
	store, err := store.Open(filepath.Join(b.Host, "store"))
	if err != nil {
		t.Fatal(err)
	}
	x := &box{
		Executor: &Executor{Minirun: testbundle.Binary, Store: store, prefix: b.ID + "-"},
		t:        t, layer: filepath.Join(store.Dir, "layers", "base", "fs"), host: b.Host,
	}
	testbundle.MakeRootfs(t, x.layer)
	for _, d := range []string{"proc", "sys", "dev"} { // no mountpoints in the layer
		if err := os.Remove(filepath.Join(x.layer, d)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(x.clean)
	return x
}

// clean checks that nothing is left in the store.
func (x *box) clean() {
	for _, path := range x.left() {
		x.t.Errorf("left over: %s", path)
	}
}

// left returns the containers and temporary files in the store, except those of tests.
func (x *box) left() (out []string) {
	for _, dir := range []string{x.root(), filepath.Join(x.Store.Dir, "tmp")} {
		names, err := listNames(dir)
		if err != nil {
			x.t.Error(err)
		}
		for _, name := range names {
			if !strings.HasPrefix(name, "step") {
				out = append(out, filepath.Join(dir, name))
			}
		}
	}
	return out
}

// step creates a step that runs a script, in its own directory.
func (x *box) step(script string, mounts ...graph.Mount) (*Step, *bytes.Buffer) {
	x.t.Helper()
	x.n++
	s := &Step{
		Op:     &graph.Run{Argv: []string{"/bin/sh", "-c", script}, Cwd: "/", Mounts: mounts, Network: "none"},
		Layers: []string{x.layer}, Dir: filepath.Join(x.Store.Dir, "tmp", fmt.Sprintf("step.%d.%d", os.Getpid(), x.n)),
		Mounts: map[int]Mounted{},
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, "fs"), 0o755); err != nil {
		x.t.Fatal(err)
	}
	var out bytes.Buffer
	s.Output = &out
	return s, &out
}

// run runs a step that must succeed, and returns its output and its layer.
func (x *box) run(s *Step, out *bytes.Buffer) (said, layer string) {
	x.t.Helper()
	if err := x.Run(context.Background(), s); err != nil {
		x.t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(out.String()), filepath.Join(s.Dir, "fs")
}

// says runs a script with mounts, and returns its output.
func (x *box) says(script string, mounts ...graph.Mount) string {
	x.t.Helper()
	said, _ := x.run(x.step(script, mounts...))
	return said
}

// files lists the files in a layer.
func files(t testing.TB, layer string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(layer, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != layer {
			rel, _ := filepath.Rel(layer, path)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
