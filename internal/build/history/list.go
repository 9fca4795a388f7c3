// Package history shows the records of builds, for build history.
//
//	title.go    the name of a build in lists (pure)
//	filter.go   the values of --filter → which builds are selected (pure)
//	list.go     build history ls
//	inspect.go  one build with docker buildx's field names
//	print.go    its printed form
//	export.go   build history export
package history

import (
	"fmt"
	"io"
	"time"

	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/termtext"
)

// WriteList lists builds in the format table, json, TEMPLATE or table TEMPLATE. If shorten is set,
// long names end with an ellipsis, except in JSON.
func WriteList(w io.Writer, format string, list []*records.Record, now time.Time, shorten bool) error {
	rows := []formatter.Row{}
	for _, r := range list {
		row := formatter.Row{
			"ID": r.ID, "Name": formatter.OneLine(r.Name), "Status": statusWord(r.Status),
			"CreatedAt": formatter.FormatAge(&r.Started), "Duration": formatDuration(r.Duration(now)),
		}
		if format == "json" {
			row["CreatedAt"] = r.Started.Format(time.RFC3339)
		} else if shorten {
			row["Name"] = formatter.Shorten(formatter.OneLine(r.Name), 36)
		}
		rows = append(rows, row)
	}
	switch format {
	case "json":
		return termtext.WriteJSON(w, rows)
	case "table":
		format = `table {{.ID}}\t{{.Name}}\t{{.Status}}\t{{.CreatedAt}}\t{{.Duration}}`
	}
	headers := map[string]string{
		"ID": "BUILD ID", "Name": "NAME", "Status": "STATUS", "CreatedAt": "CREATED AT", "Duration": "DURATION",
	}
	return formatter.Table{Headers: headers, Rows: rows}.Write(w, format)
}

// statusWord returns the word for a status in tables. Filters accept both words.
func statusWord(s records.Status) string {
	switch s {
	case records.Running:
		return "Running"
	case records.Completed:
		return "Completed"
	case records.Failed:
		return "Error"
	case records.Canceled:
		return "Canceled"
	case records.Interrupted:
		return "Interrupted"
	}
	return ""
}

// formatDuration formats the duration of a build or a step for display.
func formatDuration(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	minutes := int(d / time.Minute)
	return fmt.Sprintf("%dm %2ds", minutes, int(d.Seconds())-60*minutes)
}
