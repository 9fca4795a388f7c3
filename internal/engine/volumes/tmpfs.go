package volumes

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// ParseTmpfs parses CONTAINER[:OPTIONS], the value of --tmpfs.
func ParseTmpfs(text string) (Mount, error) {
	target, options, has := strings.Cut(text, ":")
	m := Mount{Flag: fmt.Sprintf("--tmpfs %q", text), Type: Tmpfs, Target: target}
	if err := m.check(); err != nil {
		return m, err
	}
	if !has {
		return m, nil
	}
	for o := range strings.SplitSeq(options, ",") {
		if err := checkTmpfsOption(o); err != nil {
			return m, m.wrong("%v", err)
		}
		if o == "ro" {
			m.ReadOnly = true
			continue
		}
		m.Options = append(m.Options, o)
	}
	return m, nil
}

// tmpfsFlags are the options without a value that mount(8) has for every file system.
var tmpfsFlags = [...]string{"ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "sync", "async", "dirsync",
	"noatime", "atime", "nodiratime", "diratime", "relatime", "norelatime", "strictatime", "nostrictatime"}

// checkTmpfsOption refuses options that the kernel would refuse when the container starts.
func checkTmpfsOption(o string) error {
	name, value, has := strings.Cut(o, "=")
	if !has {
		if slices.Contains(tmpfsFlags[:], name) {
			return nil
		}
		return fmt.Errorf("unknown option %q", o)
	}
	base := 10
	switch name {
	case "size":
		digits, isPercentage := strings.CutSuffix(value, "%")
		if !isPercentage {
			digits = strings.TrimRight(value, "kKmMgG")
		}
		if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
			return fmt.Errorf("%s: must be a number of bytes, with k, m, g or %%", o)
		}
		return nil
	case "mode":
		base = 8
	case "uid", "gid", "nr_inodes", "nr_blocks":
		value = strings.TrimRight(value, "kKmMgG")
	case "mpol":
		return nil
	default:
		return fmt.Errorf("unknown option %q", o)
	}
	if _, err := strconv.ParseUint(value, base, 63); err != nil {
		return fmt.Errorf("%s: must be a number", o)
	}
	return nil
}

// parseSize parses a number of bytes, optionally followed by b, k, m or g.
func parseSize(text string) (int64, error) {
	n, err := units.RAMInBytes(text)
	if err != nil || n < 0 {
		return 0, errors.New("must be a number of bytes, optionally followed by b, k, m or g")
	}
	return n, nil
}
