package compare

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
)

// width is how wide the lines are, except where a single value is wider.
const width = 80

// Text writes the differences by their reasons, and the times.
func (res *Result) Text(w io.Writer) error {
	termtext.Fprintln(w, language.Text(fmt.Sprintf("%d facts compared, %d differ", res.Facts, len(res.Differences))))
	for _, group := range groupByReason(res.Differences) {
		termtext.Fprintln(w)
		for _, line := range breakLines(language.Text(cmp.Or(group[0].Why, "not explained")), width-len("# ")) {
			termtext.Fprintf(w, "# %s\n", line)
		}
		if err := res.writeGroup(w, group); err != nil {
			return err
		}
	}
	return res.writeTimes(w)
}

// groupByReason puts the differences with the same reason together, in the order of the first
// ones.
func groupByReason(all []Difference) (groups [][]Difference) {
	for _, d := range all {
		k := slices.IndexFunc(groups, func(g []Difference) bool { return g[0].Why == d.Why })
		if k < 0 {
			k, groups = len(groups), append(groups, nil)
		}
		groups[k] = append(groups[k], d)
	}
	return groups
}

// breakLines breaks a text into lines of at most that many characters.
func breakLines(text string, most int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line+" "+word) > most {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// writeGroup writes differences as a table if it is narrow enough, otherwise each value on its
// own line.
func (res *Result) writeGroup(w io.Writer, group []Difference) error {
	var fact, left, right int
	for _, d := range group {
		fact = max(fact, utf8.RuneCountInString(d.Fact))
		left = max(left, utf8.RuneCountInString(shortenText(d.Left)))
		right = max(right, utf8.RuneCountInString(shortenText(d.Right)))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if fact+left+right+4 <= width {
		termtext.Fprintf(table, "\t%s\t%s\n", strings.ToUpper(res.Left), strings.ToUpper(res.Right))
		for _, d := range group {
			termtext.Fprintf(table, "%s\t%s\t%s\n", d.Fact, shortenText(d.Left), shortenText(d.Right))
		}
		return table.Flush()
	}
	for _, d := range group {
		termtext.Fprintf(table, "%s\n  %s\t%s\n  %s\t%s\n", d.Fact, strings.ToUpper(res.Left), shortenText(d.Left),
			strings.ToUpper(res.Right), shortenText(d.Right))
	}
	return table.Flush()
}

// writeTimes writes the times, if they were measured.
func (res *Result) writeTimes(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if res.Rounds > 0 {
		termtext.Fprintf(w, "\n%s\n",
			language.Text(fmt.Sprintf("medians of create and delete, measured in turn (--rounds %d)", res.Rounds)))
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
