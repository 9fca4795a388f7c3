package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/termtext"
)

func duCommand() *cli.Command {
	return &cli.Command{
		Name: "du", Usage: "show the disk usage of the build cache",
		Description: "A filter is KEY=VALUE, KEY!=VALUE or KEY~=REGEXP. The keys are until, id, parents,\n" +
			"description, inuse, mutable, immutable, shared, private and type. An entry whose ID is marked\n" +
			"with * is mutable, and one whose size is marked with * is shared with an image.",
		Flags: []cli.Flag{
			filterFlag(),
			&cli.StringFlag{Name: "format", Value: "table", Usage: "`table|pretty|json|TEMPLATE`, or table TEMPLATE"},
			&cli.BoolFlag{Name: "verbose", Usage: "same as --format pretty"},
			builderFlag(),
		},
		Action: du,
	}
}

func filterFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "filter", Usage: "select entries with `KEY=VALUE`, such as until=24h or type=regular"}
}

// builderFlag is accepted because scripts written for buildx use it.
func builderFlag() cli.Flag {
	return &cli.StringFlag{Name: "builder", Usage: "accepted for compatibility; the only builder is `default`"}
}

func checkBuilder(ctx *cli.Context) error {
	if name := ctx.String("builder"); name != "" && name != "default" {
		return fmt.Errorf("--builder %s: the only builder is default", name)
	}
	return nil
}

func du(ctx *cli.Context) error {
	if err := errors.Join(cmdline.CheckCount(ctx, 0, 0), checkBuilder(ctx)); err != nil {
		return err
	}
	filter, err := cacheFilter(ctx.StringSlice("filter"), time.Now())
	if err != nil {
		return err
	}
	s := &store.Store{Store: &image.Store{Dir: ctx.String("store")}}
	all, err := s.BuildCache(ctx.Context)
	if err != nil {
		return fmt.Errorf("build du: %w", err)
	}
	entries := slices.DeleteFunc(all, func(e *store.CacheEntry) bool { return !filter(e) })
	format := ctx.String("format")
	if ctx.Bool("verbose") {
		format = "pretty"
	}
	return writeEntries(ctx.App.Writer, format, entries)
}

// writeEntries writes the output of du and, with the format table or pretty, of build prune.
func writeEntries(w io.Writer, format string, entries []*store.CacheEntry) error {
	switch format {
	case "table":
		if err := writeTemplate(w, `table {{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsedAt}}`, cacheHeaders(), cacheRows(entries)); err != nil {
			return err
		}
	case "pretty":
		if err := writePretty(w, entries); err != nil {
			return err
		}
	case "json":
		for _, e := range entries {
			r := cacheRow(e)
			r["ID"], r["Size"] = e.ID, strconv.FormatInt(e.Size, 10)
			r["CreatedAt"], r["LastUsedAt"] = e.Created.UTC().Format(time.RFC3339), e.Used.UTC().Format(time.RFC3339)
			if err := json.NewEncoder(w).Encode(r); err != nil {
				return err
			}
		}
		return nil
	default:
		return writeTemplate(w, format, cacheHeaders(), cacheRows(entries))
	}
	return writeTotals(w, entries)
}

func cacheHeaders() map[string]string {
	return map[string]string{
		"ID": "ID", "Parents": "PARENTS", "CreatedAt": "CREATED AT", "Mutable": "MUTABLE", "Reclaimable": "RECLAIMABLE", "Shared": "SHARED",
		"Size": "SIZE", "Description": "DESCRIPTION", "LastUsedAt": "LAST ACCESSED", "Type": "TYPE",
	}
}

func cacheRows(entries []*store.CacheEntry) (out []row) {
	for _, e := range entries {
		out = append(out, cacheRow(e))
	}
	return out
}

func cacheRow(e *store.CacheEntry) row {
	mark := func(text string, marked bool) string {
		if marked {
			text += "*"
		}
		return text
	}
	parents := append([]string{}, e.Parents...) // [] instead of null in JSON
	return row{
		"ID": mark(e.ID, e.Mutable), "Parents": parents, "CreatedAt": age(&e.Created), "Mutable": e.Mutable, "Reclaimable": !e.InUse, "Shared": e.Shared,
		"Size": mark(units.HumanSize(float64(e.Size)), e.Shared), "Description": oneLine(e.Description), "LastUsedAt": age(&e.Used), "Type": e.Type,
	}
}

func writePretty(w io.Writer, entries []*store.CacheEntry) error {
	for _, e := range entries {
		list := []pair{{"ID", e.ID}}
		if len(e.Parents) > 0 {
			list = append(list, pair{"Parents", "\n - " + strings.Join(e.Parents, "\n - ")})
		}
		list = append(list, []pair{
			{"Created at", e.Created.UTC().Format("2006-01-02 15:04:05.999999999 -0700 MST")}, {"Mutable", strconv.FormatBool(e.Mutable)},
			{"Reclaimable", strconv.FormatBool(!e.InUse)}, {"Shared", strconv.FormatBool(e.Shared)}, {"Size", units.HumanSize(float64(e.Size))},
			{"Description", oneLine(e.Description)}, {"Last used", age(&e.Used)}, {"Type", e.Type},
		}...)
		var text strings.Builder
		for _, p := range list {
			name := p.Name + ":"
			if !strings.HasPrefix(p.Value, "\n") { // a list starts on a new line
				name = fmt.Sprintf("%-13s ", name)
			}
			text.WriteString(name + p.Value + "\n")
		}
		if _, err := io.WriteString(w, termtext.Text(text.String())+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func writeTotals(w io.Writer, entries []*store.CacheEntry) error {
	var shared, reclaimable, total int64
	for _, e := range entries {
		total += e.Size
		if e.Shared {
			shared += e.Size
		}
		if !e.InUse {
			reclaimable += e.Size
		}
	}
	if shared > 0 {
		fmt.Fprintf(w, "%-14s %s\n%-14s %s\n", "Shared:", units.HumanSize(float64(shared)), "Private:", units.HumanSize(float64(total-shared)))
	}
	_, err := fmt.Fprintf(w, "%-14s %s\n%-14s %s\n", "Reclaimable:", units.HumanSize(float64(reclaimable)), "Total:", units.HumanSize(float64(total)))
	return err
}

// A condition is one --filter for cache entries.
type condition func(*store.CacheEntry) bool

// cacheFilter parses --filter. All conditions must hold.
func cacheFilter(texts []string, now time.Time) (condition, error) {
	var all []condition
	for _, text := range texts {
		c, err := cacheCondition(text, now)
		if err != nil {
			return nil, fmt.Errorf("--filter %s: %w", text, err)
		}
		all = append(all, c)
	}
	return func(e *store.CacheEntry) bool {
		return !slices.ContainsFunc(all, func(c condition) bool { return !c(e) })
	}, nil
}

// splitCondition splits KEY, KEY=VALUE, KEY!=VALUE or KEY~=VALUE.
func splitCondition(text string) (key, op, value string) {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return key, "", ""
	}
	for _, mark := range []string{"!", "~"} {
		if before, marked := strings.CutSuffix(key, mark); marked {
			return before, mark + "=", value
		}
	}
	return key, "=", value
}

func cacheCondition(text string, now time.Time) (condition, error) {
	key, op, value := splitCondition(text)
	if key == "until" {
		long, err := time.ParseDuration(value)
		if err != nil || op != "=" {
			return nil, errors.Join(err, errors.New("must be until=DURATION, such as until=24h"))
		}
		return func(e *store.CacheEntry) bool { return e.Used.Before(now.Add(-long)) }, nil
	}
	if has := cacheFact(key); has != nil {
		want, err := true, error(nil)
		if op != "" {
			want, err = strconv.ParseBool(value)
		}
		if err != nil || op == "~=" {
			return nil, errors.New("must be true or false")
		}
		return func(e *store.CacheEntry) bool { return has(e) == (want != (op == "!=")) }, nil
	}
	texts := cacheText(key)
	if texts == nil || op == "" {
		return nil, errors.New("must be KEY=VALUE, KEY!=VALUE or KEY~=REGEXP; the keys are until, id, parents, description, inuse, mutable, immutable, shared, private and type")
	}
	switch op {
	case "~=":
		pattern, err := regexp.Compile(value)
		if err != nil {
			return nil, err
		}
		return func(e *store.CacheEntry) bool { return slices.ContainsFunc(texts(e), pattern.MatchString) }, nil
	case "!=":
		return func(e *store.CacheEntry) bool { return !slices.Contains(texts(e), value) }, nil
	}
	if key == "parents" { // any of several may match
		list := strings.Split(value, ";")
		return func(e *store.CacheEntry) bool {
			return slices.ContainsFunc(e.Parents, func(p string) bool { return slices.Contains(list, p) })
		}, nil
	}
	return func(e *store.CacheEntry) bool { return slices.Contains(texts(e), value) }, nil
}

// cacheFact returns the condition for a boolean key, or nil for other keys.
func cacheFact(key string) condition {
	switch key {
	case "inuse":
		return func(e *store.CacheEntry) bool { return e.InUse }
	case "mutable":
		return func(e *store.CacheEntry) bool { return e.Mutable }
	case "immutable":
		return func(e *store.CacheEntry) bool { return !e.Mutable }
	case "shared":
		return func(e *store.CacheEntry) bool { return e.Shared }
	case "private":
		return func(e *store.CacheEntry) bool { return !e.Shared }
	}
	return nil
}

// cacheText returns the function that reads the values of a text key, or nil for other keys.
func cacheText(key string) func(e *store.CacheEntry) []string {
	switch key {
	case "id":
		return func(e *store.CacheEntry) []string { return []string{e.ID} }
	case "parents":
		return func(e *store.CacheEntry) []string { return e.Parents }
	case "description":
		return func(e *store.CacheEntry) []string { return []string{e.Description} }
	case "type":
		return func(e *store.CacheEntry) []string { return []string{e.Type} }
	}
	return nil
}
