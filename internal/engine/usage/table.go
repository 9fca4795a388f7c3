package usage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/formatter"
)

// Options are the flags and arguments of stats.
type Options struct {
	Names    []string // nil: all that run
	All      bool     // without names: also those that do not run
	NoStream bool
	NoTrunc  bool
	Format   string // table, json, a template, or "table " and a template
}

// headers has the header of each placeholder in docker's tables.
var headers = map[string]string{
	"Container": "CONTAINER", "ID": "CONTAINER ID", "Name": "NAME", "CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT",
	"MemPerc": "MEM %", "NetIO": "NET I/O", "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
}

// columns are those of the default table.
var columns = []string{"ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"}

// narrow lists what is left out on a narrow terminal.
var narrow = []formatter.Narrowing{
	{Column: "ID", Least: formatter.RemoveAny}, {Column: "MemPerc", Least: formatter.RemoveAny},
	{Column: "Name", Least: 16}, {Column: "BlockIO", Least: formatter.RemoveAny},
	{Column: "NetIO", Least: formatter.RemoveAny},
}

// table returns the values of the placeholders.
func (o *Options) table(list []Usage) formatter.Table {
	t := formatter.Table{Headers: headers}
	for _, u := range list {
		id := u.Container.ShortID()
		if o.NoTrunc {
			id = u.Container.ContainerID()
		}
		row := formatter.Row{"Container": u.Container.Container, "ID": id, "Name": u.Container.Container,
			"CPUPerc": "--", "MemUsage": "-- / --", "MemPerc": "--", "NetIO": "--", "BlockIO": "--", "PIDs": "--"}
		if u.Counted {
			row["CPUPerc"] = fmt.Sprintf("%.2f%%", u.CPU)
			row["MemUsage"] = binary(u.Memory) + " / " + binary(u.MemoryLimit)
			row["MemPerc"] = fmt.Sprintf("%.2f%%", float64(u.Memory)/float64(max(u.MemoryLimit, 1))*100)
			row["NetIO"] = decimal(u.Received) + " / " + decimal(u.Transmitted)
			row["BlockIO"] = decimal(u.Read) + " / " + decimal(u.Written)
			row["PIDs"] = fmt.Sprint(u.PIDs)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func binary(n uint64) string { return units.BytesSize(float64(n)) }

func decimal(n uint64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

// Intervals between the two samples that the first use of CPUs is calculated from, and between two
// tables.
const (
	firstInterval = 500 * time.Millisecond
	interval      = time.Second
)

// Write writes what containers use once, or again and again until the context ends.
func Write(ctx context.Context, w io.Writer, e *engine.Engine, o Options) error {
	s, err := newSampler(e, &o)
	if err != nil {
		return err
	}
	wait := firstInterval
	for sleep(ctx, wait) {
		wait = interval
		list, err := s.sample()
		if err != nil {
			return err
		}
		if err := o.write(w, list); err != nil || o.NoStream {
			return err
		}
	}
	return nil
}

// sleep waits, and reports whether the context is still valid.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// write writes one sample as plain text.
func (o *Options) write(w io.Writer, list []Usage) error {
	t := o.table(list)
	switch {
	case o.Format == "json":
		for _, row := range t.Rows {
			if err := json.NewEncoder(w).Encode(row); err != nil {
				return err
			}
		}
		return nil
	case o.Format == "table":
		_, err := io.WriteString(w, t.NewColumns(columns...).Text())
		return err
	}
	return t.Write(w, strings.TrimSpace(o.Format))
}
