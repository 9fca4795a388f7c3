// Package missing explains errors about containers that do not exist: it finds what the user may
// have meant. Containers of bundles, containers created from images, images, and containers of runc
// are different things with similar names.
package missing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/nearest"
)

// Explain adds a hint to an error about a container that does not exist. Other errors, and those that
// have one, stay as they are.
func Explain(err error, e *engine.Engine) error {
	var inRuntime *record.NotExistError
	var inStore *engine.NoContainerError
	var already *explained
	switch {
	case errors.As(err, &already):
		return err
	case errors.As(err, &inStore):
		return &explained{err, err.Error() + "\nhint: " + explainStored(e, inStore.Name)}
	case errors.As(err, &inRuntime):
		return &explained{err, explainRunning(e, err, inRuntime.ID)}
	}
	return err
}

// explained is an error with another text. Its cause and its exit status are those of the error.
type explained struct {
	error
	text string
}

func (e *explained) Error() string { return e.text }

func (e *explained) Unwrap() error { return e.error }

// explainRunning explains that the runtime has no container of this name. For a user, one that was
// created from an image exists also while it is stopped.
func explainRunning(e *engine.Engine, err error, name string) string {
	l, notOfImage := e.Status(name)
	switch {
	case notOfImage != nil:
		return err.Error() + "\nhint: " + explainOther(e, name, "minirun list and minirun ps -a list the containers")
	case l.State == engine.Restarting:
		return fmt.Sprintf("container %s has exited and will be restarted: %s\n"+
			"hint: minirun logs %[1]s shows its output", name, l.Status())
	}
	return fmt.Sprintf("container %s is not running: %s\nhint: start it with: minirun start %[1]s", name, l.Status())
}

// explainStored explains that no container of this name was created from an image.
func explainStored(e *engine.Engine, name string) string {
	if slices.Contains(runtimeContainers(e.Root), name) {
		return fmt.Sprintf("%s is a container of a bundle: use minirun kill %[1]s and minirun delete %[1]s", name)
	}
	return explainOther(e, name, "minirun ps -a lists the containers")
}

// explainOther finds something else of this name, or a similar name.
func explainOther(e *engine.Engine, name, otherwise string) string {
	created, _ := e.Store.Containers()
	if near := nearest.Word(name, append(created, runtimeContainers(e.Root)...)); near != "" {
		return "did you mean " + near + "?"
	}
	if _, _, err := e.Store.Find(name); err == nil {
		return fmt.Sprintf("%s is an image; run a container from it with: minirun run %[1]s", name)
	}
	if record.CheckID(name) == nil {
		for _, root := range []string{"/run/runc", filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "runc")} {
			if _, err := os.Stat(filepath.Join(root, name, "state.json")); err == nil {
				return fmt.Sprintf("runc has a container of this name: runc state %s", name)
			}
		}
	}
	if os.Geteuid() != 0 && belongsToRoot(name) {
		return "root has a container of this name: use sudo"
	}
	return otherwise
}

// belongsToRoot reports whether root has a container of this name in the default places, as far as the
// user can see.
func belongsToRoot(name string) bool {
	if record.CheckID(name) != nil {
		return false
	}
	for _, dir := range []string{"/run/minirun", "/var/lib/minirun/containers"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// runtimeContainers returns the names of the containers that exist in the runtime.
func runtimeContainers(root string) (names []string) {
	entries, _ := os.ReadDir(root)
	for _, d := range entries {
		if d.IsDir() && record.CheckID(d.Name()) == nil {
			names = append(names, d.Name())
		}
	}
	return names
}
