package runflags

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/config"
)

// devices reads --device and --device-cgroup-rule.
func (r *reader) devices(s *engine.Settings) {
	for _, text := range r.list("device") {
		if isCDIName(text) {
			s.CDI = append(s.CDI, text)
			continue
		}
		list, access, err := parseDevice(text)
		if err != nil {
			r.fail("device", text, "%v", err)
			return
		}
		for _, d := range list {
			s.Devices = slices.DeleteFunc(s.Devices, func(o specs.LinuxDevice) bool { return o.Path == d.Path })
			s.Devices = append(s.Devices, d)
			s.DeviceRules = append(s.DeviceRules, specs.LinuxDeviceCgroup{Allow: true, Type: d.Type, Major: &d.Major,
				Minor: &d.Minor, Access: access})
		}
	}
	for _, text := range r.list("device-cgroup-rule") {
		rule, ok := parseRule(text)
		if !ok {
			r.fail("device-cgroup-rule", text, "must be TYPE MAJOR:MINOR ACCESS, such as \"c 42:* rwm\"")
		}
		s.DeviceRules = append(s.DeviceRules, rule)
	}
}

// isCDIName distinguishes VENDOR/CLASS=NAME from a path.
func isCDIName(text string) bool {
	kind, name, ok := strings.Cut(text, "=")
	return ok && name != "" && !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, ".") &&
		strings.Count(kind, "/") == 1
}

// parseDevice parses HOST[:CONTAINER[:PERMISSIONS]] and returns the devices: one, or all in a directory.
func parseDevice(text string) (list []specs.LinuxDevice, access string, err error) {
	parts := strings.Split(text, ":")
	host, target := parts[0], parts[0]
	access = "rwm"
	if len(parts) > 1 {
		target = parts[1]
		if len(parts) == 2 && isAccess(parts[1]) { // HOST:rwm
			target, access = host, parts[1]
		}
	}
	if len(parts) > 2 {
		access = parts[2]
	}
	if len(parts) > 3 || host == "" || !isAccess(access) {
		return nil, "", errors.New("must be HOST[:CONTAINER[:PERMISSIONS]], with permissions of r, w and m")
	}
	if !path.IsAbs(target) {
		return nil, "", fmt.Errorf("%s: must be an absolute path", target)
	}
	list, err = devicesAt(host)
	for i := range list {
		list[i].Path = path.Join(target, list[i].Path)
	}
	return list, access, err
}

// devicesAt returns a device, or the devices in a directory, with paths relative to it.
func devicesAt(host string) (list []specs.LinuxDevice, err error) {
	if resolved, err := filepath.EvalSymlinks(host); err == nil { // /dev/disk/by-id/…
		host = resolved
	}
	d, err := config.DeviceOf(host)
	if err == nil || !errors.Is(err, config.ErrNoDevice) {
		d.Path = ""
		return []specs.LinuxDevice{d}, err
	}
	_ = filepath.WalkDir(host, func(p string, _ fs.DirEntry, failed error) error {
		if failed != nil {
			return nil // what cannot be read has no devices
		}
		if d, bad := config.DeviceOf(p); bad == nil {
			d.Path = strings.TrimPrefix(p, host)
			list = append(list, d)
		}
		return nil
	})
	if len(list) > 0 {
		err = nil
	}
	return list, err
}

func isAccess(text string) bool {
	return text != "" && len(text) <= 3 && strings.Trim(text, "rwm") == ""
}

// parseRule parses a rule of the devices cgroup.
func parseRule(text string) (rule specs.LinuxDeviceCgroup, ok bool) {
	fields := strings.Fields(text)
	if len(fields) != 3 || len(fields[0]) != 1 || !strings.Contains("abc", fields[0]) || !isAccess(fields[2]) {
		return rule, false
	}
	rule = specs.LinuxDeviceCgroup{Allow: true, Type: fields[0], Access: fields[2]}
	major, minor, ok := strings.Cut(fields[1], ":")
	for _, n := range []struct {
		text string
		to   **int64
	}{{major, &rule.Major}, {minor, &rule.Minor}} {
		if n.text == "*" {
			continue
		}
		value, err := strconv.ParseInt(n.text, 10, 32)
		if err != nil || value < 0 {
			return rule, false
		}
		*n.to = &value
	}
	return rule, ok
}
