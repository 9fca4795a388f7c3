package volumes

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/keyvalue"
)

// ParseMount parses the value of --mount: type=bind|volume|tmpfs and further keys, as in Docker.
func ParseMount(text string) (Mount, error) {
	m := Mount{Flag: fmt.Sprintf("--mount %q", text), Type: Volume}
	given := map[string]bool{}
	driver := ""
	err := keyvalue.Each(text, func(key, value string, has bool) error {
		key = strings.ToLower(key)
		given[key] = true
		switch key {
		case "type":
			m.Type = strings.ToLower(value)
		case "source", "src":
			m.Source = value
		case "destination", "dst", "target":
			m.Target = value
		case "volume-driver":
			driver = value
		default:
			return m.setKey(key, value, has)
		}
		if value == "" {
			return fmt.Errorf("key %s: the value is missing", key)
		}
		return nil
	})
	if err != nil {
		return m, m.wrong("%v", err)
	}
	if driver != "" && driver != "local" {
		return m, m.wrong("volume-driver %q: only local is supported", driver)
	}
	if err := m.checkKeys(given); err != nil {
		return m, err
	}
	return m, m.check()
}

// setKey applies one key of --mount.
func (m *Mount) setKey(key, value string, has bool) error {
	switch key {
	case "readonly", "ro":
		return setBool(&m.ReadOnly, key, value, has)
	case "volume-nocopy":
		return setBool(&m.NoCopy, key, value, has)
	case "bind-nonrecursive":
		return setBool(&m.NonRecursive, key, value, has)
	case "bind-recursive":
		return m.setRecursive(value)
	case "bind-propagation":
		for _, p := range propagations {
			if p == value {
				m.Options = append(m.Options, value)
				return nil
			}
		}
		return fmt.Errorf("bind-propagation %q: must be private, rprivate, shared, rshared, slave or rslave", value)
	case "volume-subpath":
		return errors.New("volume-subpath is not supported: a container could replace that directory with a link")
	case "volume-label":
		return setPair(&m.Labels, key, value)
	case "volume-opt":
		return setPair(&m.DriverOptions, key, value)
	case "tmpfs-size":
		n, err := parseSize(value)
		if err != nil {
			return fmt.Errorf("tmpfs-size %q: %w", value, err)
		}
		m.Options = append(m.Options, "size="+strconv.FormatInt(n, 10))
	case "tmpfs-mode":
		mode, err := strconv.ParseUint(value, 8, 32)
		if err != nil || mode > 0o7777 {
			return fmt.Errorf("tmpfs-mode %q: must be an octal mode such as 1770", value)
		}
		m.Options = append(m.Options, "mode="+value)
	case "consistency":
		return errors.New("consistency has an effect only on macOS")
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

// setRecursive applies bind-recursive.
func (m *Mount) setRecursive(value string) error {
	switch value {
	case "enabled", "readonly":
	case "writable":
		m.WritableChildren = true
	case "disabled":
		m.NonRecursive = true
	default:
		return fmt.Errorf("bind-recursive %q: must be enabled, disabled, writable or readonly", value)
	}
	return nil
}

// checkKeys refuses keys that would have no effect with the mount's type, and missing ones.
func (m *Mount) checkKeys(given map[string]bool) error {
	switch m.Type {
	case Bind, Volume, Tmpfs:
	case "image", "npipe", "cluster":
		return m.wrong("type %s is not supported: must be bind, volume or tmpfs", m.Type)
	default:
		return m.wrong("type %q: must be bind, volume or tmpfs", m.Type)
	}
	for key := range given {
		kind, _, _ := strings.Cut(key, "-")
		switch kind {
		case Bind, Volume, Tmpfs:
			if kind != m.Type {
				return m.wrong("%s is for type=%s, not type=%s", key, kind, m.Type)
			}
		}
	}
	switch {
	case m.Type == Bind && m.Source == "":
		return m.wrong("source=DIR is missing")
	case m.Type == Tmpfs && m.Source != "":
		return m.wrong("source has no effect with type=tmpfs")
	case m.Type == Bind && (given["bind-recursive"] || given["bind-nonrecursive"]) && m.NonRecursive &&
		given["bind-recursive"] == given["bind-nonrecursive"]:
		return m.wrong("bind-recursive and bind-nonrecursive: give one of them")
	case m.WritableChildren && !m.ReadOnly:
		return m.wrong("bind-recursive=writable has an effect only with readonly")
	}
	return nil
}

func setBool(to *bool, key, value string, has bool) error {
	*to = true
	if !has {
		return nil
	}
	v, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("%s %q: must be true or false", key, value)
	}
	*to = v
	return nil
}

func setPair(to *map[string]string, key, text string) error {
	name, value, _ := strings.Cut(text, "=")
	if name == "" {
		return fmt.Errorf("%s %q: must be NAME=VALUE", key, text)
	}
	if *to == nil {
		*to = map[string]string{}
	}
	(*to)[name] = value
	return nil
}
