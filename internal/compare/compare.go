// Package compare starts one bundle with two runtimes and compares what the kernel
// reports about the container's first process, at the moment when it has become the
// program and has not executed an instruction of it yet.
//
//	bundle ──copy──▶ create ──▶ ptrace ──▶ start ──▶ execve: stopped; read /proc ──▶ kill, delete
//
// The copy has no terminal, and absolute paths. The program never runs.
package compare

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// A Difference is a fact that differs between the two runtimes.
type Difference struct {
	Fact  string `json:"fact"`
	Left  string `json:"left"`
	Right string `json:"right"`
	Why   string `json:"why,omitempty"` // "" if unknown
}

// A Result is the outcome of a comparison.
type Result struct {
	Left        string       `json:"left"`
	Right       string       `json:"right"`
	Facts       int          `json:"facts"` // number of facts compared
	Differences []Difference `json:"differences"`
	// Medians of `create` and of `delete --force`, in milliseconds.
	Create [2]float64 `json:"create"`
	Delete [2]float64 `json:"delete"`
	Rounds int        `json:"rounds"`
}

// Compare compares two runtimes; the bundle is not changed. When the context ends, the
// runtimes are killed and their containers deleted.
func Compare(ctx context.Context, bundle string, left, right Runtime, rounds int) (*Result, error) {
	s, _, err := spec.Load(bundle)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "minirun-compare-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	both := [2]*Runtime{&left, &right}
	var facts [2]map[string]string
	for i, r := range both {
		r.dir = filepath.Join(work, strconv.Itoa(i))
		if err := r.copyBundle(bundle, s); err != nil {
			return nil, err
		}
		if facts[i], err = r.collectFacts(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	out := &Result{Left: left.Name, Right: right.Name, Rounds: rounds}
	out.Facts, out.Differences = findDifferences(facts[0], facts[1])
	return out, out.measure(ctx, both, rounds)
}

// MountsOnHost reports whether a container of the bundle would mount in the caller's
// mount namespace.
func MountsOnHost(bundle string) (bool, error) {
	s, _, err := spec.Load(bundle)
	if err != nil {
		return false, err
	}
	return s.Linux == nil || !slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.MountNamespace
	}), nil
}

// findDifferences compares the facts of two containers, and returns how many there are.
func findDifferences(a, b map[string]string) (n int, out []Difference) {
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	for name := range names {
		if a[name] != b[name] {
			out = append(out, Difference{Fact: name, Left: a[name], Right: b[name], Why: explain(name)})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Fact < out[j].Fact })
	return len(names), out
}

// measure times create and delete of both runtimes in turn.
func (res *Result) measure(ctx context.Context, both [2]*Runtime, rounds int) error {
	var create, remove [2][]float64
	for range rounds {
		for i, r := range both {
			begin := time.Now()
			if err := r.create(ctx); err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
			created := time.Now()
			if err := r.remove(); err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
			create[i] = append(create[i], float64(created.Sub(begin).Microseconds())/1000)
			remove[i] = append(remove[i], float64(time.Since(created).Microseconds())/1000)
		}
	}
	for i := range both {
		res.Create[i], res.Delete[i] = median(create[i]), median(remove[i])
	}
	return nil
}

// median returns the upper median, 0 for an empty list.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}
