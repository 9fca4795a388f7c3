package connection

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

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
	Link    string                              // the path of its file LinkName
	PID     func(container string) (int, error) // of a running container; 0 if it does not run
}

// Hold prepares the network of a container for a start: it holds the published ports, and finds the
// network namespace to share.
func (s *Start) Hold() (*ports.Held, error) {
	if target, ok := network.Target(s.Network); ok {
		if err := s.linkNamespace(target); err != nil {
			return nil, fmt.Errorf("cannot start container %q: %w", s.Name, err)
		}
	}
	held, err := ports.Hold(s.Ports)
	if err != nil {
		return nil, portError(s.Name, err)
	}
	return held, nil
}

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

// HintAfterFailure returns a hint if a program without a network failed, and a person sees it: it may
// have failed because of that. It returns "" otherwise.
func HintAfterFailure(mode string, isStandard bool, status int) string {
	if status == 0 || !isStandard || mode != network.None || !stdio.Descriptor(2).IsTerminal() {
		return ""
	}
	return "the container had no network, which is the default here\nhint: if it needs one, " + standardHint()
}
