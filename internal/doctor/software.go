package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// checkStateDirectory checks that the directory for containers' state, or the nearest
// parent that exists, is writable.
func checkStateDirectory(state string) Finding {
	dir := state
	for {
		if _, err := os.Stat(dir); err == nil || dir == "/" {
			break
		}
		dir = filepath.Dir(dir)
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return Finding{
			Name: "state", Verdict: Fail, Found: fmt.Sprintf("%s: %v", dir, err),
			Fix: "choose another directory with --root, or set XDG_RUNTIME_DIR",
		}
	}
	return Finding{Name: "state", Verdict: OK, Found: state}
}

func checkSystemd() Finding {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return Finding{Name: "systemd", Verdict: Info, Found: "not running: minirun creates cgroups itself"}
	}
	self, _ := os.Readlink("/proc/self/exe")
	if _, err := os.Stat(filepath.Join(filepath.Dir(self), "minirun-systemd")); err != nil {
		return Finding{
			Name: "systemd", Verdict: Warn, Found: "running, but minirun-systemd is not next to " + self,
			Fix: "--systemd-cgroup needs it: make install puts both in one directory",
		}
	}
	return Finding{Name: "systemd", Verdict: OK, Found: "running; --systemd-cgroup can be used"}
}

func checkCRIU() Finding {
	if path, err := exec.LookPath("criu"); err == nil {
		return Finding{Name: "criu", Verdict: OK, Found: path}
	}
	return Finding{Name: "criu", Verdict: Info, Found: "not installed", Fix: "checkpoint and restore need it"}
}

// listPrograms lists engines and other runtimes.
func listPrograms() []Finding {
	return []Finding{
		findPrograms("engines", "podman", "dockerd", "containerd", "crio", "kubelet", "k3s", "buildkitd"),
		findPrograms("other runtimes", "runc", "crun", "youki"),
	}
}

func findPrograms(title string, names ...string) Finding {
	var found []string
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return Finding{Name: title, Verdict: Info, Found: "none of " + strings.Join(names, ", ")}
	}
	return Finding{Name: title, Verdict: Info, Found: strings.Join(found, " ")}
}
