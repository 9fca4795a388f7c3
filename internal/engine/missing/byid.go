package missing

import (
	"errors"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine"
)

// ByID calls again with the name of a container if err reports that no container has the name id, and
// id is the ID of one, or the beginning of it. Otherwise it returns err. So the commands of the
// runtime, which know only names, take IDs without looking for them first.
func ByID(e *engine.Engine, id string, err error, again func(name string) error) error {
	var inRuntime *record.NotExistError
	var inStore *engine.NoContainerError
	isMissing := errors.As(err, &inRuntime) && inRuntime.ID == id || errors.As(err, &inStore) && inStore.Name == id
	if !isMissing {
		return err
	}
	name, ambiguous := e.Resolve(id)
	if ambiguous != nil {
		return ambiguous
	}
	if name == id {
		return err
	}
	return again(name)
}
