package image

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/nearest"
	"github.com/minirun/minirun/internal/overlay"
	"github.com/minirun/minirun/internal/spec"
)

// Wishes are the command-line settings that override the image's configuration.
type Wishes struct {
	Args       []string // replaces CMD
	Entrypoint *string  // replaces ENTRYPOINT and disables CMD; "" for none
	Env        []string // NAME=VALUE
	Cwd        string
	User       string // USER[:GROUP]
	Labels     map[string]string
	StopSignal string
	Terminal   bool
}

// Argv returns the command that a container runs: ENTRYPOINT, followed by the arguments given by
// the user or else CMD. An ENTRYPOINT from the command line disables the image's CMD, which was
// written for another program.
func Argv(c Execution, w Wishes) ([]string, error) {
	entrypoint, args := c.Entrypoint, w.Args
	if w.Entrypoint != nil {
		entrypoint = nil
		if *w.Entrypoint != "" {
			entrypoint = []string{*w.Entrypoint}
		}
	} else if len(args) == 0 {
		args = c.Cmd
	}
	argv := append(slices.Clone(entrypoint), args...)
	if len(argv) == 0 {
		return nil, errors.New("nothing to run: the image has neither ENTRYPOINT nor CMD\nhint: give a command after " +
			"the image name")
	}
	return argv, nil
}

// Environment returns the image's environment, changed by the given variables. PATH and, with a
// terminal, TERM are appended if they are not set.
func Environment(image []string, w Wishes) []string {
	var out []string
	at := map[string]int{}
	set := func(entry string) {
		name, _, _ := strings.Cut(entry, "=")
		if i, ok := at[name]; ok {
			out[i] = entry
			return
		}
		at[name] = len(out)
		out = append(out, entry)
	}
	for _, e := range append(slices.Clone(image), w.Env...) {
		set(e)
	}
	defaults := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if w.Terminal {
		defaults = append(defaults, "TERM=xterm")
	}
	for _, e := range defaults {
		if name, _, _ := strings.Cut(e, "="); !has(at, name) {
			set(e)
		}
	}
	return out
}

func has(m map[string]int, name string) bool { _, ok := m[name]; return ok }

// Convert converts an image's configuration to the fields of config.json (image-spec,
// conversion.md) in a specification with minirun's defaults. The caller has already looked up the
// user: see [LookUp].
func Convert(c Config, w Wishes, who specs.User) (*specs.Spec, error) {
	argv, err := Argv(c.Config, w)
	if err != nil {
		return nil, err
	}
	s := Defaults()
	p := s.Process
	p.Args, p.User, p.Terminal = argv, who, w.Terminal
	p.Env = Environment(c.Config.Env, w)
	if p.Cwd = cmp.Or(w.Cwd, c.Config.WorkingDir, "/"); !strings.HasPrefix(p.Cwd, "/") {
		return nil, fmt.Errorf("working directory %q: must be an absolute path", p.Cwd)
	}
	s.Annotations = annotations(c, w)
	return s, nil
}

// annotations returns the image's properties, the labels that describe it, and the user's labels. A
// label overrides a property of the same name.
func annotations(c Config, w Wishes) map[string]string {
	const prefix = "org.opencontainers.image."
	out := map[string]string{}
	for name, value := range map[string]string{
		"os": c.OS, "architecture": c.Architecture, "variant": c.Variant, "os.version": c.OSVersion,
		"os.features": strings.Join(c.OSFeatures, ","),
		"author":      c.Author, "stopSignal": cmp.Or(w.StopSignal, c.Config.StopSignal),
		"exposedPorts": strings.Join(slices.Sorted(maps.Keys(c.Config.ExposedPorts)), ","),
	} {
		if value != "" {
			out[prefix+name] = value
		}
	}
	if c.Created != nil {
		out[prefix+"created"] = c.Created.UTC().Format(time.RFC3339Nano)
	}
	for name, value := range c.Config.Labels {
		if isAnnotation(name) {
			out[name] = value
		}
	}
	maps.Copy(out, w.Labels)
	return out
}

// annotationPrefixes are the prefixes of the labels that become annotations. Both namespaces are reserved
// for metadata that describes an image (image-spec, annotations.md, "Rules").
//
// Annotations also control runtimes where config.json has no field: systemd's properties, criu's
// configuration, crun's handlers (run.oci., krun., module.wasm.), and settings of Kata and gVisor.
// Each release adds new ones, and runc stores "bundle" there, so a list of exclusions would never
// be complete. The author of an image may describe it, but not control what the host does with it.
// The user may do both, with --label.
var annotationPrefixes = []string{"org.opencontainers.image.", "org.label-schema."}

func isAnnotation(label string) bool {
	return slices.ContainsFunc(annotationPrefixes, func(prefix string) bool { return strings.HasPrefix(label, prefix) })
}

// Defaults returns the specification of a container created from an image before the settings of
// the image and the user are applied: Docker's capabilities, mounts and masks, except the masks
// that depend on the host ([spec.HostMasks]). The root file system is writable, since the changes
// go to an upper directory.
func Defaults() *specs.Spec {
	s := spec.Default(false)
	p := s.Process
	p.Terminal, p.Args, p.NoNewPrivileges, p.Rlimits = false, nil, false, nil
	p.Capabilities = &specs.LinuxCapabilities{}
	SetCapabilities(p.Capabilities, capabilities)
	s.Hostname = ""
	s.Root.Readonly = false
	for i := range s.Mounts {
		if m := &s.Mounts[i]; m.Type == "proc" { // like Docker and BuildKit; `runc spec` sets no options
			m.Options = []string{"nosuid", "noexec", "nodev"}
		}
	}
	return s
}

// capabilities is Docker's default set.
var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

// SetCapabilities gives a process these capabilities, but not as inheritable or ambient ones: a
// program's file capabilities would then grant more than the image intended (CVE-2022-24769).
func SetCapabilities(c *specs.LinuxCapabilities, names []string) {
	c.Bounding, c.Effective, c.Permitted = slices.Clone(names), slices.Clone(names), slices.Clone(names)
}

// unknownCapability reports a capability that the kernel does not have.
func unknownCapability(name string, known []string) error {
	if near := nearest.Word(name, known); near != "" {
		return fmt.Errorf("unknown capability %s\nhint: did you mean %s?", name, near)
	}
	return fmt.Errorf("unknown capability %s (this kernel does not support it)\nhint: man 7 capabilities lists them", name)
}

// Capabilities applies --cap-add and --cap-drop to the default set. known are those of the kernel, and
// ALL stands for all, those that minirun has. Names may omit CAP_ and be in lower case.
func Capabilities(add, drop, known, all []string) ([]string, error) {
	full := func(names []string) ([]string, error) {
		var out []string
		for _, n := range names {
			n = strings.ToUpper(n)
			if n != "ALL" && !strings.HasPrefix(n, "CAP_") {
				n = "CAP_" + n
			}
			if n != "ALL" && !slices.Contains(known, n) {
				return nil, unknownCapability(n, known)
			}
			out = append(out, n)
		}
		return out, nil
	}
	add, err := full(add)
	if err != nil {
		return nil, err
	}
	if drop, err = full(drop); err != nil {
		return nil, err
	}
	// As in Docker: drop ALL, then add; or start with ALL and remove what is dropped.
	set := capabilities
	switch {
	case slices.Contains(add, "ALL"):
		set = all
	case slices.Contains(drop, "ALL"):
		set = nil
	}
	var out []string
	for _, n := range append(slices.Clone(set), add...) {
		dropped := slices.Contains(drop, n) && !slices.Contains(add, n)
		if n != "ALL" && !dropped && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}

// SetLayers makes layers, lowest first, the root file system of a configuration, below an upper
// directory that receives the changes. If upper is "", the directory is removed with the container.
func SetLayers(s *specs.Spec, layers []string, upper string) {
	if s.Annotations == nil {
		s.Annotations = map[string]string{}
	}
	layers = overlay.Distinct(layers)
	quoted := make([]string, len(layers))
	for i, l := range layers {
		quoted[i] = strconv.Quote(l)
	}
	s.Annotations[spec.AnnotationLayers] = "[" + strings.Join(quoted, ",") + "]"
	if upper != "" {
		s.Annotations[spec.AnnotationUpper] = upper
	}
}
