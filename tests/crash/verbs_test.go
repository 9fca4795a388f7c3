package crash

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// A verb is a command, with its preconditions.
type verb struct {
	name   string
	before [][]string // commands; ID and BUNDLE stand for the container's
	args   []string
}

var (
	create = []string{"create", "ID", "BUNDLE"}
	start  = []string{"start", "ID"}
	kill   = []string{"kill", "ID", "KILL"}
)

var verbs = []verb{
	{"run detached", nil, []string{"run", "--detach", "ID", "BUNDLE"}},
	{"create", nil, create},
	{"start", [][]string{create}, start},
	{"exec", [][]string{create, start}, []string{"exec", "ID", "true"}},
	{"exec detached", [][]string{create, start}, []string{"exec", "--detach", "ID", "sleep", "1000"}},
	{"kill", [][]string{create, start}, kill},
	{"delete", [][]string{create, start, kill}, []string{"delete", "ID"}},
	{"delete created", [][]string{create}, []string{"delete", "ID"}},
	{"delete running", [][]string{create, start}, []string{"delete", "--force", "ID"}},
}

func verbCalled(name string) *verb {
	for i := range verbs {
		if verbs[i].name == name {
			return &verbs[i]
		}
	}
	panic("no verb " + name)
}

// words replaces ID and BUNDLE in a command.
func (h *host) words(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		switch a {
		case "ID":
			a = h.ID
		case "BUNDLE":
			a = h.Dir
		}
		out[i] = a
	}
	return out
}

// prepare runs the commands that precede a verb.
func (h *host) prepare(v *verb) {
	h.t.Helper()
	for _, args := range v.before {
		h.minirun(h.words(args)...)
		if args[0] == "kill" {
			h.awaitState("stopped")
		}
	}
}

// awaitState waits until a container is in a state: the effect of a signal may take some time.
func (h *host) awaitState(want string) {
	h.t.Helper()
	for end := time.Now().Add(hangLimit); ; time.Sleep(time.Millisecond) {
		text, status := h.try("state", h.ID)
		if status == 0 && strings.Contains(text, `"`+want+`"`) {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("the container is not %s: %s", want, text)
		}
	}
}

// has skips the test if minirun does not have the verb.
func (h *host) has(name string) {
	h.t.Helper()
	text, status := h.try("--help")
	for line := range strings.Lines(text) {
		if f := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' }); len(f) > 0 && f[0] == name {
			return
		}
	}
	h.t.Skipf("minirun has no %s yet (--help: exit status %d)", name, status)
}

// A kind is a container for which minirun takes a different path than for the default one.
type kind struct {
	name   string
	change []func(*specs.Spec)
}

var kinds = []kind{
	{"user namespace", []func(*specs.Spec){testbundle.UserNS}},
	{"no PID namespace", []func(*specs.Spec){testbundle.Without(specs.PIDNamespace)}},
	{"joined PID namespace", []func(*specs.Spec){testbundle.With(specs.PIDNamespace, "/proc/self/ns/pid")}},
	{"limits", []func(*specs.Spec){limits}},
	{"hooks", []func(*specs.Spec){hooks}},
	{"layers", []func(*specs.Spec){layers}},
	{"linked target", []func(*specs.Spec){linkedTarget}},
}

func limits(s *specs.Spec) {
	memory, pids, shares := int64(64<<20), int64(100), uint64(512)
	s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &memory}
	s.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
	s.Linux.Resources.CPU = &specs.LinuxCPU{Shares: &shares}
}

func hooks(s *specs.Spec) {
	host := []specs.Hook{{Path: "/bin/true"}}
	s.Hooks = &specs.Hooks{
		Prestart: host, CreateRuntime: host, Poststart: host, Poststop: host,
		CreateContainer: host, StartContainer: host,
	}
}

// layers makes the root file system an overlay whose upper directory is below the state directory.
func layers(s *specs.Spec) {
	text, _ := json.Marshal([]string{"rootfs", "empty"})
	s.Root.Readonly = false
	s.Annotations = map[string]string{"dev.minirun.layers": string(text)}
}

// linkedTarget mounts through a symbolic link created by makeFiles, about which the new process asks
// its parent.
func linkedTarget(s *specs.Spec) {
	testbundle.AddMount(specs.Mount{Destination: "/linked", Type: "tmpfs", Source: "tmpfs", Options: []string{"ro"}})(s)
}

// makeFiles creates the upper directory of the layers, and the link of linkedTarget.
func (h *host) makeFiles() error {
	h.Link("/mnt", "/linked")
	return os.MkdirAll(filepath.Join(h.Dir, "empty"), 0o755)
}
