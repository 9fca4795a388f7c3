package main

import (
	"strings"

	"golang.org/x/sys/unix"
)

// An area is a part of the source code with a file of the catalogue.
type area struct {
	name  string
	paths string // prefixes of its files' paths
}

// areas lists the areas. A message in several areas belongs to the first of them.
var areas = []area{
	{"system", ""}, // messages of the kernel and of Go's library
	{"help", ""},   // usages and descriptions of commands and flags, wherever they are
	{"cmdline", "internal/cmdline internal/helper internal/hint internal/messages internal/nearest internal/noun " +
		"internal/runtarget internal/newbundle internal/views internal/atomicfile internal/regularfile " +
		"internal/linkwalk internal/ctxio internal/flock internal/keyvalue internal/formatter internal/prompt " +
		"internal/termtext internal/stdio internal/language internal/retry cmd/minirun/"},
	{"plan", "internal/plan internal/rootfs internal/namespaces internal/process internal/handshake " +
		"internal/container/compile internal/bootstrap internal/seccomp internal/overlay internal/capability"},
	{"trace", "internal/trace internal/inspect internal/compare"},
	{"doctor", "internal/doctor"},
	{"spec", "internal/spec"},
	{"engine", "internal/engine cmd/minirun-engine internal/cni"},
	{"image", "internal/image cmd/minirun-image internal/compression internal/outbound"},
	{"build", "internal/build cmd/minirun-image/build cmd/minirun-bake"},
	{"lab", "internal/lab cmd/minirun-lab"},
	{"container", "internal cmd"}, // the others
}

// excluded are files whose strings users do not read.
var excluded = []string{"internal/translate", "cmd/minirun-translate", "internal/seccomp/gen", "internal/spec/spectest",
	"internal/tartest", "internal/completion"}

func isExcluded(name string) bool {
	for _, prefix := range excluded {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func areaNames() (names []string) {
	for _, a := range areas {
		names = append(names, a.name)
	}
	return names
}

// areaOf returns the area of a file: that with the longest prefix of its path.
func areaOf(file string) (name string) {
	longest := 0
	for _, a := range areas {
		for _, prefix := range strings.Fields(a.paths) {
			if strings.HasPrefix(file, prefix) && len(prefix) > longest {
				name, longest = a.name, len(prefix)
			}
		}
	}
	return name
}

// systemMessages returns what the kernel's error numbers are called, and the forms in which Go's library
// reports them.
func systemMessages() map[string]string {
	found := map[string]string{}
	for number := unix.Errno(1); number < 134; number++ {
		if text := number.Error(); !strings.HasPrefix(text, "errno ") {
			found[text] = "errno " + unix.ErrnoName(number)
		}
	}
	for _, text := range []string{"file does not exist", "file already exists", "file already closed", "unexpected EOF",
		"i/o timeout", "context deadline exceeded", "context canceled", "invalid syntax", "value out of range",
		"exec: %s: executable file not found in $PATH", "%s or %s", "exit status %d", "hint", "warning", "error"} {
		found[text] = "Go's library"
	}
	return found
}
