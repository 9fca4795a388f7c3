package images

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/confinement"
)

// everywhere lists the differences from Docker that all default configurations have.
var everywhere = confinement.Declared{
	"-device rule: *":                 "the runtime allows the default devices (runtime-spec, config-linux.md), and the first rule denies all others",
	"-namespace time":                 "without offsets it hides nothing, and kernels before 5.6 do not have it",
	"+mount /dev/shm: size=65536k":    "the Docker daemon sets the same size when it creates a container",
	"+mount /sys/fs/cgroup: relatime": "the kernel's default, written as `runc spec` writes it",
}

// ofSpec lists those of `minirun spec`, which writes the document of `runc spec` with more masked
// paths.
var ofSpec = confinement.Declared{
	"-capability *":                     "three capabilities are enough for an example",
	"+noNewPrivileges":                  "as in `runc spec`: stricter than Docker",
	"+read-only root":                   "as in `runc spec`: stricter than Docker",
	"+rlimit RLIMIT_NOFILE: 1024, 1024": "as in `runc spec`: stricter than Docker",
	"-mount /proc: *":                   "as in `runc spec`: a proc has neither device nodes nor set-user-ID programs",
	"-seccomp *":                        "as in `runc spec`: a profile is the engine's to choose",
}

// TestDefaultConfinement compares the defaults with Docker's, on a host whose CPUs have thermal
// counters.
func TestDefaultConfinement(t *testing.T) {
	s := loaded(t, docker.DockerOCIImageConfig{ImageConfig: oci.ImageConfig{Cmd: []string{"sleep", "1000"}}}, layer{})
	thermalCounters(t)
	read := func(path string) *specs.Spec {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var config specs.Spec
		if err := json.Unmarshal(text, &config); err != nil {
			t.Fatal(err)
		}
		for _, cpu := range []string{"cpu0", "cpu1"} {
			if p := "/sys/devices/system/cpu/" + cpu + "/thermal_throttle"; !slices.Contains(config.Linux.MaskedPaths, p) {
				t.Errorf("%s is not masked", p)
			}
		}
		return &config
	}
	with := func(more confinement.Declared) confinement.Declared {
		all := maps.Clone(everywhere)
		maps.Copy(all, more)
		return all
	}
	t.Run("run IMAGE", func(t *testing.T) {
		s.Do("run", "-d", "--name", name("confined"), "busybox")
		defer s.Do("rm", "-f", name("confined"))
		confinement.CompareWithDocker(t, read(filepath.Join(s.StoreDir, "containers", name("confined"), "config.json")), with(confinement.Declared{
			"+sysctl net.ipv4.ip_unprivileged_port_start=0":  "the Docker daemon sets it in each new network namespace",
			"+sysctl net.ipv4.ping_group_range=0 2147483647": "the Docker daemon sets it in each new network namespace",
		}))
	})
	t.Run("bundle IMAGE", func(t *testing.T) {
		dir := filepath.Join(s.Host, "bundle")
		s.Do("bundle", "busybox", dir)
		confinement.CompareWithDocker(t, read(filepath.Join(dir, "config.json")), with(confinement.Declared{
			"-seccomp *": "a profile depends on the kernel, and a bundle may run on another host",
		}))
	})
	t.Run("spec", func(t *testing.T) {
		dir := t.TempDir()
		s.Do("spec", "--bundle", dir)
		confinement.CompareWithDocker(t, read(filepath.Join(dir, "config.json")), with(ofSpec))
	})
}

// thermalCounters adds counters of thermal interrupts to the CPUs of this machine. The tests have a
// separate mount namespace.
func thermalCounters(t *testing.T) {
	t.Helper()
	const cpus = "/sys/devices/system/cpu"
	numbers := map[string][]byte{}
	for _, name := range []string{"online", "possible", "present"} {
		text, err := os.ReadFile(filepath.Join(cpus, name))
		if err != nil {
			t.Fatal(err)
		}
		numbers[name] = text
	}
	if err := unix.Mount("tmpfs", cpus, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(cpus, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for name, text := range numbers {
		write(t, filepath.Join(cpus, name), string(text))
	}
	for _, cpu := range []string{"cpu0", "cpu1"} {
		if err := os.MkdirAll(filepath.Join(cpus, cpu, "thermal_throttle"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
