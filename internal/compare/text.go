package compare

import (
	"io"
	"strings"
	"text/tabwriter"

	"github.com/minirun/minirun/internal/termtext"
)

// Text writes the differences by their reasons, and the times.
func (res *Result) Text(w io.Writer) error {
	termtext.Fprintf(w, "%d facts compared, %d differ\n\n", res.Facts, len(res.Differences))
	why := "\x00"
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range res.Differences {
		if d.Why != why {
			why = d.Why
			if err := table.Flush(); err != nil {
				return err
			}
			reason := why
			if reason == "" {
				reason = "not explained"
			}
			termtext.Fprintf(w, "\n# %s\n", reason)
			termtext.Fprintf(table, "\t%s\t%s\n", strings.ToUpper(res.Left), strings.ToUpper(res.Right))
		}
		termtext.Fprintf(table, "%s\t%s\t%s\n", d.Fact, shortenText(d.Left), shortenText(d.Right))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if res.Rounds > 0 {
		termtext.Fprintf(w, "\nmedians of %d rounds, in turn\n", res.Rounds)
		termtext.Fprintf(table, "\t%s\t%s\t\n", strings.ToUpper(res.Left), strings.ToUpper(res.Right))
		for _, row := range []struct {
			verb  string
			times [2]float64
		}{{"create", res.Create}, {"delete", res.Delete}} {
			left, right := row.times[0], row.times[1]
			termtext.Fprintf(table, "%s\t%.1f ms\t%.1f ms\t%.2f×\n", row.verb, left, right, left/right)
		}
	}
	return table.Flush()
}

func shortenText(text string) string {
	if text == "" {
		return "-"
	}
	if r := []rune(text); len(r) > 60 {
		return string(r[:28]) + "…" + string(r[len(r)-31:])
	}
	return text
}
