package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/engine/volumes"
	"github.com/minirun/minirun/internal/image"
)

// Settings are the flags of `run IMAGE`, with Docker's names and meanings, after their values were
// checked.
type Settings struct {
	image.Wishes
	config.Settings

	Interactive bool // standard input is passed to the container
	Detach      bool
	Remove      bool
	Restart     RestartPolicy
	Pull        string // missing, always or never
	Platform    string // OS/ARCHITECTURE; "": this machine's
	Quiet       bool   // no progress of a pull
	Groups      []string
	CIDFile     string
	StopTimeout *int // seconds
	NoLog       bool // the output of a detached container is discarded

	MonitorFlags []string // flags of run that are also for later starts

	Mounts      []volumes.Mount
	VolumesFrom []VolumesFrom
	Network     string   // none, host or bridge; "": none, or bridge with Publish
	Publish     []string // [[IP:]HOST:]CONTAINER[/PROTOCOL]
	Expose      []string // PORT[/PROTOCOL]
	CDI         []string // names of CDI devices

	NoHealth            bool
	HealthCommand       string
	HealthInterval      time.Duration
	HealthTimeout       time.Duration
	HealthStart         time.Duration
	HealthStartInterval time.Duration
	HealthRetries       int
}

// VolumesFrom is one value of --volumes-from.
type VolumesFrom struct {
	Container string
	ReadOnly  bool
}

// Check checks settings that do not depend on the image.
func (s *Settings) Check() error {
	if s.Name != "" {
		if err := checkName(s.Name); err != nil {
			return err
		}
	}
	if s.Cwd != "" && !strings.HasPrefix(s.Cwd, "/") {
		return fmt.Errorf("--workdir %q: must be an absolute path", s.Cwd)
	}
	if err := s.CheckCapabilities(); err != nil {
		return err
	}
	for _, p := range s.Publish {
		if err := CheckPort(p); err != nil {
			return err
		}
	}
	_, err := s.network()
	return err
}

// network returns the effective network mode.
func (s *Settings) network() (string, error) {
	mode := s.Network
	if mode == "" {
		mode = "none"
		if len(s.Publish) > 0 {
			mode = "bridge"
		}
	}
	if !slices.Contains([]string{"none", "host", "bridge"}, mode) {
		return "", fmt.Errorf("--network %q: must be none, host or bridge", mode)
	}
	if len(s.Publish) > 0 && mode != "bridge" {
		return "", fmt.Errorf("--publish needs --network bridge, not --network %s", mode)
	}
	return mode, nil
}
