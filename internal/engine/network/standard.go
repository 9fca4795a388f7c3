package network

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PluginDirs lists where distributions install the CNI plugins.
func PluginDirs() []string { return []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"} }

// HookPath is PATH for the plugins, which execute iptables.
const HookPath = "/usr/sbin:/usr/bin:/sbin:/bin"

// Variable names the environment variable with the default of --network.
const Variable = "MINIRUN_NETWORK"

const installHint = "hint: install the CNI plugins and iptables: on Debian, apt-get install " +
	"containernetworking-plugins iptables"

// CheckBridge explains why no bridge can be used on this host.
func CheckBridge(unprivileged bool) error {
	if unprivileged {
		return fmt.Errorf("a bridge needs root\nhint: use sudo; without root, a program started with --network host " +
			"listens on the host's ports")
	}
	var missing []string
	for _, plugin := range []string{"bridge", "host-local", "portmap", "firewall"} {
		if !exists(PluginDirs(), plugin) {
			missing = append(missing, plugin)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("a bridge needs the CNI plugins %s, which are in none of %s\n%s", strings.Join(missing, ", "),
			strings.Join(PluginDirs(), ", "), installHint)
	}
	if !exists(filepath.SplitList(HookPath), "iptables") {
		return fmt.Errorf("a bridge needs iptables, which is in none of %s\n%s", HookPath, installHint)
	}
	return nil
}

func exists(dirs []string, name string) bool {
	for _, dir := range dirs {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}
