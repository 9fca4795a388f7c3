package exec

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/spec"
)

// This file determines the process that `exec` runs: that of --process, or the
// container's own from config.json with the changes of the command line.

// execName names the command line in messages, instead of a document.
const execName = "exec"

// checkArguments refuses contradictory options before anything is looked up. The messages about
// terminals are runc's.
func (o *Options) checkArguments() error {
	switch {
	case o.ProcessFile == "" && len(o.Args) == 0:
		return errors.New("exec: which program? process args cannot be empty")
	case o.ProcessFile != "" && len(o.Args) > 0:
		return fmt.Errorf("exec: --process %s specifies the command: the arguments %q must not be given too",
			o.ProcessFile, o.Args)
	case o.PreserveFDs < 0 || o.PreserveFDs > child.MaxPreserveFDs:
		return fmt.Errorf("exec: --preserve-fds %d: must be from 0 to %d", o.PreserveFDs, child.MaxPreserveFDs)
	}
	if o.ProcessFile == "" {
		return nil
	}
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"cwd", o.Cwd != ""}, {"env", len(o.Env) > 0}, {"user", o.User != ""}, {"additional-gids", len(o.Gids) > 0},
		{"cap", len(o.Caps) > 0},
		{"no-new-privs", o.NoNewPrivileges != nil}, {"process-label", o.Label != ""}, {"apparmor", o.AppArmor != ""},
	} {
		if f.given {
			return fmt.Errorf("exec: --%s has no effect with --process: set it in %s", f.name, o.ProcessFile)
		}
	}
	return nil
}

// checkTerminal refuses a terminal that no process would hold, and a socket that would
// get none.
func (o *Options) checkTerminal(terminal bool) error {
	switch {
	case terminal && o.Detach && o.ConsoleSocket == "":
		return errors.New("exec: cannot allocate tty if minirun will detach without setting console socket: give " +
			"--console-socket")
	case o.ConsoleSocket != "" && !(terminal && o.Detach):
		return errors.New("exec: cannot use console socket if minirun will not detach or allocate tty: it needs " +
			"--detach and --tty")
	}
	return nil
}

// determineProcess returns the process to run in a container of s. Capabilities and labels that
// --process omits are those of the container, as in runc: without them it would run
// with other privileges than the container's own program.
func (o *Options) determineProcess(s *specs.Spec) (*specs.Process, error) {
	own := s.Process
	if own == nil {
		own = &specs.Process{Cwd: "/"}
	}
	if o.ProcessFile != "" {
		p, warnings, err := spec.LoadProcess(o.ProcessFile)
		if err != nil {
			return nil, err
		}
		for _, w := range warnings {
			o.Warn(w)
		}
		if p.Capabilities == nil {
			p.Capabilities = own.Capabilities
		}
		setDefault(&p.ApparmorProfile, own.ApparmorProfile)
		setDefault(&p.SelinuxLabel, own.SelinuxLabel)
		if p.OOMScoreAdj == nil {
			p.OOMScoreAdj = own.OOMScoreAdj
		}
		_, err = spec.ValidateExec(s, p, o.ProcessFile)
		return p, err
	}
	p, err := o.changeProcess(*own)
	if err != nil {
		return nil, err
	}
	_, err = spec.ValidateExec(s, p, execName) // its warnings are about the container, and create has printed them
	return p, err
}

func setDefault(value *string, from string) {
	if *value == "" {
		*value = from
	}
}

// changeProcess returns the container's process with the changes of the command line.
func (o *Options) changeProcess(p specs.Process) (*specs.Process, error) {
	p.Args, p.Terminal, p.ConsoleSize = o.Args, o.Terminal, nil
	if o.Cwd != "" {
		p.Cwd = o.Cwd
	}
	p.Env = slices.Concat(p.Env, o.Env)
	if o.NoNewPrivileges != nil {
		p.NoNewPrivileges = *o.NoNewPrivileges
	}
	if o.Label != "" {
		p.SelinuxLabel = o.Label
	}
	if o.AppArmor != "" {
		p.ApparmorProfile = o.AppArmor
	}
	var caps []string
	for _, name := range o.Caps {
		if _, known := spec.Capability(name); known {
			caps = append(caps, name)
			continue
		}
		o.Warn(fmt.Sprintf("exec: --cap %q is not a capability known here and is not granted", name)) // as in runc
	}
	if len(caps) > 0 {
		p.Capabilities = withCapabilities(p.Capabilities, caps)
	}
	return &p, o.changeUser(&p.User)
}

// changeUser changes IDs. Names are not looked up, as in runc: the container's /etc/passwd
// cannot be trusted for the identity of users.
func (o *Options) changeUser(u *specs.User) error {
	if o.User != "" {
		uid, gid, both := strings.Cut(o.User, ":")
		n, err := parseID(uid)
		if err != nil {
			return fmt.Errorf("exec: --user %q: must be UID[:GID], in numbers", o.User)
		}
		u.UID = n
		if both {
			if u.GID, err = parseID(gid); err != nil {
				return fmt.Errorf("exec: --user %q: must be UID[:GID], in numbers", o.User)
			}
		}
	}
	u.AdditionalGids = slices.Clone(u.AdditionalGids)
	if o.OwnGids {
		u.AdditionalGids = nil
	}
	for _, text := range o.Gids {
		gid, err := parseID(text)
		if err != nil {
			return fmt.Errorf("exec: --additional-gids %q: must be a number", text)
		}
		u.AdditionalGids = append(u.AdditionalGids, gid)
	}
	return nil
}

// parseID parses an ID. The largest 32-bit number is not an ID: setresuid(2) treats it
// as "no change".
func parseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err == nil && n == math.MaxUint32 {
		err = strconv.ErrRange
	}
	return uint32(n), err
}

// withCapabilities adds capabilities to the sets that root gets. Inheritable stays
// unchanged: the container decides what a program may pass on (CVE-2022-29162).
func withCapabilities(own *specs.LinuxCapabilities, more []string) *specs.LinuxCapabilities {
	c := specs.LinuxCapabilities{}
	if own != nil {
		c = *own
	}
	for _, set := range [4]*[]string{&c.Bounding, &c.Effective, &c.Permitted, &c.Ambient} {
		*set = slices.Concat(*set, more)
	}
	return &c
}

// subCgroups returns a container's cgroups with those that --cgroup replaces by one
// below: "PATH" in all hierarchies, "CONTROLLER[,CONTROLLER]:PATH" in some. A path
// that leads out of the container's cgroup is refused.
func subCgroups(own map[string]string, flags []string) (map[string]string, error) {
	out := make(map[string]string, len(own))
	for controller, dir := range own {
		out[controller] = dir
	}
	for _, flag := range flags {
		list, path, named := strings.Cut(flag, ":")
		if !named {
			list, path = "", flag
		}
		sub, err := subPath(path)
		if err != nil {
			return nil, fmt.Errorf("exec: --cgroup %q: %w", flag, err)
		}
		for name := range strings.SplitSeq(list, ",") {
			if _, known := own[name]; !known && named {
				return nil, fmt.Errorf("exec: --cgroup %q: the container has no cgroup for controller %q", flag, name)
			}
			for controller, dir := range own {
				// "cpu" and "cpuacct" may be one hierarchy.
				if !named || dir == own[name] {
					out[controller] = dir + sub
				}
			}
		}
	}
	return out, nil
}

// subPath cleans a path below a cgroup: "" or "/a/b".
func subPath(path string) (string, error) {
	var out strings.Builder
	for name := range strings.SplitSeq(path, "/") {
		switch name {
		case "", ".":
		case "..":
			return "", errors.New("must not lead out of the container's cgroup: it contains \"..\"")
		default:
			out.WriteString("/" + name)
		}
	}
	return out.String(), nil
}
