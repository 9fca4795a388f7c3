// Package apparmor has the AppArmor profile of containers that are created from images, and loads it.
package apparmor

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Default is the name of the profile.
const Default = "minirun-default"

//go:embed minirun-default
var profile string

const (
	profilesFile = "/sys/kernel/security/apparmor/profiles"
	loadFile     = "/sys/kernel/security/apparmor/.replace"
)

// Enabled reports whether the kernel enforces AppArmor profiles.
func Enabled() bool {
	b, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && len(b) > 0 && b[0] == 'Y'
}

// Available reports whether containers can have the default profile: it is loaded, or can be. Without
// apparmor_parser, or where securityfs is not mounted, as in most containers, it cannot be.
func Available() bool {
	return Enabled() && (isLoaded(Default) || parser() != "" && unix.Access(loadFile, unix.W_OK) == nil)
}

// Load loads the default profile unless the kernel has it. Profiles are lost when the machine restarts,
// so each start of a container needs this.
func Load() error {
	if isLoaded(Default) {
		return nil
	}
	cmd := exec.Command(parser(), "--replace", "--skip-cache")
	cmd.Stdin = strings.NewReader(profile)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot load the AppArmor profile %s with apparmor_parser: %w: %s\n"+
			"hint: run the container without it: --security-opt apparmor=unconfined", Default, err,
			strings.TrimSpace(string(out)))
	}
	return nil
}

// HasParser reports whether the program that compiles and loads profiles is installed.
func HasParser() bool { return parser() != "" }

// parser returns the path of apparmor_parser, "" if it is not installed. Users often have no sbin in PATH.
func parser() string {
	for _, name := range []string{"/usr/sbin/apparmor_parser", "/sbin/apparmor_parser", "apparmor_parser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func isLoaded(name string) bool {
	list, err := os.ReadFile(profilesFile)
	return err == nil && listHas(string(list), name)
}

// listHas reports whether a list of profiles has a name. Its lines are NAME (MODE).
func listHas(list, name string) bool {
	for line := range strings.Lines(list) {
		if strings.HasPrefix(line, name+" (") {
			return true
		}
	}
	return false
}
