package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/restart"
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
	Restart     restart.Policy
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
	Connection  connection.Flags
	CDI         []string // names of CDI devices

	NoHealth            bool
	HealthCommand       string
	HealthInterval      time.Duration
	HealthTimeout       time.Duration
	HealthStart         time.Duration
	HealthStartInterval time.Duration
	HealthRetries       int

	Init bool // PID 1 is an init
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
	_, err := s.Connection.Plan(s.Hostname)
	return err
}
