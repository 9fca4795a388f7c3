// Statistics of the measurements, as text or JSON.
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
	Scale   []scaleRun   `json:"scale,omitempty"`
}

type caseReport struct {
	Name    string             `json:"name"`
	Unit    string             `json:"unit"` // "ms" of wall time, or "KiB"
	Runners []runnerReport     `json:"runners"`
	Ratios  map[string]float64 `json:"ratios"`     // of medians, "minirun/crun": below 1 the first is faster
	Minima  map[string]float64 `json:"min_ratios"` // of minima
	order   []string
}

type runnerReport struct {
	Name   string  `json:"name"`
	Runs   int     `json:"runs"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	P90    float64 `json:"p90"`
}

func summarise(name, unit string, runners []*runner, values map[string][]float64) caseReport {
	c := caseReport{Name: name, Unit: unit, Ratios: map[string]float64{}, Minima: map[string]float64{}}
	median, minimum := map[string]float64{}, map[string]float64{}
	for _, r := range runners {
		if len(values[r.name]) == 0 {
			continue // floor supports only one case
		}
		sorted := slices.Clone(values[r.name])
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

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile returns a quantile of sorted values, interpolated between the two nearest.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

func (r *report) print(w io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	fmt.Fprintf(w, "wall time in ms; %d rounds after %d to warm up; %s\n", r.Rounds, r.Warmup, r.Machine)
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	for _, c := range r.Cases {
		if c.Unit != "ms" {
			fmt.Fprintf(w, "\n%s, in %s\n", c.Name, c.Unit)
			for _, x := range c.Runners {
				fmt.Fprintf(w, "  %-8s %8.0f\n", x.Name, x.Median)
			}
			continue
		}
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
	printScale(w, r.Scale)
	return nil
}

func machine() string {
	var name unix.Utsname
	unix.Uname(&name)
	return fmt.Sprintf("kernel %s, %d CPUs", unix.ByteSliceToString(name.Release[:]), runtime.NumCPU())
}
