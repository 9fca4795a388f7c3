package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/termtext"
)

// This file prints plans as text, JSON or Markdown. The same bundle always gives the same bytes.

// PlanOptions select what WritePlan writes.
type PlanOptions struct {
	Format  string // text, json, or md
	Only    string // a part of the plan, or a group; "": all of it
	Summary bool   // one line for each part
}

// Check refuses options that WritePlan would refuse, before there is a plan.
func (o *PlanOptions) Check() error {
	switch {
	case o.Format != "text" && o.Format != "json" && o.Format != "md":
		return fmt.Errorf("--format %q: must be text, json or md", o.Format)
	case o.Summary && o.Format == "md":
		return errors.New("--format md cannot be combined with --summary: it is text or json")
	case o.Summary && o.Only != "":
		return errors.New("--only cannot be combined with --summary, which has one line for each part")
	case o.Only != "" && !isPart(o.Only):
		return fmt.Errorf("--only %q: no part of a plan has this name\nhint: choose one of %s", o.Only,
			strings.Join(partNames[:], ", "))
	}
	return nil
}

// WritePlan writes a plan.
func WritePlan(w io.Writer, p *container.RunPlan, o PlanOptions) error {
	if err := o.Check(); err != nil {
		return err
	}
	switch {
	case o.Summary:
		return planSummary(w, p, o.Format)
	case o.Format == "json":
		return planJSON(w, p, o.Only)
	case o.Format == "md":
		return planMarkdown(w, p, o.Only)
	}
	return planText(w, p, o.Only)
}

// legend explains the notation to someone who sees a plan for the first time.
const legend = `# Each step: its number, what it does, the system call as strace(1) writes it, and // why.
# $name is the result of an earlier step. After a success the next step follows, unless the line says
# "go on with step N". An error that the line does not mention ends the start.
`

func planText(w io.Writer, p *container.RunPlan, only string) error {
	var out strings.Builder
	out.WriteString(language.Text(legend))
	for _, a := range p.Assumptions {
		out.WriteString(language.Text(fmt.Sprintf("# assumes %s\n", a)))
	}
	if selected(only, cgroupPart) {
		writeCgroup(&out, p)
	}
	out.WriteByte('\n')
	if _, err := io.WriteString(w, termtext.Text(out.String())); err != nil {
		return err
	}
	if selected(only, processPart) {
		if err := p.Plan.Head(w, p.Cloneflags); err != nil {
			return err
		}
	}
	return p.Plan.TextOf(w, func(s *plan.Step) bool { return selectedStep(only, s) })
}

// writeCgroup writes what minirun does to the cgroup.
func writeCgroup(out *strings.Builder, p *container.RunPlan) {
	out.WriteString("\n# minirun\n")
	for _, d := range p.Dirs {
		fmt.Fprintf(out, "      %-34s mkdir(%q, 0755)\n", language.Text("create the cgroup"), d)
	}
	source := ""
	for _, v := range p.Values {
		if v.Source != source {
			source = v.Source
			fmt.Fprintf(out, "\n# minirun: %s\n", source)
		}
		fmt.Fprintf(out, "      %-34s %s\n", language.Text("limit"), writeText(v))
	}
}

// writing describes how minirun sets a limit.
func writeText(v observer.Written) string {
	if v.Program {
		return fmt.Sprintf("bpf(BPF_PROG_ATTACH, %q, a program with the rules %q)", v.File, v.Value)
	}
	return fmt.Sprintf("write(%q, %q)", v.File, v.Value)
}

// The document of `plan --format json`.
type planDocument struct {
	ID      string      `json:"id"`
	Bundle  string      `json:"bundle"`
	Clone   []string    `json:"clone"` // CLONE_NEW*, the namespaces that the process is created in
	Cgroup  []string    `json:"cgroup"`
	Writes  []planWrite `json:"writes"`
	Files   []planFile  `json:"files"`
	Process []planStep  `json:"process"`

	Assumptions []string `json:"assumptions,omitempty"`
}

type planWrite struct {
	File   string `json:"file"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

type planFile struct {
	Descriptor int    `json:"descriptor"`
	Name       string `json:"name"`
	Path       string `json:"path,omitempty"`
	Source     string `json:"source,omitempty"`
}

type planStep struct {
	Step   int            `json:"step"`
	Group  string         `json:"group"`
	Part   string         `json:"part"` // as in the summary
	Name   string         `json:"name"`
	Call   string         `json:"call"`
	Text   string         `json:"text"`
	Why    string         `json:"why,omitempty"`
	Source string         `json:"source,omitempty"`
	Next   int            `json:"next"`           // after a result above 0
	Zero   *int           `json:"zero,omitempty"` // after 0, if different
	On     map[string]int `json:"on,omitempty"`   // after an expected error
}

func planJSON(w io.Writer, p *container.RunPlan, only string) error {
	d := planDocument{ID: p.ID, Bundle: p.Bundle, Assumptions: p.Assumptions}
	if selected(only, cgroupPart) {
		d.Cgroup = p.Dirs
		for _, v := range p.Values {
			d.Writes = append(d.Writes, planWrite{v.File, v.Value, v.Source})
		}
	}
	if selected(only, processPart) {
		d.Clone = cloneFlags(p)
		for _, f := range p.Plan.Files {
			d.Files = append(d.Files, planFile{f.Descriptor, f.Name, f.Path, f.Source})
		}
	}
	for i := range p.Plan.Steps {
		s := &p.Plan.Steps[i]
		if !selectedStep(only, s) {
			continue
		}
		step := planStep{Step: i, Group: s.Group.String(), Part: partOf(s), Name: s.Name,
			Call: s.Call.Name(), Text: p.Plan.CallText(s), Why: s.Why, Source: s.Source, Next: s.Next}
		if s.Zero != s.Next {
			step.Zero = &s.Zero
		}
		for _, on := range s.On {
			if step.On == nil {
				step.On = map[string]int{}
			}
			step.On[unix.ErrnoName(on.Errno)] = on.To
		}
		d.Process = append(d.Process, step)
	}
	return encodeJSON(w, d)
}

// cloneFlags lists the flags with which the process is created.
func cloneFlags(p *container.RunPlan) []string {
	return strings.FieldsFunc(plan.CloneFlags(uint64(p.Cloneflags)), func(r rune) bool { return r == '|' })
}

func encodeJSON(w io.Writer, document any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(document)
}

func planMarkdown(w io.Writer, p *container.RunPlan, only string) error {
	var out strings.Builder
	cell := strings.NewReplacer("|", "\\|", "\n", " ").Replace
	fmt.Fprintf(&out, "# The plan of %s\n\n", p.ID)
	for _, a := range p.Assumptions {
		fmt.Fprintf(&out, "It assumes %s.\n\n", a)
	}
	if selected(only, cgroupPart) || selected(only, processPart) {
		out.WriteString("## minirun\n\n| what | call | requested by |\n|---|---|---|\n")
	}
	if selected(only, cgroupPart) {
		for _, d := range p.Dirs {
			fmt.Fprintf(&out, "| create the cgroup | `mkdir(%q, 0755)` | linux.cgroupsPath |\n", d)
		}
		for _, v := range p.Values {
			fmt.Fprintf(&out, "| limit | `%s` | %s |\n", cell(writeText(v)), cell(v.Source))
		}
	}
	if selected(only, processPart) {
		fmt.Fprintf(&out, "| create the process | `clone(%s)` | linux.namespaces |\n",
			cell(plan.CloneFlags(uint64(p.Cloneflags)|uint64(unix.SIGCHLD))))
	}
	group := plan.Group(255)
	for i := range p.Plan.Steps {
		s := &p.Plan.Steps[i]
		if !selectedStep(only, s) {
			continue
		}
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&out, "\n## %s\n\n| step | what | call | requested by |\n|---:|---|---|---|\n", group)
		}
		why := s.Source
		if s.Why != "" {
			why = strings.TrimPrefix(why+": "+s.Why, ": ")
		}
		fmt.Fprintf(&out, "| %d | %s | `%s` | %s |\n", i, cell(language.Text(s.Name)), cell(p.Plan.Line(i)),
			cell(language.Text(why)))
	}
	_, err := io.WriteString(w, termtext.Text(out.String()))
	return err
}
