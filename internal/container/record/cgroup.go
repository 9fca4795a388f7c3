package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/host"
)

// OpenCgroup2 opens the v2 cgroup that a process is in.
func OpenCgroup2(pid int) (*os.File, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil, err
	}
	machine, err := host.Detect()
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if !ok || machine.V2 == nil {
			continue
		}
		below, err := filepath.Rel(machine.V2.Root, path)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			return nil, fmt.Errorf("the container's first process is in cgroup %s, which is not mounted here", path)
		}
		return os.OpenFile(filepath.Join(machine.V2.Mount, below), unix.O_PATH|unix.O_DIRECTORY, 0)
	}
	return nil, errors.New("the container's first process is not in a v2 cgroup")
}
