package workspace

import (
	"path/filepath"

	"github.com/minirun/minirun/internal/cni"
	"github.com/minirun/minirun/internal/engine/network"
)

// removeIdleBridge removes the bridge of the network that containers join by default, if the lab has images
// and no device is connected to the bridge: the next container creates it again.
func (w *Workspace) removeIdleBridge() error {
	if len(w.Lab.Images) == 0 {
		return nil
	}
	for _, n := range network.Predefined() {
		if n.Driver != network.Bridge {
			continue
		}
		below := filepath.Join("/sys/class/net", n.Device)
		if ports, err := filepath.Glob(filepath.Join(below, "brif", "*")); err != nil || len(ports) > 0 {
			return err
		}
		if isBridge, err := filepath.Glob(filepath.Join(below, "bridge")); err != nil || len(isBridge) == 0 {
			return err
		}
		return cni.RemoveDevice(n.Device)
	}
	return nil
}
