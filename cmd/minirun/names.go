package main

import (
	"errors"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine/missing"
)

// explainFailure deals with a container that does not exist in the runtime: if the command line has
// the ID that `ps` shows, or the beginning of one, the command runs again with the container's name.
// Looking for it only now costs engines nothing, which use the names of the runtime.
func explainFailure(ctx *cli.Context, err error) error {
	e := newEngine(ctx)
	var not *record.NotExistError
	if !errors.As(err, &not) {
		return missing.Explain(err, e)
	}
	at, _ := cmdline.Find(os.Args, ctx.App)
	i := slices.Index(os.Args[at:], not.ID)
	name, ambiguous := e.Resolve(not.ID)
	switch {
	case ambiguous != nil:
		return ambiguous
	case i < 0 || name == not.ID:
		return missing.Explain(err, e)
	}
	os.Args = slices.Clone(os.Args)
	os.Args[at+i] = name
	return runCommandLine()
}
