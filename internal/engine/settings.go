package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine/volumes"
	"github.com/minirun/minirun/internal/image"
)

// Settings are the flags of `run IMAGE`, with Docker's names and meanings, after their values were
// checked.
type Settings struct {
	image.Wishes
	Name       string
	Hostname   string // "": the container's name
	Domainname string

	Interactive bool // standard input is passed to the container
	Detach      bool
	Remove      bool
	Pull        string // missing, always or never
	Platform    string // OS/ARCHITECTURE; "": this machine's
	Quiet       bool   // no progress of a pull
	Groups      []string
	CIDFile     string
	StopTimeout *int // seconds
	NoLog       bool // the output of a detached container is discarded

	Mounts      []volumes.Mount
	VolumesFrom []VolumesFrom
	Network     string   // none, host or bridge; "": none, or bridge with Publish
	Publish     []string // [[IP:]HOST:]CONTAINER[/PROTOCOL]
	Expose      []string // PORT[/PROTOCOL]

	Resources    specs.LinuxResources // without devices
	Rlimits      []specs.POSIXRlimit
	OOMScoreAdj  *int
	CgroupParent string
	ShmSize      int64 // 0: the default
	ReadOnly     bool

	Privileged  bool
	CapAdd      []string
	CapDrop     []string
	Security    Security
	Devices     []specs.LinuxDevice
	DeviceRules []specs.LinuxDeviceCgroup
	CDI         []string // names of CDI devices
	Sysctl      map[string]string
	Namespaces  Namespaces

	NoHealth            bool
	HealthCommand       string
	HealthInterval      time.Duration
	HealthTimeout       time.Duration
	HealthStart         time.Duration
	HealthStartInterval time.Duration
	HealthRetries       int
}

// Security are the values of --security-opt.
type Security struct {
	NoNewPrivileges bool
	Seccomp         string // unconfined, builtin, or a file with a profile; "": builtin
	AppArmor        string // a profile, or unconfined
	Unmasked        bool   // systempaths=unconfined
}

// Namespaces are which namespaces a container shares: "" for its own, or host. For PID also
// container:NAME, for IPC private and none.
type Namespaces struct{ IPC, PID, UTS, Cgroup string }

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
	if _, err := image.Capabilities(s.CapAdd, s.CapDrop, knownCapabilities(), nil); err != nil {
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

// checkName checks the name of a new container.
func checkName(name string) error {
	if strings.HasPrefix(name, "-") { // the monitor and `exec` would parse it as an option
		return fmt.Errorf("--name %q: must not begin with -", name)
	}
	if err := record.CheckID(name); err != nil {
		return fmt.Errorf("--name: %w", err)
	}
	return nil
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
