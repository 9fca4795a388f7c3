package listing

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/termtext"
)

// Options are the flags of ps.
type Options struct {
	Format  string // table, json, a template, or "table " and a template
	Filters []string
	All     bool
	Quiet   bool
	NoTrunc bool
	Size    bool
	Last    int // how many of the newest, whatever their status; < 0: no limit

	Width int // of the terminal; 0 if the output is not one
}

// A lister lists the containers of an engine.
type lister struct {
	engine  *engine.Engine
	options Options
}

// Write writes the containers that the options select.
func Write(w io.Writer, e *engine.Engine, o Options) error {
	l := &lister{e, o}
	items, err := l.find()
	if err != nil {
		return err
	}
	switch {
	case o.Quiet:
		for _, i := range items {
			termtext.Fprintln(w, l.id(i))
		}
		return nil
	case o.Format == "json":
		return l.writeJSON(w, items)
	case o.Format == "table":
		return l.writeTable(w, items)
	}
	table := formatter.Table{Headers: headers}
	for _, i := range items {
		table.Rows = append(table.Rows, l.row(i))
	}
	return table.Write(w, o.Format)
}

// find returns the containers that the options select, the newest first.
func (l *lister) find() ([]*item, error) {
	f, err := l.parseFilter(l.options.Filters)
	if err != nil {
		return nil, err
	}
	list, err := l.engine.List(l.options.All || l.options.Last >= 0 || f.impliesAll())
	if err != nil {
		return nil, err
	}
	items := []*item{}
	for _, each := range list {
		i := &item{Listed: each, store: l.engine.Store}
		if f.matches(i) {
			items = append(items, i)
		}
	}
	if l.options.Last >= 0 {
		items = items[:min(l.options.Last, len(items))]
	}
	return items, nil
}

// writeJSON writes one array.
func (l *lister) writeJSON(w io.Writer, items []*item) error {
	type listed struct {
		engine.Listed
		ContainerID string `json:"containerID"`
		Size        *int64 `json:"size,omitempty"`
	}
	out := []listed{}
	for _, i := range items {
		each := listed{Listed: i.Listed, ContainerID: i.ContainerID()}
		if l.options.Size {
			written, _ := i.sizes()
			each.Size = &written
		}
		out = append(out, each)
	}
	return termtext.WriteJSON(w, out)
}

// id returns the ID as the options want it.
func (l *lister) id(i *item) string {
	if l.options.NoTrunc {
		return i.ContainerID()
	}
	return i.ShortID()
}

// headers has the header of each placeholder in docker's tables.
var headers = map[string]string{
	"ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT", "RunningFor": "CREATED",
	"Ports": "PORTS", "State": "STATE", "Status": "STATUS", "Size": "SIZE", "Names": "NAMES", "Labels": "LABELS",
	"Mounts": "MOUNTS", "Networks": "NETWORKS", "LocalVolumes": "LOCAL VOLUMES", "Pid": "PID",
}

// commandWidth is how much of a command the table shows, as docker's.
const commandWidth = 20

// row returns the values of the placeholders.
func (l *lister) row(i *item) formatter.Row {
	command := strings.Join(i.Command, " ")
	if !l.options.NoTrunc {
		command = termtext.Clip(command, commandWidth)
	}
	var mounts []string
	volumes := 0
	for _, m := range i.mounts() {
		mounts = append(mounts, m.name)
		if !strings.HasPrefix(m.name, "/") {
			volumes++
		}
	}
	row := formatter.Row{
		"ID": l.id(i), "Image": image.Familiar(i.Name), "Command": `"` + command + `"`,
		"CreatedAt":  i.Created.Local().Format("2006-01-02 15:04:05 -0700 MST"),
		"RunningFor": units.HumanDuration(time.Since(i.Created)) + " ago", "Ports": strings.Join(i.PortList(), ", "),
		"State": i.state(), "Status": i.Status(), "Names": i.Container, "Labels": i.labels(),
		"Mounts": strings.Join(mounts, ","), "Networks": i.Network, "LocalVolumes": fmt.Sprint(volumes),
		"Pid": i.Pid, "Size": "0B",
	}
	if l.options.Size || strings.Contains(l.options.Format, ".Size") {
		written, all := i.sizes()
		row["Size"] = fmt.Sprintf("%s (virtual %s)", units.HumanSizeWithPrecision(float64(written), 3),
			units.HumanSizeWithPrecision(float64(all), 3))
	}
	return row
}

// writeTable writes the default table.
func (l *lister) writeTable(w io.Writer, items []*item) error {
	columns := []string{"ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"}
	if l.options.Size {
		columns = append(columns, "Size")
	}
	var rows []formatter.Row
	for _, i := range items {
		row := l.row(i)
		if l.options.Width > 0 && !l.options.NoTrunc { // fit decides how much of it is shown
			row["Command"] = `"` + formatter.OneLine(strings.Join(i.Command, " ")) + `"`
		}
		rows = append(rows, row)
	}
	t := formatter.Table{Headers: headers, Rows: rows}.NewColumns(columns...)
	if width := l.options.Width; width > 0 && !l.options.NoTrunc {
		if t.Width() > width {
			t.Replace(shorter, "RunningFor", "Status")
		}
		t.Fit(width, narrow)
	}
	_, err := io.WriteString(w, t.Text())
	return err
}

// narrow lists what may be done to a table that is too wide. Names and IDs stay: they are copied.
var narrow = []formatter.Narrowing{
	{Column: "Command", Least: commandWidth + 2}, {Column: "Ports", Least: formatter.RemoveEmpty},
	{Column: "Command", Least: 12}, {Column: "Image", Least: 20}, {Column: "RunningFor", Least: formatter.RemoveAny},
	{Column: "Ports", Least: 22}, {Column: "Image", Least: 12}, {Column: "Command", Least: 8},
}

// shorter are shorter words for the ages of new containers.
var shorter = strings.NewReplacer("Less than a second", "1 second", "About a minute", "1 minute",
	"About an hour", "1 hour")
