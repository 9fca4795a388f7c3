package container

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// openNamespace opens a namespace to join. A network namespace that turns out to be
// minirun's own must not be changed by linux.sysctl.
func (c *Container) openNamespace(j namespaces.Join) (*os.File, error) {
	f, err := namespaces.OpenNamespace(j.Path, j.Flag)
	if err != nil || j.Flag != unix.CLONE_NEWNET {
		return f, err
	}
	k := spec.NetworkSysctl(c.Spec.Linux)
	if k == "" {
		return f, nil
	}
	own, err := os.Stat("/proc/thread-self/ns/net")
	if err == nil {
		var joined os.FileInfo
		if joined, err = f.Stat(); err == nil && os.SameFile(own, joined) {
			err = &spec.Error{Path: fmt.Sprintf("linux.sysctl[%q]", k), Want: "needs a network namespace that is not the host's, and " + j.Path + " is the host's"}
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
