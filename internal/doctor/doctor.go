// Package doctor checks whether a host can run containers: what works, what does not,
// and how to fix it. It changes nothing. Whatever can be tested is tested; a file's
// content is trusted only where a test would leave something on the host.
//
//	kernel.go    the kernel's version, system calls and features
//	privilege.go what this process may do: capabilities, namespaces, IDs
//	cgroups.go   the controllers
//	software.go  systemd, criu, engines and other runtimes; the state directory
//
// Each check has a part that reads the host, and one that decides what the values mean.
package doctor

import (
	"os"
	"strings"
)

// Verdict is what a finding means for a user who wants to run containers.
type Verdict string

const (
	OK   Verdict = "ok"
	Warn Verdict = "warn" // containers run, some cannot have everything they request
	Fail Verdict = "fail" // no container runs
	Info Verdict = "info"
)

// A Finding is the result of one check.
type Finding struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`
	Fix     string  `json:"do,omitempty"`
}

// Examine runs all checks. state is the directory for containers' state.
func Examine(state string) []Finding {
	findings := []Finding{
		checkKernel(), checkPrivilege(), checkNamespaces(), checkCgroups(),
		checkOverlay(), checkMemfd(), checkSeccomp(), checkSystemCalls(),
		checkUserNamespaces(), checkIDRanges(), checkSecurityModules(),
		checkStateDirectory(state), checkSystemd(), checkCRIU(),
	}
	return append(findings, listPrograms()...)
}

// Worst returns the worst verdict.
func Worst(all []Finding) Verdict {
	worst := OK
	for _, f := range all {
		if f.Verdict == Fail || f.Verdict == Warn && worst == OK {
			worst = f.Verdict
		}
	}
	return worst
}

// readText returns the content of a file without surrounding space, "" if it cannot be
// read.
func readText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
