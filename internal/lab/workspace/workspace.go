package workspace

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/scene"
)

// A Workspace is the place of one lab of one learner.
type Workspace struct {
	Lab     *course.Lab
	Learner *Learner
	Values  map[string]string
	// Minirun is the path of the runtime.
	Minirun string
}

// Dir returns the directory with the files that the learner edits.
func (w *Workspace) Dir() string { return filepath.Join(w.Learner.Labs(), w.Lab.Dir) }

// Root returns the runtime's directory for the lab's containers.
func (w *Workspace) Root() string { return filepath.Join(stateDir(), w.id(), w.Lab.Dir) }

// Store returns the store for the lab's images.
func (w *Workspace) Store() string { return filepath.Join(w.data(), "store") }

// start has a copy of the start state, to which files are compared and plan --diff refers.
func (w *Workspace) start() string { return filepath.Join(w.data(), "start") }

// data has everything of the lab that the learner does not edit.
func (w *Workspace) data() string { return filepath.Join(dataDir(), w.id(), w.Lab.Dir) }

func (w *Workspace) id() string { return w.Learner.ID }

func stateDir() string {
	if os.Geteuid() == 0 {
		return "/run/minirun-labs"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "minirun-labs")
	}
	return filepath.Join(os.TempDir(), "minirun-labs-"+strconv.Itoa(os.Geteuid()))
}

func dataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/minirun-labs"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(home, ".local", "share", "minirun-labs")
}

// Text returns the lab's text in a language, with the learner's values.
func (w *Workspace) Text(tag string) *course.Text { return w.Lab.Text(tag).Fill(w.Values) }

// Command returns the command line of minirun for this lab.
func (w *Workspace) Command() []string {
	return []string{w.Minirun, "--root", w.Root(), "--store", w.Store()}
}

// imageCgroup is the cgroup above those of the containers created from images: their names are not unique
// on the machine.
func (w *Workspace) imageCgroup() string {
	return cgroupParent + "/" + w.id() + "-" + w.Lab.Dir + "-images"
}

// Environment returns the environment for scripts and trials: the lab's minirun comes first in PATH.
func (w *Workspace) Environment() []string {
	return append(os.Environ(), "PATH="+w.Dir()+":"+os.Getenv("PATH"), "LAB_START="+w.start(),
		"LAB_TOKEN="+w.Values[course.Token], config.CgroupParentVariable+"="+w.imageCgroup())
}

// Scene returns where the checks of the lab are asked. Its directory for trials must be removed.
func (w *Workspace) Scene(runtime []string) (*scene.Scene, error) {
	if len(runtime) == 0 {
		runtime = w.Command()
	}
	if err := os.MkdirAll(w.data(), 0o711); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(w.data(), "check-")
	if err != nil {
		return nil, err
	}
	values := map[string]string{"uid": strconv.Itoa(w.Learner.UID)}
	for k, v := range w.Values {
		values[k] = v
	}
	return &scene.Scene{Dir: w.Dir(), Root: w.Root(), Store: w.Store(), Values: values, Minirun: w.Command(),
		Runtime: runtime, Work: work, Env: w.Environment(), Start: w.start()}, nil
}
