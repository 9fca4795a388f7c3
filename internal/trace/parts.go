package trace

// This file divides a plan into parts with a subject, which are finer than its groups:
// a start has a dozen of them, and a reader wants to see one at a time.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/plan"
)

// The parts of a plan that are minirun's work, and not steps of the new process.
const (
	cgroupPart  = "cgroup"
	processPart = "process"
)

// The parts whose steps depend on results: the program that is found, minirun's answers.
const (
	programPart = "program"
	syncPart    = "sync"
)

// partNames lists the parts in the order of a typical plan.
var partNames = [...]string{cgroupPart, processPart, "limits", "namespaces", "root", "mounts", "devices", "paths",
	"identity", "capabilities", "seccomp", "hooks", programPart, syncPart}

// partOf returns the name of the part that a step belongs to.
func partOf(s *plan.Step) string {
	source := func(prefix string) bool { return strings.HasPrefix(s.Source, prefix) }
	switch s.Group {
	case plan.Namespaces:
		return "namespaces"
	case plan.Limits:
		return "limits"
	case plan.Sync:
		return syncPart
	case plan.Exec:
		if source("hooks") {
			return "hooks"
		}
		return programPart
	case plan.Identity:
		switch {
		case source("process.capabilities"):
			return "capabilities"
		case source("linux.seccomp"):
			return "seccomp"
		}
		return "identity"
	}
	switch {
	case source("mounts"):
		return "mounts"
	case source("linux.maskedPaths"), source("linux.readonlyPaths"):
		return "paths"
	case s.Source == "" && s.Call != plan.Mount, source("linux.devices"), source("process.terminal"),
		source("process.consoleSize"):
		return "devices"
	}
	return "root"
}

// linePart returns the name under which a step is narrated in short: the steps that
// change identity and capabilities alternate.
func linePart(s *plan.Step) string {
	if part := partOf(s); part != "capabilities" {
		return part
	}
	return "identity"
}

// describeSteps says in one line of at most width characters what steps achieve: their
// names, with those of the same kind put together.
func describeSteps(steps []*plan.Step, width int) string {
	type kind struct {
		call plan.Call
		verb string
	}
	var order []kind
	objects := map[kind][]string{}
	for _, s := range steps {
		verb, object, _ := strings.Cut(s.Name, " ")
		k := kind{s.Call, verb}
		if objects[k] == nil {
			order = append(order, k)
		}
		objects[k] = append(objects[k], object)
	}
	var out []string
	for _, k := range order {
		list := translateObjects(k.verb, objects[k])
		switch {
		case k.call == plan.Prctl && len(list) > 3:
			out = append(out, language.Text(k.verb+" "+fmt.Sprintf("%d capabilities", len(list))))
		case k.call == plan.Write && k.verb == "join" && len(list) > 1:
			out = append(out, language.Text(fmt.Sprintf("join %d cgroups", len(list))))
		case len(list) > 3:
			out = append(out, strings.Join(list[:2], ", ")+language.Text(fmt.Sprintf(", … (%d in all)", len(list))))
		default:
			out = append(out, strings.Join(list, ", "))
		}
	}
	return truncate(strings.Join(out, "; "), width-1)
}

// translateObjects returns the names of steps with the same verb in the user's language. The words with which the
// others begin like the first one are only in that.
func translateObjects(verb string, objects []string) []string {
	names := make([]string, len(objects))
	for i, object := range objects {
		names[i] = language.Text(strings.TrimSpace(verb + " " + object))
	}
	shared := strings.Fields(names[0])
	shared = shared[:max(len(shared)-1, 0)]
	for i, name := range names[1:] {
		words := strings.Fields(name)
		n, most := 0, min(len(shared), len(words)-1)
		if language.Current() == language.English {
			most = min(most, 1)
		}
		for n < most && words[n] == shared[n] {
			n++
		}
		names[i+1] = strings.Join(words[n:], " ")
	}
	return names
}

// A stepGroup is a number of steps that are narrated together.
type stepGroup struct {
	steps   []*plan.Step
	first   int // index of the first
	last    int // index of the last
	results []int64
}

func (g *stepGroup) add(i int, s *plan.Step, result int64) {
	if len(g.steps) == 0 {
		g.first = i
	}
	g.steps, g.last, g.results = append(g.steps, s), i, append(g.results, result)
}

// sameKind reports whether two steps differ only in what they act on: 38 capabilities,
// six devices.
func sameKind(a, b *plan.Step) bool {
	return a.Call == b.Call && a.Source == b.Source && a.Why == b.Why && len(a.Args) == len(b.Args) &&
		(a.Call != plan.Prctl || a.Args[0] == b.Args[0])
}

// sameExceptNumber reports whether two steps differ in one number only.
func sameExceptNumber(a, b *plan.Step) bool {
	if !sameKind(a, b) {
		return false
	}
	different := 0
	for k := range a.Args {
		if a.Args[k] != b.Args[k] {
			different++
			if a.Args[k].Kind != plan.Immediate {
				return false
			}
		}
	}
	return different == 1
}

// names returns the names of the steps without repeating their verb.
func (g *stepGroup) names() string {
	verb, _, _ := strings.Cut(g.steps[0].Name, " ")
	names := []string{g.steps[0].Name}
	for _, s := range g.steps[1:] {
		names = append(names, strings.TrimPrefix(s.Name, verb+" "))
	}
	return strings.Join(names, ", ")
}

// calls returns the calls of the steps as one: "2 × prctl(PR_CAPBSET_DROP, …) = 0".
func (g *stepGroup) calls(p *plan.Plan) string {
	first := g.steps[0]
	args := p.ArgTexts(first)
	same := len(args)
	for _, s := range g.steps[1:] {
		for k, a := range p.ArgTexts(s) {
			if k < same && a != args[k] {
				same = k
			}
		}
	}
	call := strings.Join(append(slices.Clone(args[:same]), "…"), ", ")
	out := fmt.Sprintf("%d × %s(%s)", len(g.steps), first.Call.Name(), call)
	if slices.Min(g.results) == slices.Max(g.results) {
		out += " = " + resultText(p, g.last, g.results[0])
	}
	return out
}
