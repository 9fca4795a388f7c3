package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/termtext"
)

// This file prints a plan's parts, or selects one of them.

// isPart reports whether --only may have this value: a part, or a group of steps.
func isPart(name string) bool {
	if slices.Contains(partNames[:], name) {
		return true
	}
	for g := plan.Namespaces; g <= plan.Sync; g++ {
		if g.String() == name {
			return true
		}
	}
	return false
}

// selected reports whether only includes a part; "" includes all of them.
func selected(only, part string) bool { return only == "" || only == part }

// selectedStep reports whether only includes a step: by its part, or by its group.
func selectedStep(only string, s *plan.Step) bool {
	return selected(only, partOf(s)) || s.Group.String() == only
}

// A planPart is one line of a summary.
type planPart struct {
	Part  string `json:"part"`
	Steps int    `json:"steps"` // of the new process; 0: minirun does it
	Does  string `json:"does"`
}

// summarize returns the parts that a plan has, in the order of their first important
// steps.
func summarize(p *container.RunPlan, width int) []planPart {
	parts := []planPart{
		{cgroupPart, 0, fmt.Sprintf("create %s, write %s", plural(len(p.Dirs), "%d directory", "%d directories"),
			plural(len(p.Values), "%d value", "%d values"))},
		{processPart, 0, describeClone(p)},
	}
	counts, steps := map[string]int{}, map[string][]*plan.Step{}
	for i := range p.Plan.Steps {
		counts[partOf(&p.Plan.Steps[i])]++
	}
	var order []string
	for _, s := range successful(p.Plan) {
		part := partOf(s)
		if isMinor(s) || part == programPart || part == syncPart {
			continue
		}
		if !slices.Contains(order, part) {
			order = append(order, part)
		}
		steps[part] = append(steps[part], s)
	}
	for _, part := range order {
		parts = append(parts, planPart{part, counts[part], describeSteps(steps[part], width)})
	}
	return append(parts,
		planPart{programPart, counts[programPart], truncate(describeProgram(p.Plan), width-1)},
		planPart{syncPart, counts[syncPart], "exchange messages with minirun; end if it has exited"})
}

// describeProgram names the program with its arguments.
func describeProgram(p *plan.Plan) string {
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Call == plan.Execve && s.Kind == plan.Program {
			return language.Text("execute " + p.ArgTexts(s)[1])
		}
	}
	return language.Text("execute the program")
}

// describeClone names the namespaces that the process is created in.
func describeClone(p *container.RunPlan) string {
	var kinds []string
	for _, flag := range cloneFlags(p) {
		if kind, ok := strings.CutPrefix(flag, "CLONE_NEW"); ok {
			kinds = append(kinds, strings.ToLower(strings.Replace(kind, "NS", "mount", 1)))
		}
	}
	if len(kinds) == 0 {
		return "create the process"
	}
	return "create the process in new namespaces: " + strings.Join(kinds, ", ")
}

// successful returns the steps that run if none fails, each once.
func successful(p *plan.Plan) (out []*plan.Step) {
	seen := make([]bool, len(p.Steps))
	var walk func(i int)
	walk = func(i int) {
		for i < len(p.Steps) && !seen[i] {
			seen[i] = true
			s := &p.Steps[i]
			out = append(out, s)
			if s.Call == plan.Clone {
				walk(s.Zero)
			}
			if s.Call == plan.Execve || s.Call == plan.ExitGroup {
				return
			}
			i = s.Next
		}
	}
	walk(0)
	return out
}

// plural returns a number with its noun. The formats are for 1, and for another number.
func plural(n int, one, more string) string {
	if n == 1 {
		return fmt.Sprintf(one, n)
	}
	return fmt.Sprintf(more, n)
}

func planSummary(w io.Writer, p *container.RunPlan, format string) error {
	if format == "json" {
		const all = 1 << 20
		return encodeJSON(w, struct {
			ID          string     `json:"id"`
			Bundle      string     `json:"bundle"`
			Steps       int        `json:"steps"`
			Parts       []planPart `json:"parts"`
			Assumptions []string   `json:"assumptions,omitempty"`
		}{ID: p.ID, Bundle: p.Bundle, Steps: len(p.Plan.Steps), Parts: summarize(p, all), Assumptions: p.Assumptions})
	}
	var out strings.Builder
	for _, a := range p.Assumptions {
		fmt.Fprintf(&out, "# assumes %s\n", a)
	}
	fmt.Fprintf(&out, "%-13s %5s  %s\n", "PART", "STEPS", "WHAT IT DOES")
	for _, l := range summarize(p, 78) {
		count := fmt.Sprint(l.Steps)
		if l.Steps == 0 {
			count = "-"
		}
		fmt.Fprintf(&out, "%-13s %5s  %s\n", l.Part, count, l.Does)
	}
	fmt.Fprintf(&out, "%-13s %5d  show a part with --only PART\n", "all", len(p.Plan.Steps))
	_, err := io.WriteString(w, termtext.Text(language.Text(out.String())))
	return err
}
