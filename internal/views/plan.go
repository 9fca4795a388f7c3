package views

import (
	"bytes"
	"errors"
	"io"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/trace"
)

// A Plan is the plan of a bundle, or of the container that run would create from an
// image.
type Plan struct {
	*container.RunPlan
	preview *engine.Preview // nil for a bundle
}

// PlanImage returns the plan of the container that run would create from an image with
// these settings. Nothing stays of it.
func PlanImage(e *engine.Engine, image string, s *engine.Settings, o container.Options, h *host.Host) (Plan, error) {
	preview, err := e.Preview(image, s)
	if err != nil {
		return Plan{}, err
	}
	o.ID, o.Bundle = s.Name, preview.Bundle
	p, err := container.PlanRun(o, h)
	return Plan{p, preview}, errors.Join(err, preview.Remove())
}

// Write prints the plan.
func (p Plan) Write(w io.Writer, how trace.PlanOptions) error {
	var out bytes.Buffer
	if err := trace.WritePlan(&out, p.RunPlan, how); err != nil {
		return err
	}
	_, err := io.WriteString(w, p.final(out.String()))
	return err
}

// final replaces the paths that existed only for the plan.
func (p Plan) final(text string) string {
	if p.preview == nil {
		return text
	}
	return p.preview.Final(text)
}

// Diff prints the differences between two plans, and reports whether there are any.
func Diff(w io.Writer, a, b Plan) (different bool, err error) {
	var out bytes.Buffer
	if different, err = trace.DiffPlans(&out, a.RunPlan, b.RunPlan); err != nil {
		return different, err
	}
	_, err = io.WriteString(w, a.final(b.final(out.String())))
	return different, err
}
