// Package completion finds the words that can follow on an incomplete command line of minirun, and has
// the scripts with which shells ask for them.
//
//	minirun.bash, _minirun, minirun.fish  the scripts
//	completion.go  the words: commands and flags, as the programs describe them
//	values.go      what arguments and flags are: containers, images, fixed words, files
//
// A shell executes `minirun __complete WORD…`, whose last word is incomplete. The answer has a word
// with its description per line, separated by a tab, and directives, which begin with a colon.
package completion

import (
	"bufio"
	"embed"
	"io"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/termtext"
)

//go:embed minirun.bash _minirun minirun.fish
var scripts embed.FS

// Shells are the shells that have a script.
var Shells = []string{"bash", "zsh", "fish"}

// Script returns the script for a shell, or false.
func Script(shell string) ([]byte, bool) {
	name := map[string]string{"bash": "minirun.bash", "zsh": "_minirun", "fish": "minirun.fish"}[shell]
	text, err := scripts.ReadFile(name)
	return text, err == nil
}

// A Word can be the next word of a command line.
type Word struct{ Text, Usage string }

// Directives to the shell.
const (
	offerFiles = ":files"
	offerDirs  = ":dirs"
	noSpace    = ":nospace" // after the word
)

// A Finder finds the words of one command line.
type Finder struct {
	Describe func(words []string) (string, error) // of the program that has the command, see cmdline.Describe
	List     func(k Kind) []Word                  // what exists now
	Bake     func(words []string) []Word          // of build bake, which describes itself
	words    []Word
	directed []string
}

// facts is a parsed description.
type facts struct {
	path, value string
	foreign     bool
	arguments   []string
	commands    []Word
	flags       []Word
}

func parse(text string) (f facts) {
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		fields := append(strings.Split(s.Text(), "\t"), "", "", "")
		switch fields[0] {
		case "path":
			f.path = fields[1]
		case "value":
			f.value = fields[1]
		case "foreign":
			f.foreign = true
		case "argument":
			f.arguments = append(f.arguments, fields[1])
		case "command":
			f.commands = append(f.commands, Word{fields[1], fields[2]})
		case "flag":
			f.flags = append(f.flags, Word{fields[1], fields[3]})
		}
	}
	return f
}

// Write writes the words that can be the last one.
func (f *Finder) Write(w io.Writer, words []string) error {
	if len(words) == 0 {
		words = []string{""}
	}
	text, err := f.Describe(words)
	if err != nil {
		return err
	}
	f.find(parse(text), words)
	current := words[len(words)-1]
	for _, one := range f.words {
		if strings.HasPrefix(one.Text, current) {
			termtext.Fprintf(w, "%s\t%s\n", one.Text, one.Usage)
		}
	}
	for _, d := range f.directed {
		termtext.Fprintf(w, "%s\n", d)
	}
	return nil
}

func (f *Finder) find(d facts, words []string) {
	current := words[len(words)-1]
	flag, _, hasValue := strings.Cut(current, "=")
	switch {
	case d.path == "build" && len(d.arguments) > 0 && d.arguments[0] == "bake":
		f.words = f.Bake(words[slices.Index(words, "bake")+1:])
	case d.value != "":
		f.add(valueOf(d.path, d.value), "", d.arguments)
	case d.foreign:
		f.add(ofProgram(d.path), "", d.arguments)
	case hasValue && strings.HasPrefix(flag, "--"):
		f.add(valueOf(d.path, strings.TrimPrefix(flag, "--")), flag+"=", d.arguments)
	case strings.HasPrefix(current, "-"):
		f.words = d.flags
	default:
		f.words = d.commands
		if d.path == "build" && len(d.arguments) == 0 {
			f.words = append(f.words, Word{"bake", "build the targets of a bake file"})
		}
		if d.path == "" && len(d.arguments) == 0 {
			f.words = append(f.words, Word{"help", "show help"})
			return
		}
		f.add(argumentOf(d.path, len(d.arguments)), "", d.arguments)
	}
}

// add adds what a list of kinds has, except what was given already.
func (f *Finder) add(kinds []Kind, prefix string, given []string) {
	for _, k := range kinds {
		switch {
		case k == Files:
			f.directed = append(f.directed, offerFiles)
		case k == Directories:
			f.directed = append(f.directed, offerDirs)
		case k == PathsInContainers:
			f.directed = append(f.directed, noSpace)
			for _, w := range f.List(Containers) {
				f.words = append(f.words, Word{prefix + w.Text + ":", w.Usage})
			}
		case strings.HasPrefix(string(k), "="):
			for word := range strings.FieldsSeq(string(k[1:])) {
				f.words = append(f.words, Word{prefix + word, ""})
			}
		default:
			for _, w := range f.List(k) {
				if !slices.Contains(given, w.Text) {
					f.words = append(f.words, Word{prefix + w.Text, w.Usage})
				}
			}
		}
	}
}
