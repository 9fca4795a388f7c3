package trace

// This file shows the difference between two plans.

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/termtext"
)

// DiffPlans writes the differences between the plans of a and b, and reports whether
// there are any. Step numbers and the paths of the bundles are ignored.
func DiffPlans(w io.Writer, a, b *container.RunPlan) (different bool, err error) {
	was, is := planLines(a), planLines(b)
	var out strings.Builder
	source := ""
	for _, d := range diffLines(was, is) {
		if d.line.source != source {
			source = d.line.source
			fmt.Fprintf(&out, "# %s\n", requester(source))
		}
		fmt.Fprintf(&out, "%c %s\n", d.sign, d.line.text)
	}
	_, err = io.WriteString(w, termtext.Text(out.String()))
	return out.Len() > 0, err
}

type planLine struct{ text, source string }

func planLines(p *container.RunPlan) (lines []planLine) {
	anywhere := strings.NewReplacer(p.Bundle+"/", "BUNDLE/", p.Bundle+`"`, `BUNDLE"`).Replace
	add := func(source, name, call string) {
		lines = append(lines, planLine{anywhere(fmt.Sprintf("%-34s %s", name, call)), source})
	}
	for _, d := range p.Dirs {
		add("linux.cgroupsPath", "create the cgroup", fmt.Sprintf("mkdir(%q, 0755)", d))
	}
	for _, v := range p.Values {
		add(v.Source, "limit", writeText(v))
	}
	add("linux.namespaces", "create the process", "clone("+plan.CloneFlags(uint64(p.Cloneflags)|uint64(unix.SIGCHLD))+
		")")
	for i := range p.Plan.Steps {
		s := &p.Plan.Steps[i]
		add(s.Source, s.Name, p.Plan.CallText(s))
	}
	return lines
}
