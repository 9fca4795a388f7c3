package predicate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// limit asks for a limit of the container's cgroup. One predicate serves both versions of cgroups.
type limit struct {
	scene.Of `yaml:",inline"`
	Memory   string  `yaml:"memory"` // 64M: memory.max, memory.limit_in_bytes
	PIDs     int     `yaml:"pids"`   // pids.max
	CPUs     float64 `yaml:"cpus"`   // 0.5: cpu.max, cpu.cfs_quota_us
	Most     bool    `yaml:"most"`   // or a lower limit
}

func (l *limit) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := l.Find(s)
	if failure != nil {
		return failure, nil
	}
	var name, want string
	var wanted, found float64
	var file string
	var err error
	switch {
	case l.Memory != "":
		var bytes int64
		bytes, err = units.RAMInBytes(l.Memory)
		name, want, wanted = "memory", l.Memory, float64(bytes)
		if err == nil {
			found, file, err = readLimit(p, "memory", "memory.limit_in_bytes", "memory.max")
		}
	case l.PIDs > 0:
		name, want, wanted = "pids", strconv.Itoa(l.PIDs), float64(l.PIDs)
		found, file, err = readLimit(p, "pids", "pids.max", "pids.max")
	case l.CPUs > 0:
		name, want, wanted = "cpu", strconv.FormatFloat(l.CPUs, 'g', -1, 64), l.CPUs
		found, file, err = readCPUs(p)
	default:
		return nil, errors.New("limit: memory, pids or cpus is missing")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return scene.Fail(words.New("the %s limit %s", name, want),
			words.New("the container's cgroup has no file for it"), "cat %s", p.Proc("cgroup"))
	}
	if err != nil {
		return nil, err
	}
	if found == wanted || l.Most && found >= 0 && found < wanted {
		return nil, nil
	}
	value := words.New("%s", strconv.FormatFloat(found, 'f', -1, 64))
	if found < 0 {
		value = words.New("no limit")
	}
	return scene.Fail(words.New("the %s limit %s", name, want), value, "cat %s", file)
}

// cgroupFile returns the path of a file in the process's cgroup: with the one name in a v1 hierarchy of
// the controller, with the other in the v2 tree.
func cgroupFile(p *scene.Process, controller, v1, v2 string) (string, error) {
	h, err := host.Detect()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(p.Proc("cgroup"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		t, file := h.V2, v2
		if fields[1] != "" {
			t, file = h.V1Hierarchy(controller), v1
		}
		if t == nil || fields[1] != "" && !strings.Contains(","+fields[1]+",", ","+controller+",") {
			continue
		}
		below, err := filepath.Rel(t.Root, fields[2])
		if err != nil {
			continue
		}
		path := filepath.Join(t.Mount, below, file)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s of process %d: %w", controller, p.PID, fs.ErrNotExist)
}

// unlimitedV1 is larger than any memory: v1 shows the largest number of pages for no limit.
const unlimitedV1 = 1 << 60

// readLimit returns a limit, negative if there is none, and its file.
func readLimit(p *scene.Process, controller, v1, v2 string) (float64, string, error) {
	path, err := cgroupFile(p, controller, v1, v2)
	if err != nil {
		return 0, "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, path, err
	}
	value := strings.TrimSpace(string(text))
	if value == "max" {
		return -1, path, nil
	}
	n, err := strconv.ParseFloat(value, 64)
	if n > unlimitedV1 {
		n = -1
	}
	return n, path, err
}

// readCPUs returns how many CPUs the cgroup may use, negative if there is no limit.
func readCPUs(p *scene.Process) (float64, string, error) {
	path, err := cgroupFile(p, "cpu", "cpu.cfs_quota_us", "cpu.max")
	if err != nil {
		return 0, "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, path, err
	}
	fields := strings.Fields(string(text))
	if len(fields) == 1 { // v1
		period, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cpu.cfs_period_us"))
		if err != nil {
			return 0, path, err
		}
		fields = append(fields, strings.TrimSpace(string(period)))
	}
	if len(fields) != 2 || fields[0] == "max" || fields[0] == "-1" {
		return -1, path, nil
	}
	quota, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return 0, path, err
	}
	period, err := strconv.ParseFloat(fields[1], 64)
	return quota / period, path, err
}

// counter asks for a counter of the container's cgroup: a key in a file such as memory.events.
type counter struct {
	scene.Of `yaml:",inline"`
	Name     string `yaml:"name"`  // oom_kill, throttled, forks_refused
	AtLeast  uint64 `yaml:"least"` // its least value
}

// counters are the places of the counters in the two versions.
var counters = map[string]struct{ controller, v1, v2, key string }{
	"oom_kill":      {"memory", "memory.oom_control", "memory.events", "oom_kill"},
	"throttled":     {"cpu", "cpu.stat", "cpu.stat", "nr_throttled"},
	"forks_refused": {"pids", "pids.events", "pids.events", "max"},
}

func (c *counter) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := c.Find(s)
	if failure != nil {
		return failure, nil
	}
	where, ok := counters[c.Name]
	if !ok {
		return nil, fmt.Errorf("counter: unknown name %q", c.Name)
	}
	path, err := cgroupFile(p, where.controller, where.v1, where.v2)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found uint64
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == where.key {
			found, _ = strconv.ParseUint(fields[1], 10, 64)
		}
	}
	if found < c.AtLeast {
		return scene.Fail(words.New("%s at least %d", where.key, c.AtLeast), words.New("%s %d", where.key, found),
			"cat %s", path)
	}
	return nil, nil
}
