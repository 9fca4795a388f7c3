package config

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/image"
)

// Settings are the flags that change config.json where images have no setting.
type Settings struct {
	Name       string
	Hostname   string // "": the container's name
	Domainname string

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
	Sysctl      map[string]string
	Namespaces  Namespaces
}

// Security are the values of --security-opt.
type Security struct {
	NoNewPrivileges bool
	Seccomp         string // unconfined, builtin, or a file with a profile; "": builtin
	AppArmor        string // a profile, or unconfined; "": minirun's
	Unmasked        bool   // systempaths=unconfined
}

// Namespaces are which namespaces a container shares: "" for its own, or host. For PID also
// container:NAME, for IPC private and none.
type Namespaces struct{ IPC, PID, UTS, Cgroup string }

// CheckCapabilities checks the names of capabilities.
func (s *Settings) CheckCapabilities() error {
	_, err := image.Capabilities(s.CapAdd, s.CapDrop, knownCapabilities(), nil)
	return err
}
