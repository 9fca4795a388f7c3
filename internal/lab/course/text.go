package course

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// A Text is what a learner reads of a lab, in one language. In the file the parts have headings in that
// language, always in this order.
type Text struct {
	Title    string
	Intro    string     // below the title
	Predict  []Question // answered before running
	Do       string
	Hints    []string // three, the last one nearly the answer
	Checks   []string // what each check of lab.yaml asks, in its order
	Explain  string   // after success
	Headings []string // of the six parts
}

// A Question is asked before the learner runs anything.
type Question struct {
	Text    string
	Choices []string // a, b, …
}

// Fill returns the text with a learner's values in all its parts.
func (t *Text) Fill(values map[string]string) *Text {
	fill := func(list []string) (out []string) {
		for _, text := range list {
			out = append(out, Fill(text, values))
		}
		return out
	}
	filled := &Text{Title: t.Title, Intro: Fill(t.Intro, values), Do: Fill(t.Do, values), Hints: fill(t.Hints),
		Checks: fill(t.Checks), Explain: Fill(t.Explain, values), Headings: t.Headings}
	for _, q := range t.Predict {
		filled.Predict = append(filled.Predict, Question{Fill(q.Text, values), fill(q.Choices)})
	}
	return filled
}

// Parts are the headings of the parts, in each language.
var Parts = map[string][]string{
	"en":    {"Predict", "Do", "Hints", "Checks", "What happened"},
	"pt-BR": {"Preveja", "Faça", "Dicas", "Verificações", "O que aconteceu"},
}

// HintLevels is how many hints a lab has.
const HintLevels = 3

func parseText(data string) (*Text, error) {
	title, rest, ok := strings.Cut(strings.TrimLeft(data, "\n"), "\n")
	title, isTitle := strings.CutPrefix(title, "# ")
	if !ok || !isTitle {
		return nil, errors.New("the first line must be the title: # …")
	}
	parts := splitParts(rest)
	if len(parts) != 6 {
		return nil, fmt.Errorf("%d parts with ## headings, there must be 5", len(parts)-1)
	}
	t := &Text{Title: strings.TrimSpace(title), Intro: parts[0].body, Do: parts[2].body, Explain: parts[5].body,
		Hints: items(parts[3].body), Checks: items(parts[4].body)}
	for _, p := range parts[1:] {
		t.Headings = append(t.Headings, p.heading)
	}
	var err error
	t.Predict, err = parseQuestions(parts[1].body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", parts[1].heading, err)
	}
	return t, nil
}

type part struct{ heading, body string }

// splitParts splits a text at its headings of the second level, except in code.
func splitParts(text string) []part {
	parts, code := []part{{}}, false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if heading, ok := strings.CutPrefix(line, "## "); ok && !code {
			parts = append(parts, part{heading: strings.TrimSpace(heading)})
			continue
		}
		parts[len(parts)-1].body += line
	}
	for i := range parts {
		parts[i].body = strings.Trim(parts[i].body, "\n")
	}
	return parts
}

var itemStart = regexp.MustCompile(`^(\d+\.|-) +`)

// items returns the items of a list: those that begin at the margin, each with its other lines.
func items(text string) (out []string) {
	for line := range strings.Lines(text) {
		start := itemStart.FindString(line)
		switch {
		case start != "":
			out = append(out, strings.TrimRight(line[len(start):], "\n"))
		case len(out) > 0:
			out[len(out)-1] += "\n" + strings.TrimRight(strings.TrimPrefix(line, "   "), "\n")
		}
	}
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}

// choice begins a choice below a question: "   - a) text".
var choice = regexp.MustCompile(`(?m)^ *- ([a-e])\) +`)

func parseQuestions(text string) (out []Question, err error) {
	for _, item := range items(text) {
		places := choice.FindAllStringSubmatchIndex(item, -1)
		if len(places) < 2 {
			return nil, fmt.Errorf("the question %q has no choices a), b)", item)
		}
		q := Question{Text: strings.TrimSpace(item[:places[0][0]])}
		for i, p := range places {
			end := len(item)
			if i+1 < len(places) {
				end = places[i+1][0]
			}
			if letter := item[p[2]:p[3]]; letter != string(rune('a'+i)) {
				return nil, fmt.Errorf("the choices of %q are not a), b), … in order", q.Text)
			}
			q.Choices = append(q.Choices, strings.Join(strings.Fields(item[p[1]:end]), " "))
		}
		out = append(out, q)
	}
	return out, nil
}

// fits compares a text with lab.yaml.
func (t *Text) fits(l *Lab) error {
	switch {
	case len(t.Checks) != len(l.Checks):
		return fmt.Errorf("%d checks, lab.yaml has %d", len(t.Checks), len(l.Checks))
	case len(t.Hints) != HintLevels:
		return fmt.Errorf("%d hints, there must be %d", len(t.Hints), HintLevels)
	case len(t.Predict) != len(l.Predict) || len(t.Predict) == 0:
		return fmt.Errorf("%d questions, lab.yaml has %d answers", len(t.Predict), len(l.Predict))
	case t.Do == "" || t.Explain == "":
		return errors.New("a part is empty")
	}
	for i, q := range t.Predict {
		if answer := l.Predict[i]; len(answer) != 1 || int(answer[0]-'a') >= len(q.Choices) {
			return fmt.Errorf("predict: %q is not an answer to question %d", answer, i+1)
		}
	}
	return nil
}
