package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/trace"
)

// addObserver sets up the observer of the container's start, according to --explain and
// --trace. The returned function must be called when the container has exited.
func addObserver(ctx *cli.Context, o *container.Options) (done func() error, err error) {
	if err := addHold(ctx, o); err != nil {
		return nil, err
	}
	explain := ctx.Bool("explain") || ctx.IsSet("explain-level") || ctx.IsSet("explain-to")
	switch {
	case explain && ctx.String("trace") != "":
		return nil, errors.New("--explain cannot be combined with --trace: a narrated start takes as long as its reader")
	case explain:
		return explainer(ctx, o)
	case ctx.String("trace") != "":
		t, err := trace.NewTracer(ctx.String("trace"))
		if err != nil {
			return nil, err
		}
		o.Watch = t
		return t.Write, nil
	}
	return func() error { return nil }, nil
}

// addHold sets up --hold, which needs a minirun that stays.
func addHold(ctx *cli.Context, o *container.Options) error {
	switch {
	case !ctx.Bool("hold"):
		return nil
	case ctx.Bool("detach"):
		return errors.New("--hold cannot be combined with --detach: minirun waits for Enter before the program starts\n" +
			"hint: omit --detach, and look from another terminal")
	case ctx.String("trace") != "":
		return errors.New("--hold cannot be combined with --trace: the times would include the wait for Enter")
	}
	holder, err := trace.NewHolder(messages.NewPatientWriter(stdio.Err))
	if err != nil {
		return fmt.Errorf("--hold: %w", err)
	}
	o.Hold = holder.Hold
	return nil
}

func explainer(ctx *cli.Context, o *container.Options) (func() error, error) {
	level, err := trace.ParseLevel(ctx.String("explain-level"))
	if err != nil {
		return nil, err
	}
	name := ctx.String("explain-to")
	if name == "" {
		o.Watch = trace.NewExplainer(messages.NewPatientWriter(stdio.Err), level)
		return func() error { return nil }, nil
	}
	f, err := atomicfile.Append(name, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--explain-to: %w", err)
	}
	o.Watch = trace.NewExplainer(messages.NewPatientWriter(stdio.Descriptor(f.Fd())), level)
	return f.Close, nil
}
