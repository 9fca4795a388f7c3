package hostfacts

import (
	"fmt"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/spec"
)

// Process looks up what the process depends on.
func (q *Query) Process(setup namespaces.Setup) (process.Input, error) {
	s := q.Spec
	in := process.Input{
		ID: q.ID, Preserve: q.PreserveFDs, NoKeyring: q.NoKeyring, Rootless: q.Rootless(), UserNS: q.inUserNamespace(),
		KeepGroups:    spec.AnnotationSet(s.Annotations, spec.AnnotationKeepGroups),
		DieWithParent: DiesWithParent(s), Waits: q.StartsLater, Rlimits: !setup.Has(unix.CLONE_NEWUSER),
		AppArmor: true, SELinux: true, LastCapability: lastCapability(),
	}
	var err error
	if in.Seccomp, err = compile.Seccomp(s); err != nil {
		return in, err
	}
	in.Init = s.Annotations[spec.AnnotationInit] == "true"
	in.Unreported = !process.FilterAllowsReport(in.Seccomp)
	if n := countListenFDs(); n > 0 {
		in.Listen = n
		in.Preserve = max(in.Preserve, n)
	}
	in.HookOutput = hooks.OutputPaths(q.Bundle, s.Annotations)
	in.PipeModes = findPipeModes(s, setup.Has(unix.CLONE_NEWUSER))
	if linux := s.Linux; linux != nil && len(linux.UIDMappings) > 0 && len(linux.GIDMappings) > 0 {
		in.HostRoot = [2]uint32{findHostID(linux.UIDMappings), findHostID(linux.GIDMappings)}
	}
	if len(s.Process.Rlimits) > 0 && !q.OtherHost {
		var own unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NPROC, &own); err != nil {
			return in, fmt.Errorf("getrlimit RLIMIT_NPROC: %w", err)
		}
		in.ProcessLimit = own.Max
	}
	return in, nil
}

// lastCapability returns the highest capability that the kernel knows: above it prctl
// returns EINVAL.
func lastCapability() int {
	n := unix.CAP_LAST_CAP
	for n > 0 && !knownCapability(n) {
		n--
	}
	for n < 63 && knownCapability(n+1) {
		n++
	}
	return n
}

func knownCapability(n int) bool {
	_, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0)
	return err == nil
}

// findHostID returns the host ID of the user namespace's ID 0.
func findHostID(maps []specs.LinuxIDMapping) uint32 {
	for _, m := range maps {
		if m.ContainerID == 0 {
			return m.HostID
		}
	}
	return 0
}

// countListenFDs returns the number of sockets that systemd's socket activation passes on,
// sd_listen_fds(3); the same rule as in runc.
func countListenFDs() int {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > 1024 {
		return 0
	}
	return n
}

// DiesWithParent reports whether the annotation requests it: the answer to Ready must come from a parent that is alive.
func DiesWithParent(s *specs.Spec) bool { return s.Annotations[spec.AnnotationDieWithParent] == "true" }

// CheckInit refuses an init that could not do its work.
func CheckInit(setup namespaces.Setup, in *process.Input) error {
	path := spec.Key("annotations", spec.AnnotationInit)
	switch {
	case !in.Init:
		return nil
	case setup.New&unix.CLONE_NEWPID == 0:
		return &spec.Error{Path: path, Want: "needs a new PID namespace: add {\"type\": \"pid\"} to linux.namespaces"}
	}
	if call := process.InitNeeds(in.Seccomp); call != "" {
		return &spec.Error{Path: path, Want: "needs the system call " + call +
			", which linux.seccomp does not allow: the filter of the program is also that of the init"}
	}
	return nil
}
