package system

import (
	"errors"

	"github.com/minirun/minirun/internal/engine"
)

// Pruned are the removed containers, and the bytes that they took on the disk.
type Pruned struct {
	Names []string
	Bytes int64
}

// PruneContainers removes the containers that are not running. One that is started meanwhile stays.
func PruneContainers(e *engine.Engine) (out Pruned, err error) {
	list, err := e.List(true)
	if err != nil {
		return out, err
	}
	m := meter{}
	for _, l := range list {
		if l.State != engine.Exited && l.State != "stopped" {
			continue
		}
		size := m.size(e.Store.Container(l.Container))
		if failed := e.Remove(l.Container, false); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		out.Names = append(out.Names, l.Container)
		out.Bytes += size
	}
	return out, err
}
