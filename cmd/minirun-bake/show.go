package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/bake/hclparser"
)

// print prints the targets like buildx's --print.
func (d *definition) print() error {
	return printJSON(struct {
		Group  map[string]*bake.Group  `json:"group,omitempty"`
		Target map[string]*bake.Target `json:"target"`
	}{d.groups, d.targets})
}

// printCalls prints the targets, with the JSON that their calls printed.
func (d *definition) printCalls(jobs []*job) error {
	out := map[string]map[string]any{}
	for _, j := range jobs {
		if json.Valid(j.output) {
			out[j.name] = map[string]any{"build": d.targets[j.name], j.call.name: json.RawMessage(j.output)}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return printJSON(struct {
		Group  map[string]*bake.Group    `json:"group,omitempty"`
		Target map[string]map[string]any `json:"target"`
	}{d.groups, out})
}

func printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(text, '\n'))
	return err
}

// A listEntry target is a line of --list targets.
type listEntry struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Group       bool   `json:"group,omitempty"`
}

// printList implements --list.
func (o *options) printList() error {
	what, format, err := parseList(o.list)
	if err != nil {
		return err
	}
	files, err := o.readFiles()
	if err != nil {
		return fmt.Errorf("build bake: %w", err)
	}
	given, err := o.parseVariables()
	if err != nil {
		return err
	}
	config, meta, err := bake.ParseFiles(files, builtInVariables(), given, parseOptions())
	if err != nil {
		return fmt.Errorf("build bake: %w", err)
	}
	if what == "variables" {
		return printVariables(meta.AllVariables, format)
	}
	return printTargets(listTargets(config), format)
}

// parseList parses targets, variables, or type=…,format=….
func parseList(text string) (what, format string, err error) {
	what, format = text, "table"
	if strings.Contains(text, "=") {
		what = ""
		for _, field := range strings.Split(text, ",") {
			switch key, value, _ := strings.Cut(field, "="); key {
			case "type":
				what = value
			case "format":
				format = value
			default:
				return "", "", fmt.Errorf("build bake: --list %s: %s: must be type or format", text, key)
			}
		}
	}
	if what != "targets" && what != "variables" || format != "table" && format != "json" {
		return "", "", fmt.Errorf("build bake: --list %s: must be targets or variables; with format: "+
			"type=targets,format=table|json", text)
	}
	return what, format, nil
}

// listTargets returns all groups and targets, sorted by name; groups with their members.
func listTargets(c *bake.Config) []listEntry {
	byName := map[string]listEntry{}
	for _, t := range c.Targets {
		byName[t.Name] = listEntry{Name: t.Name, Description: t.Description}
	}
	for _, g := range c.Groups { // they take precedence
		description := strings.Join(g.Targets, ", ")
		if g.Description != "" {
			description = fmt.Sprintf("%s (%s)", g.Description, description)
		}
		byName[g.Name] = listEntry{g.Name, description, true}
	}
	out := []listEntry{}
	for name, l := range byName {
		if !strings.HasPrefix(name, "_") { // by convention, a base to inherit from
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b listEntry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func printTargets(list []listEntry, format string) error {
	if format == "json" {
		return printJSON(list)
	}
	w := tabwriter.NewWriter(os.Stdout, 1, 8, 3, ' ', 0)
	fmt.Fprintln(w, "TARGET\tDESCRIPTION")
	for _, t := range list {
		printf(w, "%s\t%s\n", t.Name, t.Description)
	}
	return w.Flush()
}

func printVariables(list []*hclparser.Variable, format string) error {
	if list == nil {
		list = []*hclparser.Variable{}
	}
	slices.SortFunc(list, func(a, b *hclparser.Variable) int { return strings.Compare(a.Name, b.Name) })
	if format == "json" {
		return printJSON(list)
	}
	w := tabwriter.NewWriter(os.Stdout, 1, 8, 3, ' ', 0)
	fmt.Fprintln(w, "VARIABLE\tTYPE\tVALUE\tDESCRIPTION")
	for _, v := range list {
		value := "<null>"
		if v.Value != nil {
			value = *v.Value
		}
		printf(w, "%s\t%s\t%s\t%s\n", v.Name, v.Type, value, v.Description)
	}
	return w.Flush()
}
