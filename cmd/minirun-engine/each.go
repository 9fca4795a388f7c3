package main

import (
	"errors"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/engine/missing"
	"github.com/minirun/minirun/internal/termtext"
)

// forEachContainer calls do for all named containers at the same time, and prints the names of those
// for which it succeeded, in the order of the arguments. A name that is given twice counts once.
func forEachContainer(ctx *cli.Context, do func(id string) error) error {
	return forEach(ctx, ctx.Args().Slice(), func(id string) (string, error) { return id, do(id) })
}

// forEach calls do for all names at the same time, and prints the results in their order.
func forEach(ctx *cli.Context, names []string, do func(id string) (string, error)) error {
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	type result struct {
		text string
		err  error
	}
	results := make([]result, len(names))
	seen := map[string]bool{}
	var all sync.WaitGroup
	limit := make(chan struct{}, 64) // descriptors are limited
	for n, id := range names {
		if seen[id] {
			continue
		}
		seen[id] = true
		all.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			results[n].text, results[n].err = do(id)
		})
	}
	all.Wait()
	var failed error
	for _, r := range results {
		switch {
		case r.err != nil:
			failed = errors.Join(failed, missing.Explain(r.err, e))
		case r.text != "":
			termtext.Fprintln(ctx.App.Writer, r.text)
		}
	}
	return failed
}
