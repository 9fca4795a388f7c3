package container

import (
	"context"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/observer"
)

// runHooks runs hooks where minirun runs, up to the first that fails.
func (c *Container) runHooks(list []hooks.Hook, status specs.ContainerState) error {
	if len(list) == 0 {
		return nil
	}
	return c.Signals.Run(func(ctx context.Context) error {
		for i := range list {
			begin := c.BeginAction()
			if err := list[i].Run(ctx, c.OCIState(status, c.Pid)); err != nil {
				return err
			}
			c.Report(begin, observer.Action{
				What:   "run the hook " + list[i].Path,
				Why:    "with the state on its standard input",
				Source: list[i].Source(),
			})
		}
		return nil
	})
}
