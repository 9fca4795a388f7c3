// Package architecture enforces the structure of the code: which packages may import which, and what
// the runtime's binary links. Both are data here, checked against the output of the go command, as in
// Go's own go/build/deps_test.go.
package architecture

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/minirun/minirun"

// arrows lists the packages of this module that each package may import. All imports point in one
// direction (docs/architecture.md):
//
//	cmd → {trace, compare, engine} → {inspect, doctor} → container → {cgroups, namespaces, rootfs, process, bootstrap} → {handshake, plan, spec, seccomp}
//	cmd → build → solver → remotecache → {dockerfile, export, executor, filecopy, source} → {graph, contenthash} → image
//
// A new package needs an entry; a new import is allowed only if it points down.
var arrows = map[string]string{
	"cmd/minirun":                     "atomicfile bootstrap cgroups/host cmdline compare container container/child container/control container/criu container/diagnose container/exec container/features container/record container/wait doctor engine engine/connection engine/missing engine/network engine/restart engine/runflags helper image inspect messages namespaces newbundle noun processtable runtarget signals spec startup stdio termtext trace version views",
	"cmd/minirun-systemd":             "systemd systemd/manager", // links D-Bus, which cmd/minirun must not
	"cmd/minirun-engine":              "cmdline completion container container/control dirsize engine engine/attach engine/attachment engine/commit engine/connection engine/containerfiles engine/listing engine/logfile engine/missing engine/network engine/network/listing engine/ports engine/system engine/usage engine/volumes formatter helper image inspect messages namespaces processtable prompt stdio termtext userns version engine/description spec",
	"cmd/minirun-lab":                 "cmdline container helper image lab lab/course lab/needs lab/pack lab/progress lab/screen lab/words lab/workspace messages termtext",
	"internal/lab":                    "lab/course lab/predicate lab/progress lab/words lab/workspace",
	"internal/lab/course":             "",
	"internal/lab/needs":              "cgroups/host helper lab/words newbundle",
	"internal/lab/pack":               "atomicfile helper newbundle",
	"internal/lab/predicate":          "cgroups/host lab/course lab/words ownthread regularfile spec",
	"internal/lab/progress":           "atomicfile flock",
	"internal/lab/screen":             "lab lab/course lab/words",
	"internal/lab/words":              "",
	"internal/lab/workspace":          "atomicfile cgroups/host lab/course lab/predicate lab/progress newbundle spec",
	"cmd/minirun-image":               "atomicfile build build/attest build/devices build/diskusage build/executor build/explain build/export build/graph build/history build/lint build/metadata build/options build/progress build/records build/remotecache build/source cmdline cni ctxio debuglog engine/volumes formatter hint image image/bundle image/command image/imagetools image/listing image/overlay image/store image/transfer inspect interrupt namespaces prompt regularfile retry spec termtext userns stdio",
	"internal/build/diskusage":        "formatter image/store keyvalue termtext",
	"internal/build/history":          "build/progress build/records build/source formatter keyvalue termtext",
	"internal/build/metadata":         "build build/attest build/progress",
	"internal/build/options":          "build/devices build/graph build/source",
	"internal/cni":                    "",
	"internal/formatter":              "termtext",
	"internal/image/bundle":           "atomicfile image image/overlay namespaces regularfile spec termtext",
	"internal/image/command":          "atomicfile build/progress build/source cmdline ctxio formatter image image/browser image/commit image/credentials image/layer image/listing image/overlay image/store image/transfer image/tree inspect namespaces prompt retry termtext stdio",
	"internal/image/credentials":      "atomicfile flock",
	"internal/image/listing":          "formatter image image/layer image/store image/tree inspect keyvalue termtext",
	"internal/userns":                 "namespaces",
	"internal/fileattr":               "",
	"internal/prompt":                 "ctxio termtext stdio",
	"internal/helper":                 "cmdline",
	"internal/nearest":                "",
	"internal/messages":               "atomicfile container/diagnose container/wait debuglog hint signals spec stdio termtext version",
	"internal/version":                "",
	"internal/flock":                  "ctxio",
	"internal/keyvalue":               "",
	"internal/engine/attendance":      "flock",
	"internal/engine/reconfigure":     "spec",
	"internal/engine/restart":         "",
	"internal/engine/description":     "engine engine/network spec",
	"internal/engine/missing":         "cmdline container/record engine hint nearest",
	"internal/engine":                 "atomicfile container container/control container/diagnose container/record container/wait engine/attendance engine/config engine/connection engine/console engine/logfile engine/network engine/ports engine/pull engine/reconfigure engine/restart engine/volumes fileattr flock image namespaces signals spec",
	"internal/build":                  "build/attest build/contenthash build/devices build/dockerfile build/executor build/explain build/export build/graph build/lint build/progress build/remotecache build/solver build/source build/sshagent ctxio image image/layer image/store image/transfer keyvalue retry termtext",
	"internal/build/solver":           "build/contenthash build/dockerfile build/executor build/export build/filecopy build/graph build/progress build/remotecache build/source build/sshagent fileattr image image/overlay image/store namespaces regularfile retry",
	"internal/interrupt":              "",
	"internal/completion":             "termtext",
	"internal/engine/system":          "cgroups/host engine image version",
	"internal/build/dockerfile":       "build/graph image/imageconfig overlay",
	"internal/build/executor":         "build/devices build/graph build/sshagent fileattr flock image image/overlay image/store linkwalk namespaces ownthread regularfile spec stdio",
	"internal/build/filecopy":         "build/contenthash compression ctxio image/layer namespaces regularfile",
	"internal/build/source":           "build/contenthash build/sshagent compression ctxio dirsize flock image/layer outbound regularfile retry",
	"internal/build/export":           "atomicfile build/attest ctxio flock image image/layer image/overlay image/store image/transfer keyvalue namespaces",
	"internal/dirsize":                "",
	"internal/build/remotecache":      "build/export build/progress ctxio flock image image/store image/transfer keyvalue retry",
	"internal/build/lint":             "build/dockerfile image/imageconfig termtext",
	"internal/build/explain":          "build/graph image/layer",
	"internal/build/attest":           "keyvalue regularfile",
	"internal/build/records":          "build/progress flock image image/store",
	"internal/build/progress":         "termtext",
	"internal/build/graph":            "",
	"internal/build/sshagent":         "",
	"internal/build/devices":          "keyvalue spec",
	"internal/build/contenthash":      "build/graph ctxio regularfile",
	"internal/image":                  "ctxio flock namespaces overlay regularfile spec nearest",
	"internal/image/imageconfig":      "",
	"internal/image/layer":            "compression image linkwalk namespaces regularfile",
	"internal/image/imagetools":       "image image/transfer retry termtext",
	"internal/image/overlay":          "overlay ownthread",
	"internal/image/store":            "compression ctxio dirsize flock image image/layer namespaces nearest",
	"internal/image/transfer":         "atomicfile compression ctxio image image/credentials image/imageconfig image/layer image/store outbound regularfile retry",
	"internal/trace":                  "atomicfile container container/observer container/wait inspect plan signals stdio termtext",
	"internal/compare":                "container/wait inspect regularfile signals spec termtext",
	"internal/inspect":                "container/control container/record container/wait image regularfile signals spec stdio termtext",
	"internal/doctor":                 "cgroups/host spec",
	"internal/container":              "bootstrap cgroups/group cgroups/host cgroups/resources cgroups/stats container/child container/compile container/copyup container/criu container/diagnose container/hooks container/hostfacts container/notify container/observer container/openfiles container/record container/terminal container/wait debuglog flock handshake linkwalk namespaces netdevice plan process regularfile resctrl rootfs runtimedir signals spec systemd",
	"internal/container/child":        "atomicfile bootstrap cgroups/group cgroups/host container/diagnose container/observer container/record container/terminal container/wait debuglog handshake plan process regularfile signals spec",
	"internal/container/compile":      "handshake namespaces plan process rootfs seccomp spec",
	"internal/container/control":      "cgroups/group cgroups/host cgroups/resources cgroups/stats container/hostfacts container/record container/wait debuglog resctrl systemd",
	"internal/container/copyup":       "regularfile spec",
	"internal/container/criu":         "atomicfile bootstrap cgroups/group cgroups/host container/compile container/hostfacts container/notify container/record container/terminal container/wait namespaces ownthread rootfs signals spec",
	"internal/container/diagnose":     "namespaces plan process regularfile",
	"internal/container/exec":         "bootstrap cgroups/group cgroups/host container/child container/compile container/diagnose container/hostfacts container/record container/terminal container/wait debuglog handshake namespaces plan process signals spec systemd",
	"internal/container/features":     "seccomp spec",
	"internal/container/hooks":        "atomicfile bootstrap handshake plan process signals spec",
	"internal/container/hostfacts":    "cgroups/group cgroups/host container/compile container/hooks container/terminal namespaces overlay process rootfs spec",
	"internal/container/notify":       "container/wait",
	"internal/container/observer":     "plan stdio",
	"internal/container/openfiles":    "bootstrap container/diagnose namespaces ownthread plan",
	"internal/container/record":       "bootstrap cgroups/group cgroups/host container/wait debuglog flock hint namespaces netdevice resctrl spec spec/strictjson systemd",
	"internal/container/terminal":     "bootstrap container/wait namespaces signals stdio",
	"internal/container/wait":         "signals stdio",
	"internal/atomicfile":             "",
	"internal/bootstrap":              "plan signals",
	"internal/systemd":                "cgroups cgroups/resources",
	"internal/systemd/manager":        "cgroups cgroups/resources spec systemd",
	"internal/cgroups":                "debuglog", // documentation and the tests that need a kernel
	"internal/cgroups/stats":          "cgroups/cgroupfs cgroups/group spec",
	"internal/cgroups/resources":      "cgroups/cgroupfs cgroups/devices cgroups/group cgroups/host debuglog spec",
	"internal/cgroups/group":          "cgroups/cgroupfs cgroups/host debuglog hint",
	"internal/cgroups/devices":        "",
	"internal/cgroups/host":           "",
	"internal/cgroups/cgroupfs":       "debuglog",
	"internal/namespaces":             "handshake plan spec",
	"internal/rootfs":                 "handshake linkwalk namespaces overlay plan spec",
	"internal/process":                "handshake namespaces plan seccomp spec",
	"internal/cmdline":                "nearest termtext stdio",
	"internal/ctxio":                  "",
	"internal/debuglog":               "",
	"internal/linkwalk":               "",
	"internal/ownthread":              "",
	"internal/outbound":               "debuglog",
	"internal/termtext":               "",
	"internal/overlay":                "",
	"internal/compression":            "",
	"internal/hint":                   "",
	"internal/noun":                   "cmdline",
	"internal/runtimedir":             "",
	"internal/handshake":              "plan",
	"internal/plan":                   "capability termtext",
	"internal/netdevice":              "ownthread spec",
	"internal/regularfile":            "",
	"internal/resctrl":                "",
	"internal/retry":                  "ctxio",
	"internal/seccomp":                "",
	"internal/seccomp/gen":            "",
	"internal/signals":                "",
	"internal/spec":                   "capability spec/strictjson",
	"internal/startup":                "",
	"internal/stdio":                  "",
	"internal/spec/spectest":          "", // used only by tests
	"internal/spec/strictjson":        "nearest",
	"internal/tartest":                "", // used only by tests
	"internal/engine/logfile":         "",
	"internal/engine/console":         "",
	"internal/engine/attachment":      "engine/console stdio",
	"internal/engine/listing":         "cmdline dirsize engine engine/connection formatter image inspect termtext",
	"internal/processtable":           "bootstrap",
	"internal/runtarget":              "container/record image nearest",
	"internal/capability":             "",
	"internal/newbundle":              "spec",
	"internal/engine/runflags":        "cmdline container/control container/record engine engine/config engine/connection engine/network engine/volumes image spec",
	"internal/engine/config":          "image namespaces spec",
	"internal/engine/pull":            "image",
	"internal/engine/volumes":         "atomicfile keyvalue",
	"internal/views":                  "cgroups/host container container/control container/record engine runtarget trace",
	"internal/engine/attach":          "cni engine/network engine/ports", // links CNI's library, which cmd/minirun must not
	"internal/engine/connection":      "engine/network engine/ports helper namespaces stdio",
	"internal/engine/network":         "atomicfile flock nearest",
	"internal/engine/network/listing": "cmdline engine/network formatter keyvalue termtext",
	"internal/engine/ports":           "",
	"internal/engine/usage":           "cgroups/stats container/control engine formatter termtext stdio",
	"internal/engine/containerfiles":  "container/record engine image/layer image/overlay inspect linkwalk namespaces ownthread regularfile",
	"internal/image/tree":             "image/layer",
	"internal/image/browser":          "image/tree termtext",
	"internal/image/commit":           "build/export image image/bundle image/store image/transfer regularfile",
	"internal/engine/commit":          "container/control container/record engine messages",
}

// level is the layer of each package in this module. An import must point to a lower layer, or stay
// in the layer of the helpers.
var level = map[string]int{
	"cmd": 0, "lab/screen": 2, "lab": 3, "lab/needs": 4, "lab/pack": 4, "lab/workspace": 5, "lab/predicate": 6,
	"lab/progress": 7, "lab/course": 8, "lab/words": 8, "image/command": 4, "build/diskusage": 5, "build/history": 5, "build/metadata": 5, "build/options": 5,
	"engine/runflags": 5, "image/browser": 5, "image/listing": 5, "views": 5, "image/commit": 6, "engine/commit": 9,
	"engine/containerfiles": 9, "engine/description": 9, "engine/listing": 9, "engine/missing": 9, "engine/system": 9,
	"engine/usage": 9, "build": 10, "compare": 10, "engine": 10, "trace": 10, "build/explain": 11, "build/lint": 11,
	"build/solver": 11, "engine/attach": 11, "engine/connection": 11, "engine/network/listing": 11,
	"build/remotecache": 12, "engine/network": 12, "build/dockerfile": 13, "build/executor": 13, "build/export": 13,
	"build/filecopy": 13, "build/progress": 13, "build/source": 13, "engine/ports": 13, "build/attest": 14,
	"build/contenthash": 14, "build/devices": 14, "build/sshagent": 14, "build/graph": 15, "engine/config": 15,
	"engine/pull": 15, "image/bundle": 15, "image/imagetools": 15, "image/tree": 15, "doctor": 20,
	"engine/attachment": 20, "image/transfer": 20, "inspect": 20, "messages": 25, "runtarget": 25, "container": 30,
	"container/control": 30, "container/exec": 30, "container/features": 30, "image/store": 30, "container/child": 31,
	"container/copyup": 31, "container/criu": 31, "container/openfiles": 31, "container/diagnose": 32,
	"container/hostfacts": 32, "container/notify": 32, "container/observer": 32, "container/record": 32,
	"container/compile": 33, "container/hooks": 33, "container/terminal": 33, "container/wait": 34, "processtable": 39,
	"bootstrap": 40, "image": 40, "image/credentials": 40, "process": 40, "rootfs": 40, "systemd": 40, "userns": 40,
	"cgroups": 50, "namespaces": 50, "cgroups/resources": 51, "cgroups/stats": 51, "cgroups/group": 52,
	"cgroups/devices": 53, "cgroups/host": 53, "cgroups/cgroupfs": 54, "completion": 60, "engine/attendance": 60,
	"engine/console": 60, "engine/logfile": 60, "engine/reconfigure": 60, "engine/restart": 60, "engine/volumes": 60,
	"formatter": 60, "handshake": 60, "netdevice": 60, "newbundle": 60, "noun": 60, "prompt": 60, "retry": 60,
	"flock": 65, "helper": 65, "atomicfile": 70, "cmdline": 70, "cni": 70, "compression": 70, "ctxio": 70,
	"dirsize": 70, "fileattr": 70, "filelock": 70, "keyvalue": 70, "linkwalk": 70, "outbound": 70, "plan": 70,
	"regularfile": 70, "resctrl": 70, "seccomp": 70, "signals": 70, "spec": 70, "stdio": 75, "capability": 80,
	"debuglog": 80, "hint": 80, "interrupt": 80, "overlay": 80, "ownthread": 80, "runtimedir": 80,
	"spec/strictjson": 80, "startup": 80, "termtext": 80, "version": 80, "nearest": 90,
}

// A goPackage is an entry in the output of `go list -json`.
type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Module     *struct{ Path, Version string }
}

func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,Module"}, args...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// TestImportsAreAllowed: packages import only what arrows allows, and all of it is used.
func TestImportsAreAllowed(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range goList(t, "./cmd/...", "./internal/...") {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, ok := arrows[from]
		if !ok {
			t.Errorf("%s is new: add a line to arrows (tests/architecture) with the packages that it may import", from)
			continue
		}
		seen[from] = true
		for _, to := range p.Imports {
			to, ours := strings.CutPrefix(to, module+"/internal/")
			if ours && !slices.Contains(strings.Fields(allowed), to) {
				t.Errorf("%s imports internal/%s, which arrows does not allow: move the code that it needs to a lower package, or let the caller pass it", from, to)
			}
		}
	}
	for from := range arrows {
		if !seen[from] && from != "internal/seccomp/gen" {
			t.Errorf("arrows has a line for %s, which does not exist", from)
		}
	}
}

// TestAllowedImportsPointDown: the table itself has no import that points up.
func TestAllowedImportsPointDown(t *testing.T) {
	floor := func(path string) int {
		path = strings.TrimPrefix(path, "internal/")
		n, ok := level[path]
		if !ok {
			first, _, _ := strings.Cut(path, "/")
			n, ok = level[first]
		}
		if !ok {
			t.Errorf("%s has no entry in level", path)
		}
		return n
	}
	for from, list := range arrows {
		for _, to := range strings.Fields(list) {
			if floor(to) <= floor(from) && !strings.HasPrefix(from, "internal/"+to+"/") {
				t.Errorf("arrows allows %s to import %s, which is not on a lower level", from, to)
			}
		}
	}
}

// linked.txt lists the packages that cmd/minirun links, one per line, with a reason after a #.
// Engines start the binary for every step of a container's life, so each package adds to the 1.1 ms
// that starting an empty program takes, for every user.
const linkedFile = "linked.txt"

// TestLinkedPackages: cmd/minirun links exactly the packages in linked.txt.
func TestLinkedPackages(t *testing.T) {
	data, err := os.ReadFile(linkedFile)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		name, reason, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if strings.TrimSpace(reason) == "" {
			t.Errorf("%s: %s has no reason after a #", linkedFile, name)
		}
		listed[name] = true
	}
	linked := map[string]bool{}
	for _, p := range goList(t, "-deps", "-tags", "urfave_cli_no_docs", "./cmd/minirun") {
		// The internals of the standard library are not checked.
		if strings.HasPrefix(p.ImportPath, module+"/") || p.Standard && (strings.Contains(p.ImportPath, "internal") || strings.HasPrefix(p.ImportPath, "vendor/")) {
			continue
		}
		linked[p.ImportPath] = true
		if !listed[p.ImportPath] {
			t.Errorf(`cmd/minirun now links %[1]s. If it is worth the cost, add it to tests/architecture/%[2]s with a reason. Measure first:
	make bench-start                                     the time of a start, before and after
	GODEBUG=inittrace=1 bin/minirun --version            the time of its initialisation
	go list -deps -f '{{.ImportPath}}: {{.Imports}}' ./cmd/minirun | grep %[1]s     which packages import it`, p.ImportPath, linkedFile)
		}
	}
	for name := range listed {
		if !linked[name] {
			t.Errorf("%s lists %s, which is no longer linked: remove the line", linkedFile, name)
		}
	}
}

// TestNoCgo: the product is pure Go, so the binary is static and the build
// needs no C compiler.
func TestNoCgo(t *testing.T) {
	for _, p := range goList(t, "-deps", "-tags", "urfave_cli_no_docs", "./cmd/minirun") {
		if p.ImportPath == "C" || p.ImportPath == "runtime/cgo" || slices.Contains(p.Imports, "C") {
			t.Errorf("%s uses cgo", p.ImportPath)
		}
	}
}

// TestOpenat2IsRetried: openat2(2) fails with EAGAIN while anything on the machine is renamed, so
// it is called in only one place, which retries.
func TestOpenat2IsRetried(t *testing.T) {
	forEachFile(t, func(path, text string) {
		if strings.Contains(text, "unix.Openat2(") && !strings.HasSuffix(path, "internal/regularfile/regularfile.go") && !strings.HasSuffix(path, "internal/doctor/kernel.go") {
			t.Errorf("%s: use regularfile.Openat2", path)
		}
	})
}

// forEachFile reads the source files of the programs, except tests.
func forEachFile(t *testing.T, do func(path, text string)) {
	t.Helper()
	for _, root := range []string{"../../cmd", "../../internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err == nil {
				do(path, string(text))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestTablesEscapeControlCharacters: a file that prints a table prints its cells through termtext, so
// that no name in an image can send control sequences to the terminal.
func TestTablesEscapeControlCharacters(t *testing.T) {
	tables := 0
	forEachFile(t, func(path, text string) {
		if !strings.Contains(text, `"text/tabwriter"`) {
			return
		}
		tables++
		for n, line := range strings.Split(text, "\n") {
			if strings.Contains(line, "fmt.Fprint") && strings.Contains(line, "%") {
				t.Errorf("%s:%d: use termtext.Fprintf: %s", path, n+1, strings.TrimSpace(line))
			}
			if strings.Contains(line, "termtext.Fprintln") && strings.Contains(line, `\t`) {
				t.Errorf("%s:%d: termtext.Fprintln escapes the tabs of its arguments, use termtext.Fprintf: %s", path, n+1, strings.TrimSpace(line))
			}
		}
	})
	if tables < 5 {
		t.Errorf("only %d files print tables: is the search still right?", tables)
	}
}
