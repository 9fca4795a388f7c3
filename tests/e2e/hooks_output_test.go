package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/tests/testbundle"
)

// hookKinds lists all kinds of hooks, in the order in which they run.
var hookKinds = []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}

// setHooks sets the hooks of one kind.
func setHooks(h *specs.Hooks, kind string, hooks ...specs.Hook) {
	map[string]func(){
		"prestart": func() { h.Prestart = hooks }, "createRuntime": func() { h.CreateRuntime = hooks }, "createContainer": func() { h.CreateContainer = hooks },
		"startContainer": func() { h.StartContainer = hooks }, "poststart": func() { h.Poststart = hooks }, "poststop": func() { h.Poststop = hooks },
	}[kind]()
}

// TestHookOutputIsInTheError: the output of a failed hook is part of the error, whatever the standard
// descriptors of the container are, also with create and start.
func TestHookOutputIsInTheError(t *testing.T) {
	const reason = "the reason on standard error"
	failing := shellHook("echo " + reason + " >&2; echo more; exit 3")
	for _, kind := range []string{"prestart", "createRuntime", "createContainer", "startContainer"} {
		t.Run(kind+" with a terminal", func(t *testing.T) {
			b := testbundle.New(t)
			b.Spec.Process.Terminal = true
			b.Spec.Hooks = &specs.Hooks{}
			setHooks(b.Spec.Hooks, kind, failing)
			b.RunTerminal().Fails(t, "config.json: hooks."+kind+"[0]", "exit status 3", "it printed: "+reason, "more")
		})
	}
	t.Run("create and start", func(t *testing.T) {
		b := testbundle.New(t)
		b.Spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{shellHook("echo not this one"), failing}}
		b.Write()
		quiet(t, b.Command("create", b.ID, b.Dir))
		r := b.Minirun("start", b.ID)
		r.Fails(t, "config.json: hooks.startContainer[1]", "exit status 3", "it printed: "+reason)
		if strings.Contains(r.Stderr, "not this one") {
			t.Errorf("the error has another hook's output: %s", r.Stderr)
		}
		b.Minirun("delete", b.ID).Exit(t, 0)
		testbundle.Reap()
	})
}

// quiet runs a command without pipes: its children may keep its standard descriptors open.
func quiet(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	errors, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer errors.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, nil, errors
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(errors.Name())
		t.Fatalf("%v: %v: %s", cmd.Args, err, text)
	}
}

// TestHookOutputBlocksNothing: a hook that prints more than fits in a pipe can end, also if its
// output is not read.
func TestHookOutputBlocksNothing(t *testing.T) {
	b := testbundle.New(t)
	b.Spec.Hooks = &specs.Hooks{}
	for _, kind := range hookKinds {
		setHooks(b.Spec.Hooks, kind, shellHook("i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; i=$((i+1)); done"))
	}
	b.Run().Prints(t, "")
}

// TestHookOutputAnnotations: the output of all hooks is appended to the files named by
// run.oci.hooks.stdout and stderr, as with crun.
func TestHookOutputAnnotations(t *testing.T) {
	b := testbundle.New(t)
	out, errors := filepath.Join(b.Host, "stdout"), filepath.Join(b.Dir, "stderr")
	b.Spec.Annotations = map[string]string{spec.AnnotationHooksStdout: out, spec.AnnotationHooksStderr: "stderr"}
	b.Spec.Hooks = &specs.Hooks{}
	want := map[string]string{out: "before\n"}
	for _, kind := range hookKinds {
		setHooks(b.Spec.Hooks, kind, shellHook("echo out of "+kind+"; echo err of "+kind+" >&2"))
		want[out] += "out of " + kind + "\n"
		want[errors] += "err of " + kind + "\n"
	}
	if err := os.WriteFile(out, []byte("before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.Spec.Process.Args = []string{"sleep", "0.5"} // poststart runs during this time
	b.Run().Prints(t, "")
	for file, text := range want {
		if got, err := os.ReadFile(file); string(got) != text {
			t.Errorf("%s has\n%s%v\nwant\n%s", file, got, err, text)
		}
	}
	b.Spec.Annotations[spec.AnnotationHooksStdout] = "/there/is/none/file"
	b.Run().Fails(t, spec.AnnotationHooksStdout, "/there/is/none")
	b.Spec.Hooks.CreateContainer, b.Spec.Hooks.StartContainer = nil, nil
	b.Run().Fails(t, spec.AnnotationHooksStdout, "hooks.prestart[0]", "/there/is/none")
}

// TestStartContainerHookInJoinedPIDNamespace: the process closes its descriptors before it enters the
// namespace, except those for the hook.
func TestStartContainerHookInJoinedPIDNamespace(t *testing.T) {
	first := testbundle.New(t, testbundle.Sh("echo; exec sleep 1000"))
	pid, _ := first.Background(t)
	b := testbundle.New(t, testbundle.Writable, testbundle.Sh("grep -c ociVersion /tmp/state"))
	for i := range b.Spec.Linux.Namespaces {
		if n := &b.Spec.Linux.Namespaces[i]; n.Type == specs.PIDNamespace {
			n.Path = "/proc/" + strconv.Itoa(pid) + "/ns/pid"
		}
	}
	b.Spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{shellHook("cat > /tmp/state")}}
	b.Run().Prints(t, "1")
	// Its state has the PID of the process that runs the program, not of the process that entered.
	testbundle.Sh(`[ "$(sed 's/.*"pid":\([0-9]*\).*/\1/' /tmp/state)" = $$ ] && echo its own number`)(b.Spec)
	b.Run().Prints(t, "its own number")
	b.Spec.Hooks.StartContainer[0] = shellHook("echo the reason; exit 3")
	b.Run().Fails(t, "hooks.startContainer[0]", "exit status 3", "the reason")
}
