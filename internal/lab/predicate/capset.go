package predicate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// capset asks whether sets of capabilities are exactly these (capabilities(7)).
type capset struct {
	scene.Of `yaml:",inline"`
	Sets     []string `yaml:"sets"` // CapEff, CapPrm, CapBnd, … of /proc/PID/status
	Are      []string `yaml:"are"`  // CAP_CHOWN, …
}

func (q *capset) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := q.Find(s)
	if failure != nil {
		return failure, nil
	}
	for _, set := range q.Sets {
		value, ok := p.Status[set]
		if !ok {
			return nil, fmt.Errorf("/proc/%d/status has no field %q", p.PID, set)
		}
		names, err := capabilities(value)
		if err != nil {
			return nil, err
		}
		look := "grep Cap " + p.Proc("status")
		if missing := without(q.Are, names); len(missing) > 0 {
			return scene.Fail(words.New("%s has what the program needs", set),
				words.New("%d of %d are missing in it", len(missing), len(q.Are)), "%s", look)
		}
		if extra := without(names, q.Are); len(extra) > 0 {
			return scene.Fail(words.New("%s has only what the program needs", set),
				words.New("it also has %s", strings.Join(extra, " ")), "%s", look)
		}
	}
	return nil, nil
}

// without returns the names of one list that are not in another.
func without(list, other []string) (out []string) {
	for _, name := range list {
		if !slices.Contains(other, name) {
			out = append(out, name)
		}
	}
	return out
}
