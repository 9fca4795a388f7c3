package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A catalogue is that of one language in the repository, with the messages of the source code.
type catalogue struct {
	dir      string
	messages map[string][]message         // by area
	areas    map[string]map[string]string // translations by area
}

// readAreas reads a catalogue from the repository: the one in this program may be older.
func readAreas(dir string) (map[string]map[string]string, error) {
	result := map[string]map[string]string{}
	for _, area := range areaNames() {
		messages, err := readMessages(filepath.Join(dir, area+".json"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		result[area] = messages
	}
	return result, nil
}

func readMessages(path string) (messages map[string]string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &messages); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return messages, nil
}

// encode returns a file of the catalogue: sorted, and with the signs < > & as they are.
func encode(messages map[string]string) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(messages)
	return out.Bytes(), err
}

// count prints how many messages each area has.
func (c *catalogue) count() {
	total, open := 0, 0
	for _, area := range areaNames() {
		n := len(c.missing(area))
		fmt.Printf("%-12s %5d messages %5d missing\n", area, len(c.messages[area]), n)
		total, open = total+len(c.messages[area]), open+n
	}
	fmt.Printf("%-12s %5d messages %5d missing\n", "", total, open)
}

// translation returns the translation of a message, which may have been in another area before.
func (c *catalogue) translation(text string) string {
	for _, area := range areaNames() {
		if found := c.areas[area][text]; found != "" {
			return found
		}
	}
	return ""
}

// missing returns the messages of an area without a translation.
func (c *catalogue) missing(area string) (missing []message) {
	for _, m := range c.messages[area] {
		if c.translation(m.text) == "" {
			missing = append(missing, m)
		}
	}
	return missing
}

func (c *catalogue) printMissing(area string) error {
	skeleton := map[string]string{}
	for _, m := range c.missing(area) {
		skeleton[m.text] = ""
	}
	data, err := encode(skeleton)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(data)
	return err
}

// add merges a file of translations into an area. Translations whose message no longer exists are removed,
// and those that are wrong are not added.
func (c *catalogue) add(area, file string) error {
	given, err := readMessages(file)
	if err != nil {
		return err
	}
	merged := map[string]string{}
	for english, text := range c.areas[area] {
		if c.exists(english) {
			merged[english] = text
		}
	}
	wrong := 0
	for english, text := range given {
		switch problem := compare(english, text); {
		case text == "":
		case !c.exists(english):
			fmt.Fprintf(os.Stderr, "%q is not in the source code\n", english)
			wrong++
		case problem != "":
			fmt.Fprintln(os.Stderr, problem)
			wrong++
		default:
			merged[english] = text
		}
	}
	data, err := encode(merged)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, area+".json"), data, 0o644); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d translations were not added", wrong)
	}
	return nil
}

func (c *catalogue) exists(english string) bool {
	for _, list := range c.messages {
		if slices.ContainsFunc(list, func(m message) bool { return m.text == english }) {
			return true
		}
	}
	return false
}

// problems returns what is wrong in an area.
func (c *catalogue) problems(area string) (list []string) {
	for _, m := range c.missing(area) {
		list = append(list, fmt.Sprintf("%s: %q has no translation", m.position, m.text))
	}
	for english, text := range c.areas[area] {
		switch problem := compare(english, text); {
		case !c.exists(english):
			list = append(list, fmt.Sprintf("%q is not in the source code", english))
		case problem != "":
			list = append(list, problem)
		}
	}
	return list
}

// compare returns what differs in a translation that must be equal: verbs, flags and names in backquotes.
func compare(english, text string) string {
	want, _ := arguments(english)
	got, ok := arguments(text)
	if !ok || want != got {
		return fmt.Sprintf("%q: the verbs are %q, not %q: write %%[2]s to change their order", english, got, want)
	}
	for _, kind := range fixed {
		for _, name := range kind.FindAllString(english, -1) {
			if !strings.Contains(text, name) {
				return fmt.Sprintf("%q: %s is missing in %q", english, name, text)
			}
		}
	}
	return ""
}
