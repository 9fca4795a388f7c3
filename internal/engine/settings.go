package engine

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/restart"
	"github.com/minirun/minirun/internal/image"
)

// Settings are the flags of `run IMAGE`, with Docker's names and meanings.
type Settings struct {
	image.Wishes
	Name     string
	Hostname string // "": the container's name

	Interactive bool // standard input is passed to the container
	Detach      bool
	Remove      bool
	Restart     restart.Policy

	MonitorFlags []string // flags of run that are also for later starts

	Pull string // missing, always or never

	Volumes    []string // [HOST:]CONTAINER[:OPTIONS]
	Tmpfs      []string // CONTAINER[:OPTIONS]
	Connection connection.Flags

	Memory, Swap string // bytes with a suffix b, k, m or g
	CPUs         string // for example 1.5
	Pids         int    // 0: no limit
	ReadOnly     bool
	CapAdd       []string
	CapDrop      []string
	Security     []string // no-new-privileges, seccomp=unconfined|FILE

	NoHealth       bool
	HealthCommand  string
	HealthInterval time.Duration
	HealthTimeout  time.Duration
	HealthStart    time.Duration
	HealthRetries  int
}

// apply changes a configuration according to the flags. known returns the kernel's
// capabilities; network is the mode.
func (s *Settings) apply(c *specs.Spec, known func() []string, network string, unified bool) error {
	if len(s.CapAdd)+len(s.CapDrop) > 0 {
		caps, err := image.Capabilities(s.CapAdd, s.CapDrop, known())
		if err != nil {
			return err
		}
		image.SetCapabilities(c.Process.Capabilities, caps)
	}
	c.Root.Readonly = s.ReadOnly
	if c.Hostname = s.Hostname; c.Hostname == "" {
		c.Hostname = s.Name
	}
	if unified {
		c.Linux.Namespaces = append(c.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	if network != "host" { // as in Docker: in its own network there is nothing to protect from its users
		c.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0",
			"net.ipv4.ping_group_range": "0 2147483647"}
	}
	if network == "host" {
		c.Linux.Namespaces = slices.DeleteFunc(c.Linux.Namespaces,
			func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace })
	}
	if err := s.limits(c.Linux.Resources); err != nil {
		return err
	}
	return s.security(c)
}

// limits sets the limits of the cgroup.
func (s *Settings) limits(r *specs.LinuxResources) error {
	bytes := func(flag, text string) (*int64, error) {
		if text == "" {
			return nil, nil
		}
		n, err := units.RAMInBytes(text)
		if text == "-1" {
			n, err = -1, nil
		}
		if err != nil || n == 0 || n < -1 {
			return nil, fmt.Errorf("%s %q: must be a number of bytes, optionally followed by b, k, m or g", flag, text)
		}
		return &n, nil
	}
	memory, err := bytes("--memory", s.Memory)
	if err != nil {
		return err
	}
	swap, err := bytes("--memory-swap", s.Swap)
	if err != nil {
		return err
	}
	if swap != nil && memory == nil {
		return errors.New("--memory-swap: needs --memory, because it is the sum of memory and swap")
	}
	if memory != nil {
		r.Memory = &specs.LinuxMemory{Limit: memory, Swap: swap}
	}
	if s.CPUs != "" {
		n, err := strconv.ParseFloat(s.CPUs, 64)
		const period = 100_000 // µs
		if err != nil || !(n >= 0.01) || n > math.MaxInt32 {
			return fmt.Errorf("--cpus %q: must be a number, 0.01 or more", s.CPUs)
		}
		quota, p := int64(n*period), uint64(period)
		r.CPU = &specs.LinuxCPU{Quota: &quota, Period: &p}
	}
	if s.Pids != 0 {
		n := int64(s.Pids)
		r.Pids = &specs.LinuxPids{Limit: &n}
	}
	return nil
}

// security sets the seccomp profile, Docker's unless another one is given.
func (s *Settings) security(c *specs.Spec) error {
	profile := ""
	for _, o := range s.Security {
		name, value, has := strings.Cut(o, "=")
		switch {
		case name == "no-new-privileges" && (!has || value == "true"):
			c.Process.NoNewPrivileges = true
		case name == "no-new-privileges" && value == "false":
		case name == "seccomp" && value != "":
			profile = value
		default:
			return fmt.Errorf("--security-opt %q: must be no-new-privileges or seccomp=unconfined|FILE", o)
		}
	}
	var err error
	switch profile {
	case "unconfined":
		return nil
	case "":
		c.Linux.Seccomp, err = seccomp.GetDefaultProfile(c)
	default:
		var text []byte
		if text, err = os.ReadFile(profile); err == nil {
			c.Linux.Seccomp, err = seccomp.LoadProfile(string(text), c)
		}
	}
	if err != nil {
		return fmt.Errorf("seccomp profile: %w", err)
	}
	return nil
}
