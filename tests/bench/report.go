// Statistics of the times, as text or JSON.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type report struct {
	Machine string       `json:"machine"`
	Rounds  int          `json:"rounds"`
	Warmup  int          `json:"warmup"`
	Notes   []string     `json:"notes,omitempty"`
	Cases   []caseReport `json:"cases"`
}

type caseReport struct {
	Name    string             `json:"name"`
	Runners []runnerReport     `json:"runners"`
	Ratios  map[string]float64 `json:"ratios"`     // of medians, "minirun/crun": below 1 the first is faster
	Minima  map[string]float64 `json:"min_ratios"` // of minima
	order   []string
}

// runnerReport holds milliseconds of wall time.
type runnerReport struct {
	Name   string  `json:"name"`
	Runs   int     `json:"runs"`
	Median float64 `json:"median_ms"`
	Min    float64 `json:"min_ms"`
	P90    float64 `json:"p90_ms"`
}

func summarise(name string, runners []*runner, times map[string][]time.Duration) caseReport {
	c := caseReport{Name: name, Ratios: map[string]float64{}, Minima: map[string]float64{}}
	median, minimum := map[string]float64{}, map[string]float64{}
	for _, r := range runners {
		sorted := slices.Clone(times[r.name])
		slices.Sort(sorted)
		report := runnerReport{Name: r.name, Runs: len(sorted), Median: quantile(sorted, 0.5), Min: quantile(sorted, 0), P90: quantile(sorted, 0.9)}
		median[r.name], minimum[r.name] = report.Median, report.Min
		c.Runners = append(c.Runners, report)
	}
	for _, pair := range [][2]string{{"minirun", "crun"}, {"minirun", "runc"}, {"minirun", "floor"}, {"crun", "floor"}, {"runc", "floor"}, {"runc", "crun"}} {
		if a, b := median[pair[0]], median[pair[1]]; a > 0 && b > 0 {
			key := pair[0] + "/" + pair[1]
			c.Ratios[key], c.Minima[key] = a/b, minimum[pair[0]]/minimum[pair[1]]
			c.order = append(c.order, key)
		}
	}
	return c
}

// quantile of sorted times, in milliseconds, between the two nearest.
func quantile(sorted []time.Duration, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	value := float64(sorted[low]) + (at-float64(low))*float64(sorted[high]-sorted[low])
	return value / float64(time.Millisecond)
}

func (r *report) print(w io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	fmt.Fprintf(w, "start-up of `run`, wall time in ms; %d rounds after %d to warm up; %s\n", r.Rounds, r.Warmup, r.Machine)
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	for _, c := range r.Cases {
		fmt.Fprintf(w, "\n%-10s %8s %8s %8s\n", c.Name, "median", "min", "p90")
		for _, x := range c.Runners {
			fmt.Fprintf(w, "  %-8s %8.2f %8.2f %8.2f\n", x.Name, x.Median, x.Min, x.P90)
		}
		for _, line := range []struct {
			word   string
			ratios map[string]float64
		}{{"medians", c.Ratios}, {"minima", c.Minima}} {
			var words []string
			for _, key := range c.order {
				words = append(words, fmt.Sprintf("%s %.2f", key, line.ratios[key]))
			}
			fmt.Fprintf(w, "  %-8s %s\n", line.word+":", strings.Join(words, "  "))
		}
	}
	return nil
}

func machine() string {
	var name unix.Utsname
	unix.Uname(&name)
	return fmt.Sprintf("kernel %s, %d CPUs", unix.ByteSliceToString(name.Release[:]), runtime.NumCPU())
}
