package options

import (
	"errors"
	"fmt"
	"strings"

	"github.com/minirun/minirun/internal/build/devices"
)

// Entitlements are what --allow permits RUN to use.
type Entitlements struct {
	Allow   []string // network.host and security.insecure
	Devices devices.Allow
}

// ParseEntitlements parses --allow.
func ParseEntitlements(list []string) (e Entitlements, err error) {
	for _, text := range list {
		switch {
		case text == "network.host" || text == "security.insecure":
			e.Allow = append(e.Allow, text)
		case text == "device" || strings.HasPrefix(text, "device="):
			if err := e.Devices.Add(text); err != nil {
				return e, fmt.Errorf("--allow %s: %w", text, err)
			}
		case text == "buildx.local.delete":
			return e, errors.New("--allow buildx.local.delete: minirun has no --output type=local,mode=delete; it " +
				"never deletes other files in the directory")
		default:
			return e, fmt.Errorf("--allow %s: must be network.host, security.insecure or device[=NAME]", text)
		}
	}
	return e, nil
}
