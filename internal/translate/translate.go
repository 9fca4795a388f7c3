// Package translate translates the texts that minirun's programs print. The source code contains only
// English. A text such as
//
//	cannot start container "web": mount /proc: permission denied
//
// was built from several format strings. They are the keys of a catalogue, and a text is translated by
// finding the formats that it was built from: the verbs match values, which stay as they are, or other texts,
// which are translated in turn. A part that is not in the catalogue stays English.
//
//	pattern.go    a format string as a pattern: which values give this text?
//	translate.go  the best way to divide a text into formats of the catalogue
//	columns.go    a line of a table, or with colors, as separate texts
//	catalogue.go  the catalogues, one file for each area of the source code and language
package translate

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// A Translator translates texts into one language.
type Translator struct {
	tag      language.Tag
	messages map[string]string     // by the English format
	byWord   map[string][]*pattern // those that begin with a word
	others   []*pattern            // those that begin with a verb or a sign
	catalog  *catalog.Builder      // the formats that were used
	printer  *message.Printer
	known    map[string]result
	budget   int // how many more texts may be looked up for this line
}

// A result is a translation. Its score is the number of English bytes that were translated.
type result struct {
	text  string
	score int
	vague bool // only by vague formats
}

// newTranslator returns a Translator with the messages of a catalogue.
func newTranslator(tag language.Tag, messages map[string]string) *Translator {
	builder := catalog.NewBuilder(catalog.Fallback(language.English))
	t := &Translator{tag: tag, messages: messages, byWord: map[string][]*pattern{}, catalog: builder,
		printer: message.NewPrinter(tag, message.Catalog(builder)), known: map[string]result{}}
	for english := range messages {
		p := parse(english)
		if word := firstWord(p.literals[0]); word != "" && word != p.literals[0] || len(p.verbs) == 0 && word != "" {
			t.byWord[word] = append(t.byWord[word], &p)
		} else {
			t.others = append(t.others, &p)
		}
	}
	return t
}

// firstWord returns the letters that a text begins with.
func firstWord(text string) string {
	for i, r := range text {
		if !unicode.IsLetter(r) {
			return text[:i]
		}
	}
	return text
}

// Texts that are longer stay English: they are data.
const maxLine = 20000

// Limits of the translations that a Translator keeps, and of the parts of a line.
const (
	maxKnown   = 20000
	maxDepth   = 12
	maxLookups = 4000
)

// Text returns a text in the Translator's language. Each line is translated separately, so that a hint
// is translated whatever error it belongs to. Spaces around a line stay, and so do columns.
func (t *Translator) Text(text string) string {
	if len(t.known) > maxKnown {
		clear(t.known)
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) != "" && len(line) <= maxLine {
			lines[i] = t.line(line)
		}
	}
	return strings.Join(lines, "\n")
}

// line translates a line as a whole, or its columns if that translates more of it.
func (t *Translator) line(line string) string {
	content := strings.TrimSpace(line)
	at := strings.Index(line, content)
	whole := t.sentence(content)
	columns := split(line)
	if len(columns) == 1 {
		return line[:at] + whole.text + line[at+len(content):]
	}
	score := 0
	for i := range columns {
		if columns[i].text != "" {
			r := t.sentence(columns[i].text)
			columns[i].translated = r.text
			score += r.score
		}
	}
	if score <= whole.score {
		return line[:at] + whole.text + line[at+len(content):]
	}
	return join(columns)
}

// prefixes begin lines, whatever follows.
var prefixes = [...]string{"hint", "warning", "error"}

// marks begin lines of a plan.
var marks = [...]string{"// ", "→ ", "# "}

// sentence translates a line without the spaces around it.
func (t *Translator) sentence(text string) result {
	for _, prefix := range prefixes {
		rest, ok := strings.CutPrefix(text, prefix+": ")
		if translated := t.messages[prefix]; ok && translated != "" {
			r := t.sentence(rest)
			return result{text: translated + ": " + r.text, score: r.score + len(prefix)}
		}
	}
	t.budget = maxLookups
	found := t.best(text, 0)
	for _, mark := range marks {
		if rest, ok := strings.CutPrefix(text, mark); ok {
			if r := t.best(rest, 0); r.score > found.score {
				found = result{text: mark + r.text, score: r.score}
			}
		}
	}
	if heading, ok := strings.CutSuffix(text, ":"); ok && found.score == 0 {
		if r := t.best(heading, 0); r.score > 0 {
			found = result{text: r.text + ":", score: r.score}
		}
	}
	return found
}

// best returns the translation of a text that covers most of it.
func (t *Translator) best(text string, depth int) result {
	if depth > maxDepth || text == "" {
		return result{text: text}
	}
	if r, ok := t.known[text]; ok {
		return r
	}
	found := result{text: text}
	if t.budget--; t.budget < 0 {
		return found
	}
	for _, list := range [...][]*pattern{t.byWord[firstWord(text)], t.others} {
		for _, p := range list {
			values, ok := p.match(text)
			if !ok {
				continue
			}
			if r := t.fill(p, values, depth); better(r, found, p) {
				found = r
			}
		}
	}
	if r := t.parts(text, depth); r.score > found.score {
		found = r
	}
	if r := t.phrase(text); r.score > found.score {
		found = r
	}
	t.known[text] = found
	return found
}

// better reports whether a translation is better than the best one until now. Of equal ones the text decides,
// so that the order of a map does not.
func better(r, than result, p *pattern) bool {
	return r.score > than.score || r.score == than.score && p.weight > 0 && r.text < than.text && than.score > 0
}

// fill returns the translation of a format with the values of a text.
func (t *Translator) fill(p *pattern, values []string, depth int) result {
	score, vague := p.weight, p.vague
	args := make([]any, len(values))
	for i, v := range values {
		r := result{text: v}
		if isText(p.verbs[i], v) {
			r = t.best(v, depth+1)
		}
		if p.vague && p.verbs[i] != 'q' && (r.score == 0 || r.vague) && strings.Contains(v, " ") && !isQuoted(v) {
			return result{} // it may be anything
		}
		args[i] = raw(r.text)
		vague = vague && (r.score == 0 || r.vague)
		score += r.score
	}
	return result{t.print(p.english, args), score, vague}
}

// isQuoted reports whether a value is one quoted string, or a list of them, as in `execute ["sh", "-c", "true"]`.
func isQuoted(value string) bool {
	list, isList := strings.CutPrefix(value, "[")
	for rest := list; ; {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return false
		}
		if rest = rest[len(quoted):]; rest == "" || rest == "]" {
			return isList == (rest == "]")
		}
		more, ok := strings.CutPrefix(rest, ", ")
		if !ok || !isList {
			return false
		}
		rest = more
	}
}

// print prints the translation of a format. A ${NAME} in a catalogue of the library is a macro.
func (t *Translator) print(english string, args []any) string {
	translated := t.messages[english]
	if strings.Contains(translated, "${") {
		return t.printer.Sprintf(translated, args...)
	}
	if err := t.catalog.SetString(t.tag, english, translated); err != nil {
		return fmt.Sprintf(english, args...)
	}
	return t.printer.Sprintf(message.Key(english, english), args...)
}

// isText reports whether a verb's value may be a text of minirun's. A single word is a name or a number unless
// it is an error.
func isText(verb byte, value string) bool {
	switch verb {
	case 'w':
		return true
	case 's', 'v':
		return strings.Contains(value, " ")
	}
	return false
}

// raw is a value that every verb prints as it is.
type raw string

// Format implements fmt.Formatter.
func (r raw) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, string(r)) }

// parts translates the parts of a text that no format of the catalogue gives as a whole. maxParts limits
// the places where it is divided.
const maxParts = 16

// separators are where a text is divided. A format may be glued to another one with its first sign, such as
// "(killed by signal %d)": the last bytes of these separators belong to the right part, too.
var separators = [...]struct {
	text  string
	right int // bytes that belong to the right part
}{{": ", 0}, {"; ", 0}, {" (", 0}, {" (", 1}, {", ", 0}, {". ", 0}, {". ", 2}}

func (t *Translator) parts(text string, depth int) (found result) {
	found.text = text
	for _, s := range separators {
		places := 0
		for at := strings.Index(text, s.text); at >= 0 && places < maxParts; places++ {
			rest := at + len(s.text)
			between := s.text[:len(s.text)-s.right]
			left := certain(text[:at], t.best(text[:at], depth+1))
			right := certain(text[rest-s.right:], t.bestInside(text[rest-s.right:], between, depth+1))
			if score := left.score + right.score; score > found.score {
				found = result{text: left.text + between + right.text, score: score}
			}
			next := strings.Index(text[rest:], s.text)
			if next < 0 {
				break
			}
			at = rest + next
		}
	}
	return found
}

// phrase translates a phrase of the catalogue with one value after it, such as the operation and the path of an
// fs.PathError: `look up in the image /x`.
func (t *Translator) phrase(text string) result {
	at := max(strings.LastIndexByte(text, ' '), 0)
	translated := t.messages[text[:at]]
	if translated == "" || !strings.Contains(text[:at], " ") || strings.Contains(text[:at], "%") {
		return result{text: text}
	}
	return result{text: translated + text[at:], score: at}
}

// certain returns a translation, or the text if only vague formats matched: a part of an unknown sentence may
// have other words around it.
func certain(text string, r result) result {
	if r.vague {
		return result{text: text}
	}
	return r
}

// bestInside is best for the text after a separator, which may be in parentheses.
func (t *Translator) bestInside(text, separator string, depth int) result {
	if inner, ok := strings.CutSuffix(text, ")"); ok && separator == " (" {
		r := t.best(inner, depth)
		r.text += ")"
		return r
	}
	return t.best(text, depth)
}
