package architecture

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// translated lists the pages that learners read: each exists in English and in Brazilian Portuguese.
var translated = map[string]string{
	"README.md":               "docs/pt-BR/README.md",
	"docs/build.md":           "docs/pt-BR/build.md",
	"docs/glossary.md":        "docs/pt-BR/glossary.md",
	"docs/images.md":          "docs/pt-BR/images.md",
	"docs/install.md":         "docs/pt-BR/install.md",
	"docs/labs.md":            "docs/pt-BR/labs.md",
	"docs/teaching.md":        "docs/pt-BR/teaching.md",
	"docs/lab-transcripts.md": "docs/pt-BR/lab-transcripts.md",
	"docs/layers.md":          "docs/pt-BR/layers.md",
	"docs/see-it.md":          "docs/pt-BR/see-it.md",
	"docs/tutorial.md":        "docs/pt-BR/tutorial.md",
}

// TestPagesExistInBothLanguages compares each page for learners with its translation: headings,
// fenced blocks, tables and links must be the same, except for words.
func TestPagesExistInBothLanguages(t *testing.T) {
	for english, portuguese := range translated {
		t.Run(filepath.Base(english), func(t *testing.T) {
			for _, difference := range comparePages(outline(t, english), outline(t, portuguese)) {
				t.Errorf("%s and %s differ: %s", english, portuguese, difference)
			}
			if !slices.Contains(outline(t, english).links, english) || !slices.Contains(outline(t, portuguese).links, english) {
				t.Errorf("%s and %s must link to each other", english, portuguese)
			}
		})
	}
}

// TestEveryPortuguesePageIsCompared: a page that is not in the list would become outdated.
func TestEveryPortuguesePageIsCompared(t *testing.T) {
	files, err := filepath.Glob("../../docs/pt-BR/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal("no pages were found", err)
	}
	pages := slices.Collect(maps.Values(translated))
	for _, file := range files {
		if page := "docs/pt-BR/" + filepath.Base(file); !slices.Contains(pages, page) {
			t.Errorf("%s is not in the list of translated pages", page)
		}
	}
}

// TestChangedTranslationIsFound changes a copy of a page in each way that the comparison must find.
func TestChangedTranslationIsFound(t *testing.T) {
	page := outlineOf("docs/pt-BR/page.md", sample)
	if found := comparePages(outlineOf("docs/page.md", sample), page); len(found) > 0 {
		t.Errorf("the same page: %q", found)
	}
	for want, change := range map[string][2]string{
		"heading 2":        {"## First", "### First"},
		"2 headings and 1": {"## First", "First"},
		"block 1, line 1":  {"$ minirun run box  # comment", "$ minirun run bag  # comentário"},
		"block 1, line 2":  {"hello", "olá"},
		"2 blocks and 1":   {"```dockerfile\nFROM base\n```\n", ""},
		"block 2 is of":    {"```dockerfile", "```"},
		"table 1":          {"| `two` | 2 |\n", ""},
		"table 1, row 3":   {"`one`", "`um`"},
		"link":             {"(layers.md)", "(images.md)"},
		"":                 {"# comment", "# comentário"},
	} {
		text := strings.Replace(sample, change[0], change[1], 1)
		found := strings.Join(comparePages(page, outlineOf("docs/pt-BR/page.md", text)), "\n")
		if text == sample || !strings.HasPrefix(found, want) || (want == "") != (found == "") {
			t.Errorf("%q replaced by %q: %q was found, not %q", change[0], change[1], found, want)
		}
	}
}

const sample = "# Page\n\n## First\n\n```console\n$ minirun run box  # comment\nhello\n```\n\nSee [layers](layers.md).\n\n" +
	"| A | B |\n|---|---|\n| `one` | 1 |\n| `two` | 2 |\n\n```dockerfile\nFROM base\n```\n"

// A pageOutline is what a page and its translation have in common.
type pageOutline struct {
	headings []string   // "##"
	blocks   [][]string // the info string, then the lines
	tables   [][]string // for each row its code
	links    []string   // sorted
}

// outline reads a page. A translation must exist.
func outline(t *testing.T, page string) pageOutline {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatalf("a page for learners must exist in both languages: %v", err)
	}
	return outlineOf(page, string(text))
}

func outlineOf(page, text string) (o pageOutline) {
	fenced, inTable := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if info, ok := strings.CutPrefix(line, "```"); ok {
			if fenced = !fenced; fenced {
				o.blocks = append(o.blocks, []string{info})
			}
			continue
		}
		if fenced {
			block := &o.blocks[len(o.blocks)-1]
			*block = append(*block, line)
			continue
		}
		if strings.HasPrefix(line, "#") {
			o.headings = append(o.headings, line[:len(line)-len(strings.TrimLeft(line, "#"))])
		}
		isRow := strings.HasPrefix(line, "|")
		if isRow && !inTable {
			o.tables = append(o.tables, nil)
		}
		if inTable = isRow; isRow {
			table := &o.tables[len(o.tables)-1]
			*table = append(*table, codeOf(line))
		}
		for _, m := range markdownLink.FindAllStringSubmatch(line, -1) {
			o.links = append(o.links, englishLink(page, m[1]))
		}
	}
	slices.Sort(o.links)
	return o
}

var codeSpan = regexp.MustCompile("`[^`]*`")

// codeOf returns the code in a row of a table, which a translation does not change. The words around
// it may have another order.
func codeOf(row string) string {
	code := codeSpan.FindAllString(row, -1)
	slices.Sort(code)
	return strings.Join(code, " ")
}

// englishLink returns the English page that a link leads to. The link between a page and its
// translation is the same in both, and so is one to a page and to its translation.
func englishLink(page, link string) string {
	file, _, _ := strings.Cut(link, "#")
	if strings.Contains(file, "://") {
		return link
	}
	target := page
	if file != "" {
		target = filepath.Join(filepath.Dir(page), file)
	}
	isTranslation := strings.HasPrefix(page, "docs/pt-BR/")
	for english, portuguese := range translated {
		if target == portuguese || isTranslation && target == english && page == portuguese {
			return english
		}
		if isTranslation && target == english {
			return english + ", which has a translation"
		}
	}
	return target
}

// comparePages returns the differences between two pages.
func comparePages(a, b pageOutline) (found []string) {
	note := func(what string) { found = append(found, what) }
	if len(a.headings) != len(b.headings) {
		note(count(a.headings, b.headings, "headings"))
	}
	for i := range min(len(a.headings), len(b.headings)) {
		if a.headings[i] != b.headings[i] {
			note("heading " + number(i) + " is a " + a.headings[i] + " and a " + b.headings[i])
			break
		}
	}
	if len(a.blocks) != len(b.blocks) {
		note(count(a.blocks, b.blocks, "blocks"))
	}
	for i := range min(len(a.blocks), len(b.blocks)) {
		if what := compareBlocks(a.blocks[i], b.blocks[i]); what != "" {
			note("block " + number(i) + what)
		}
	}
	if len(a.tables) != len(b.tables) {
		note(count(a.tables, b.tables, "tables"))
	}
	for i := range min(len(a.tables), len(b.tables)) {
		if what := compareTables(a.tables[i], b.tables[i]); what != "" {
			note("table " + number(i) + what)
		}
	}
	return append(found, compareLinks(a.links, b.links)...)
}

// compareBlocks compares two fenced blocks. Comments may be translated; in a drawing (```text) all
// words may be.
func compareBlocks(a, b []string) string {
	if a[0] != b[0] {
		return " is of the kind " + a[0] + " and " + b[0]
	}
	if a[0] == "transcript" { // a session in each language
		return ""
	}
	if len(a) != len(b) {
		return ": " + count(a[1:], b[1:], "lines")
	}
	if a[0] == "text" {
		return ""
	}
	hasOutput := slices.ContainsFunc(a, func(line string) bool { return strings.HasPrefix(line, "$ ") })
	for i := 1; i < len(a); i++ {
		x, y := a[i], b[i]
		if a[0] == "" || a[0] == "sh" || a[0] == "console" {
			if !hasOutput || strings.HasPrefix(x, "$ ") {
				x, y = withoutComment(x), withoutComment(y)
			}
		}
		if x != y {
			return ", line " + number(i-1) + " is " + x + " and " + y
		}
	}
	return ""
}

var comment = regexp.MustCompile(`(^|\s+)#( .*)?$`)

func withoutComment(line string) string { return comment.ReplaceAllString(line, "") }

func compareTables(a, b []string) string {
	if len(a) != len(b) {
		return ": " + count(a, b, "rows")
	}
	for i := range a {
		if a[i] != b[i] {
			return ", row " + number(i) + " has " + a[i] + " and " + b[i]
		}
	}
	return ""
}

// compareLinks returns the targets that only one of the pages has.
func compareLinks(a, b []string) (found []string) {
	for _, target := range slices.Compact(slices.Concat(a, b)) {
		if slices.Contains(a, target) != slices.Contains(b, target) {
			found = append(found, "link to "+target+": only one has it")
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func count[T any](a, b []T, what string) string {
	return number(len(a)-1) + " " + what + " and " + number(len(b)-1)
}

func number(index int) string { return strconv.Itoa(index + 1) }
