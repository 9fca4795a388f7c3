package spec

// This file validates the parts that every platform has, and defines the order in
// which a document is checked. A check never looks at the host: anything that depends
// on the kernel or on files is checked by the package that acts on it.

import (
	"encoding/json"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec/strictjson"
)

// minirun's own annotations. Other runtimes ignore them.
const (
	// AnnotationLayers is a JSON list of directories, the lowest layer first, relative
	// to the bundle, that are mounted as an overlay on root.path: ["base", "app"].
	AnnotationLayers = "dev.minirun.layers"
	// AnnotationUpper is the directory that receives the writes to the overlay.
	// Without it they go to the state directory and are deleted with the container.
	AnnotationUpper = "dev.minirun.upper"
	// AnnotationVolatile, "true", means that the upper directory is never mounted
	// again, so overlay need not write all of the file system's data to disk at the
	// end.
	AnnotationVolatile = "dev.minirun.volatile"
	// AnnotationDieWithParent, "true", makes the kernel kill the container's first
	// process, and so all of a PID namespace, when the `minirun run` that waits for it
	// exits, even by SIGKILL.
	AnnotationDieWithParent = "dev.minirun.die-with-parent"
	// AnnotationInit, "true", makes PID 1 a minimal init, which passes signals on to the
	// program and reaps processes.
	AnnotationInit = "dev.minirun.init"
)

// Annotations of other runtimes, with the same meaning.
const (
	// AnnotationHooksStdout and AnnotationHooksStderr are files that the output of all
	// hooks is appended to, relative to the bundle (crun(1)).
	AnnotationHooksStdout = "run.oci.hooks.stdout"
	AnnotationHooksStderr = "run.oci.hooks.stderr"
	// AnnotationCRIUConfig is a configuration file for criu(8), replacing
	// /etc/criu/runc.conf; empty: neither of them (runc's docs/checkpoint-restore.md).
	AnnotationCRIUConfig = "org.criu.config"
)

func validateSpec(p *problems, s *specs.Spec) {
	validateVersion(p, s.Version)
	if s.Process == nil {
		// The specification requires it only at start. runc and crun refuse to create
		// without.
		p.Bad("process", "must be given", "")
	} else {
		validateProcess(p, "process", s.Process)
		validateProcessIDs(p, s)
	}
	switch {
	case s.Root == nil:
		p.Bad("root", "must be given", "")
	case s.Root.Path == "":
		p.Bad("root.path", "must name the directory of the root file system", "")
	default:
		checkText(p, "root.path", s.Root.Path)
	}
	validateUTSName(p, "hostname", s.Hostname, s.Linux)
	validateUTSName(p, "domainname", s.Domainname, s.Linux)
	for i := range s.Mounts {
		validateMount(p, entry("mounts", i), &s.Mounts[i], s.Linux)
	}
	if len(s.Mounts) > 0 && namespace(s.Linux, specs.MountNamespace) == nil {
		p.Warn("mounts", "are visible on the host while the container exists, "+
			"because linux.namespaces has no mount namespace")
	}
	if s.Hooks != nil {
		validateHooks(p, s.Hooks)
	}
	validateAnnotations(p, s.Annotations)
	noteCrunAnnotations(p, s)
	if s.Linux != nil {
		validateLinux(p, s)
	}
	warnPlatforms(p, s)
}

// validateVersion checks ociVersion: SemVer 2.0.0, major version 1. Minor versions are
// compatible in one direction only, but engines declare the newest one they know
// whatever they use, so a newer one is not an error.
func validateVersion(p *problems, v string) {
	if v == "" {
		p.Bad("ociVersion", "must be given", "")
		return
	}
	major, minor, ok := semver(v)
	switch {
	case !ok:
		p.Bad("ociVersion", "must be a semantic version such as "+specs.Version, quote(v))
	case major != 1:
		p.Bad("ociVersion", "must be a version 1 of the specification", quote(v))
	case minor > specs.VersionMinor:
		p.Warn("ociVersion", v+" is newer than "+specs.Version+", the newest known here")
	}
}

// semver parses the numbers of a semantic version, MAJOR.MINOR.PATCH[-PRE][+BUILD].
func semver(v string) (major, minor int, ok bool) {
	core, build, hasBuild := strings.Cut(v, "+")
	core, pre, hasPre := strings.Cut(core, "-")
	parts := strings.Split(core, ".")
	if len(parts) != 3 || hasBuild && !identifiers(build, false) || hasPre && !identifiers(pre, true) {
		return 0, 0, false
	}
	var n [3]int
	for i, s := range parts {
		u, err := strconv.ParseUint(s, 10, 31)
		if err != nil || len(s) > 1 && s[0] == '0' {
			return 0, 0, false
		}
		n[i] = int(u)
	}
	return n[0], n[1], true
}

// Before reports whether ociVersion is a version before major.minor. Some rules have
// changed between versions; a bundle is checked against those that it was written for.
func Before(ociVersion string, major, minor int) bool {
	a, b, ok := semver(ociVersion)
	return ok && (a < major || a == major && b < minor)
}

// identifiers checks the dotted identifiers of a pre-release or build version.
func identifiers(s string, pre bool) bool {
	for id := range strings.SplitSeq(s, ".") {
		numeric := true
		for _, c := range []byte(id) {
			letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-'
			if !letter && (c < '0' || c > '9') {
				return false
			}
			numeric = numeric && !letter
		}
		if id == "" || pre && numeric && len(id) > 1 && id[0] == '0' {
			return false
		}
	}
	return true
}

// validateUTSName checks hostname and domainname. Both belong to the UTS namespace:
// without its own, the container would rename the host.
func validateUTSName(p *problems, field, name string, l *specs.Linux) {
	if name == "" {
		return
	}
	const max = 64 // __NEW_UTS_LEN
	if len(name) > max {
		p.Bad(field, "must not be longer than "+strconv.Itoa(max)+" bytes", quote(name))
	}
	checkText(p, field, name)
	if namespace(l, specs.UTSNamespace) == nil {
		p.Bad(field, "needs a uts namespace in linux.namespaces", "")
	}
}

func validateHooks(p *problems, h *specs.Hooks) {
	validateHookList(p, "hooks.prestart", h.Prestart)
	validateHookList(p, "hooks.createRuntime", h.CreateRuntime)
	validateHookList(p, "hooks.createContainer", h.CreateContainer)
	validateHookList(p, "hooks.startContainer", h.StartContainer)
	validateHookList(p, "hooks.poststart", h.Poststart)
	validateHookList(p, "hooks.poststop", h.Poststop)
}

// maxTimeout is 68 years: a longer time may overflow in nanoseconds.
const maxTimeout = math.MaxInt32

func validateHookList(p *problems, list string, hooks []specs.Hook) {
	for i, h := range hooks {
		if !path.IsAbs(h.Path) {
			p.Bad(entry(list, i)+".path", "must be an absolute path", quote(h.Path))
		}
		checkText(p, entry(list, i)+".path", h.Path)
		checkStrings(p, entry(list, i)+".args", h.Args)
		checkStrings(p, entry(list, i)+".env", h.Env)
		if h.Timeout != nil && (*h.Timeout <= 0 || *h.Timeout > maxTimeout) {
			p.Bad(entry(list, i)+".timeout", "must be a number of seconds from 1 to "+strconv.Itoa(maxTimeout),
				strconv.Itoa(*h.Timeout))
		}
	}
}

func validateAnnotations(p *problems, annotations map[string]string) {
	if _, empty := annotations[""]; empty {
		p.Bad(`annotations[""]`, "must not have an empty key", "")
	}
	for _, k := range sortedKeys(annotations) {
		if strings.IndexByte(k, 0) >= 0 || strings.IndexByte(annotations[k], 0) >= 0 {
			p.Bad(Key("annotations", k), "must not contain a NUL byte", "")
		}
	}
	if _, err := Layers(annotations); err != nil {
		p.Add(err.(*Error))
	}
	if upper, ok := annotations[AnnotationUpper]; ok && upper == "" {
		p.Bad(Key("annotations", AnnotationUpper), "must name a directory", `""`)
	}
	for _, name := range [2]string{AnnotationHooksStdout, AnnotationHooksStderr} {
		if file, ok := annotations[name]; ok && file == "" {
			p.Bad(Key("annotations", name), "must name a file", `""`)
		}
	}
}

// Layers returns the directories in the annotation dev.minirun.layers, the lowest
// first, unchanged; nil if there is no such annotation. The error is an *Error.
func Layers(annotations map[string]string) ([]string, error) {
	text, ok := annotations[AnnotationLayers]
	if !ok {
		return nil, nil
	}
	bad := func(want string) ([]string, error) {
		return nil, &Error{Path: Key("annotations", AnnotationLayers), Want: want, Got: quote(text)}
	}
	var layers []string
	if json.Unmarshal([]byte(text), &layers) != nil || len(layers) == 0 {
		return bad(`must be a JSON list of directories such as ["base", "app"]`)
	}
	var seen strictjson.KeySet
	for _, dir := range layers {
		if dir == "" || strings.IndexByte(dir, 0) >= 0 {
			return bad("must not have an empty directory or one with a NUL byte")
		}
		// An overlay refuses a directory that is already one of its layers (ELOOP).
		if !seen.Add(path.Clean(dir)) {
			return bad("must not name a directory twice")
		}
	}
	return layers, nil
}

// warnPlatforms warns about the sections for other platforms, which have no meaning
// here.
func warnPlatforms(p *problems, s *specs.Spec) {
	const text = "is for another platform and has no effect on Linux"
	if s.Solaris != nil {
		p.Warn("solaris", text)
	}
	if s.Windows != nil {
		p.Warn("windows", text)
	}
	if s.VM != nil {
		p.Warn("vm", text)
	}
	if s.ZOS != nil {
		p.Warn("zos", text)
	}
	if s.FreeBSD != nil {
		p.Warn("freebsd", text)
	}
}

// namespace returns the entry of a namespace type, nil if the container shares the
// namespace of the runtime.
func namespace(l *specs.Linux, t specs.LinuxNamespaceType) *specs.LinuxNamespace {
	if l == nil {
		return nil
	}
	for i := range l.Namespaces {
		if l.Namespaces[i].Type == t {
			return &l.Namespaces[i]
		}
	}
	return nil
}

// checkText refuses a NUL byte, at which the kernel would truncate the string.
func checkText(p *problems, path, s string) {
	if strings.IndexByte(s, 0) >= 0 {
		p.Bad(path, "must not contain a NUL byte", quote(s))
	}
}

// checkPath checks a path whose missing directories are created. The kernel accepts no
// longer one (PATH_MAX), and each component costs steps before that is noticed.
func checkPath(p *problems, field, s string) {
	checkText(p, field, s)
	if len(s) >= unix.PathMax {
		p.Bad(field, "must be shorter than "+strconv.Itoa(unix.PathMax)+" bytes", quote(s))
	}
}

func checkStrings(p *problems, list string, ss []string) {
	for i, s := range ss {
		if strings.IndexByte(s, 0) >= 0 {
			p.Bad(entry(list, i), "must not contain a NUL byte", quote(s))
		}
	}
}

// checkLine refuses control characters in a value that is one line of a kernel file,
// where a newline would start another setting.
func checkLine(p *problems, path, s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			p.Bad(path, "must not contain control characters", quote(s))
			return false
		}
	}
	return true
}

// sortedKeys returns the keys of a map in a fixed order, for messages.
func sortedKeys[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func itoa[I ~int | ~int32 | ~int64](n I) string { return strconv.FormatInt(int64(n), 10) }

func utoa[U ~uint | ~uint16 | ~uint32 | ~uint64](n U) string {
	return strconv.FormatUint(uint64(n), 10)
}
