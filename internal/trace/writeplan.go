package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/termtext"
)

// This file prints plans as text, JSON or Markdown. The same bundle always gives the same bytes.

// WritePlan writes a plan; format is text, json or md.
func WritePlan(w io.Writer, p *container.RunPlan, format string) error {
	switch format {
	case "text":
		return planText(w, p)
	case "json":
		return planJSON(w, p)
	case "md":
		return planMarkdown(w, p)
	}
	return fmt.Errorf("--format %q: must be text, json or md", format)
}

func planText(w io.Writer, p *container.RunPlan) error {
	var out strings.Builder
	out.WriteString("# minirun\n")
	for _, d := range p.Dirs {
		fmt.Fprintf(&out, "      %-34s mkdir(%q, 0755)\n", "create the cgroup", d)
	}
	source := ""
	for _, v := range p.Values {
		if v.Source != source {
			source = v.Source
			fmt.Fprintf(&out, "\n# minirun: %s\n", source)
		}
		fmt.Fprintf(&out, "      %-34s %s\n", "limit", writeText(v))
	}
	out.WriteByte('\n')
	if _, err := io.WriteString(w, termtext.Text(out.String())); err != nil {
		return err
	}
	if err := p.Plan.Head(w, p.Cloneflags); err != nil {
		return err
	}
	return p.Plan.Text(w)
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
	Name   string         `json:"name"`
	Call   string         `json:"call"`
	Text   string         `json:"text"`
	Why    string         `json:"why,omitempty"`
	Source string         `json:"source,omitempty"`
	Next   int            `json:"next"`           // after a result above 0
	Zero   *int           `json:"zero,omitempty"` // after 0, if different
	On     map[string]int `json:"on,omitempty"`   // after an expected error
}

func planJSON(w io.Writer, p *container.RunPlan) error {
	d := planDocument{ID: p.ID, Bundle: p.Bundle, Cgroup: p.Dirs,
		Clone: strings.FieldsFunc(plan.CloneFlags(uint64(p.Cloneflags)), func(r rune) bool { return r == '|' })}
	for _, v := range p.Values {
		d.Writes = append(d.Writes, planWrite{v.File, v.Value, v.Source})
	}
	for _, f := range p.Plan.Files {
		d.Files = append(d.Files, planFile{f.Descriptor, f.Name, f.Path, f.Source})
	}
	for i := range p.Plan.Steps {
		s := &p.Plan.Steps[i]
		step := planStep{Step: i, Group: s.Group.String(), Name: s.Name, Call: s.Call.Name(), Text: p.Plan.CallText(s),
			Why: s.Why, Source: s.Source, Next: s.Next}
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
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(d)
}

func planMarkdown(w io.Writer, p *container.RunPlan) error {
	var out strings.Builder
	cell := strings.NewReplacer("|", "\\|", "\n", " ").Replace
	fmt.Fprintf(&out, "# The plan of %s\n\n## minirun\n\n| what | call | requested by |\n|---|---|---|\n", p.ID)
	for _, d := range p.Dirs {
		fmt.Fprintf(&out, "| create the cgroup | `mkdir(%q, 0755)` | linux.cgroupsPath |\n", d)
	}
	for _, v := range p.Values {
		fmt.Fprintf(&out, "| limit | `%s` | %s |\n", cell(writeText(v)), cell(v.Source))
	}
	fmt.Fprintf(&out, "| create the process | `clone(%s)` | linux.namespaces |\n",
		cell(plan.CloneFlags(uint64(p.Cloneflags)|uint64(unix.SIGCHLD))))
	group := plan.Group(255)
	for i := range p.Plan.Steps {
		s := &p.Plan.Steps[i]
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&out, "\n## %s\n\n| step | what | call | requested by |\n|---:|---|---|---|\n", group)
		}
		why := s.Source
		if s.Why != "" {
			why = strings.TrimPrefix(why+": "+s.Why, ": ")
		}
		fmt.Fprintf(&out, "| %d | %s | `%s` | %s |\n", i, cell(s.Name), cell(p.Plan.Line(i)), cell(why))
	}
	_, err := io.WriteString(w, termtext.Text(out.String()))
	return err
}
