package connection

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/engine/ports"
	"github.com/minirun/minirun/internal/stdio"
)

// LinkName is the name of a link to the network namespace of the container whose network is shared. It is
// renewed at each start, because that container's process may be another one.
const LinkName = "netns"

// A Start is a container that is about to be started.
type Start struct {
	Name    string
	Network string // as in its record
	Ports   []ports.Mapping
	Running func() ([]Published, error)         // as of Host
	Failure string                              // the path of its network.Store.FailureFile
	Link    string                              // the path of its file LinkName
	PID     func(container string) (int, error) // of a running container; 0 if it does not run
}

// Hold prepares the network of a container for a start: it holds the published ports, and finds the
// network namespace to share.
func (s *Start) Hold() (*ports.Held, error) {
	if err := os.Remove(s.Failure); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if target, ok := network.Target(s.Network); ok {
		if err := s.linkNamespace(target); err != nil {
			return nil, fmt.Errorf("cannot start container %q: %w", s.Name, err)
		}
	}
	held, err := ports.Hold(s.Ports)
	var used *ports.InUseError
	if errors.As(err, &used) {
		s.nameOwner(used)
	}
	if err != nil {
		return nil, portError(s.Name, err)
	}
	return held, nil
}

// nameOwner replaces the process that has a port by the container that it attends.
func (s *Start) nameOwner(used *ports.InUseError) {
	others, err := s.Running()
	if err != nil { // the process is known
		return
	}
	for _, other := range others {
		if other.Container != s.Name && used.OverlapsAny(other.Ports) {
			used.Owner = ports.ContainerOwner(other.Container)
		}
	}
}

// Explain replaces the error of a container that did not start, if the reason is its network.
func (s *Start) Explain(err error) error {
	text, missing := os.ReadFile(s.Failure)
	if err == nil || missing != nil {
		return err
	}
	return &networkError{fmt.Sprintf("cannot start container %q: %s", s.Name, strings.TrimSpace(string(text))), err}
}

// A networkError is the error of a hook, in the words of the program that it executed.
type networkError struct {
	text  string
	cause error
}

func (e *networkError) Error() string { return e.text }

func (e *networkError) Unwrap() error { return e.cause }

// linkNamespace links to the network namespace of a running container.
func (s *Start) linkNamespace(target string) error {
	pid, err := s.PID(target)
	if err != nil || pid == 0 {
		return fmt.Errorf("container %s, whose network it shares, is not running\nhint: start it first with: "+
			"minirun start %[1]s", target)
	}
	if err := os.Remove(s.Link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(fmt.Sprintf("/proc/%d/ns/net", pid), s.Link)
}

// WarnAfterFailure gives a hint if a program without a network failed, and a person sees it: it may
// have failed because of that.
func WarnAfterFailure(warn func(any), mode string, isStandard bool, status int) {
	if status != 0 && isStandard && mode == network.None && stdio.Descriptor(2).IsTerminal() {
		warn("the container had no network, which is the default here\nhint: if it needs one, " + standardHint())
	}
}

// PortList returns published ports in docker's form, 0.0.0.0:8080->80/tcp, and those that are only
// exposed.
func PortList(published []ports.Mapping, exposed []string) []string {
	out := []string{}
	var inside []string
	for _, m := range published {
		out = append(out, m.String())
		inside = append(inside, m.ContainerText())
	}
	for _, text := range exposed {
		if !slices.Contains(inside, text) {
			out = append(out, text)
		}
	}
	return out
}

// IsFixed reports whether a container's network cannot be changed, because it is not a bridge.
func IsFixed(mode string) bool {
	_, isShared := network.Target(mode)
	return isShared || mode == network.Host || mode == network.None
}
