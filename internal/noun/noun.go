// Package noun knows docker's long forms of commands, such as `image rm`.
package noun

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
)

// A Noun is the first word of docker's long form of commands. cmd/minirun replaces it and the next
// word by those of the command, and starts again. Only the first argument of minirun can be a noun,
// so a container or an image of that name is not affected.
type Noun struct {
	Name, Usage string
	forms       [][2]string // a word after the noun, and the words that replace both
	group       string      // commands of this group of the catalogue also follow the noun
}

// Helper marks a form that minirun-engine implements as it is.
const Helper = ""

// All are docker's nouns for which minirun has no command; system, network and volume are commands.
var All = []Noun{
	{"image", "docker's long form of the commands for images", [][2]string{
		{"ls", "images"}, {"list", "images"}, {"rm", "rmi"}, {"remove", "rmi"}, {"inspect", "inspect"},
		{"build", "build"}, {"pull", "pull"}, {"push", "push"}, {"load", "load"}, {"save", "save"},
		{"import", "import"}, {"history", "history"}, {"tag", "tag"}, {"prune", "prune"},
	}, ""},
	{"container", "docker's long form of the commands for containers", [][2]string{
		{"ls", "ps"}, {"list", "ps"}, {"remove", "rm"}, {"unpause", "resume"}, {"inspect", "inspect"},
		{"create", "create"}, {"prune", Helper},
	}, cmdline.Containers},
	{"builder", "docker's long form of build and build prune", [][2]string{
		{"build", "build"}, {"prune", "build prune"},
	}, ""},
	{"buildx", "docker's long form of the commands for builds", [][2]string{
		{"build", "build"}, {"b", "build"}, {"bake", "build bake"}, {"imagetools", "imagetools"}, {"du", "build du"},
		{"history", "build history"}, {"prune", "build prune"}, {"ls", Helper}, {"version", "version"},
	}, ""},
}

// Find returns the noun with a name, or nil.
func Find(name string) *Noun {
	i := slices.IndexFunc(All, func(n Noun) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &All[i]
}

// Replacement returns the command for the word after a noun. verbs are all commands.
func (n *Noun) Replacement(word string, verbs []string) (string, bool) {
	for _, f := range n.forms {
		if f[0] == word {
			return f[1], true
		}
	}
	return word, n.hasVerb(word) && slices.Contains(verbs, word)
}

// hasVerb reports whether a command is in the noun's group.
func (n *Noun) hasVerb(name string) bool { return name != n.Name && cmdline.InGroup(n.group, name) }

// Words returns all words that may follow a noun.
func (n *Noun) Words(verbs []string) (words []string) {
	for _, f := range n.forms {
		words = append(words, f[0])
	}
	for _, v := range verbs {
		if n.hasVerb(v) && !slices.Contains(words, v) {
			words = append(words, v)
		}
	}
	return words
}

// Describe returns the noun's forms as subcommands, for help and completion.
func (n *Noun) Describe(verbs []string) *cli.Command {
	c := &cli.Command{Name: n.Name, HelpName: "minirun " + n.Name, Usage: n.Usage}
	for _, w := range n.Words(verbs) {
		usage := HelperUsage(n.Name + " " + w)
		if by, _ := n.Replacement(w, verbs); by != Helper {
			usage = "the same as minirun " + by
		}
		c.Subcommands = append(c.Subcommands, &cli.Command{Name: w, Usage: usage})
	}
	return c
}

// HelperUsage returns the usage of the forms that minirun-engine implements.
func HelperUsage(form string) string {
	switch form {
	case "container prune":
		return "remove all stopped containers"
	case "buildx ls":
		return "list the builders: there is one"
	}
	return ""
}
