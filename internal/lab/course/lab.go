package course

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Lab is one lab. Its fields are those of lab.yaml, which docs/lab-authoring.md describes.
type Lab struct {
	Dir   string `yaml:"-"` // 05-layers
	Name  string `yaml:"-"` // layers
	Files fs.FS  `yaml:"-"` // the lab's directory

	Number  string           `yaml:"number"`  // 5, or C for the capstone
	Minutes int              `yaml:"minutes"` // what it takes a learner, at most 15
	Fast    bool             `yaml:"fast"`    // part of the fast track
	Broken  bool             `yaml:"broken"`  // it starts broken on purpose
	Needs   []string         `yaml:"needs"`   // what the machine must have, as `minirun lab doctor` names it
	Values  map[string]Value `yaml:"values"`  // random values: {{name}} in files, texts and checks
	Bundles []Bundle         `yaml:"bundles"` // generated with busybox as their root
	Images  []string         `yaml:"images"`  // generated in the lab's store: box, debian, node
	Predict []string         `yaml:"predict"` // the right answer to each question of the texts: a, b, …
	Checks  []yaml.Node      `yaml:"checks"`
	Runtime *RuntimeChecks   `yaml:"runtime"` // what check --runtime asks, nil: nothing
	Network string           `yaml:"network"` // a reset removes network devices, namespaces and tables that begin with it

	// Modes are the permissions of files of the start state, in octal.
	Modes map[string]string `yaml:"modes"`

	// Texts are those of each language, by its tag.
	Texts map[string]*Text `yaml:"-"`
}

// A Bundle is generated at the start of a lab: config.json, and a root file system with busybox.
type Bundle struct {
	Dir    string         `yaml:"dir"`
	Args   []string       `yaml:"args"`   // process.args
	Config map[string]any `yaml:"config"` // merged into config.json (RFC 7386)

	// Root is the directory of another bundle, whose root file system it uses.
	Root string `yaml:"root"`

	// Programs are copied from the host: a path in the root file system, and a program in PATH. They need
	// the host's loader and libraries, which the root file system does not have.
	Programs map[string]string `yaml:"programs"`
}

// RuntimeChecks says what another runtime than minirun can decide of a lab.
type RuntimeChecks struct {
	Bundles []string `yaml:"bundles"` // it runs these, as the reference solution has them
	Checks  []string `yaml:"checks"`  // IDs of checks; the others concern what the learner writes
}

// Languages are the tags of the languages in which each lab has a text. The first is the default.
var Languages = []string{"en", "pt-BR"}

// ReadLab reads the lab in a directory with this name.
func ReadLab(files fs.FS, dir string) (*Lab, error) {
	number, name, ok := strings.Cut(dir, "-")
	if !ok || len(number) != 2 || name == "" {
		return nil, errors.New("the directory must have a name such as 05-layers")
	}
	data, err := fs.ReadFile(files, "lab.yaml")
	if err != nil {
		return nil, err
	}
	l := &Lab{Dir: dir, Name: name, Files: files, Texts: map[string]*Text{}}
	if err := decodeStrictly(data, l); err != nil {
		return nil, fmt.Errorf("lab.yaml: %w", err)
	}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("lab.yaml: %w", err)
	}
	for _, tag := range Languages {
		file := tag + ".md"
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, err
		}
		t, err := parseText(string(data))
		if err == nil {
			err = t.fits(l)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		l.Texts[tag] = t
	}
	return l, nil
}

func decodeStrictly(data []byte, to any) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(to); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Longest is how many minutes a lab may take.
const Longest = 15

func (l *Lab) check() error {
	switch {
	case l.Number == "":
		return errors.New("number is missing")
	case l.Minutes < 1 || l.Minutes > Longest && l.Number != "C":
		return fmt.Errorf("minutes: %d: must be 1 to %d", l.Minutes, Longest)
	case len(l.Checks) == 0:
		return errors.New("checks are missing")
	case l.Network != "" && !strings.HasPrefix(l.Network, "lab"):
		return fmt.Errorf("network: %q: must begin with lab, since everything with this prefix is removed", l.Network)
	}
	for _, b := range l.Bundles {
		if b.Dir == "" || path.Clean(b.Dir) != b.Dir || strings.HasPrefix(b.Dir, "/") || strings.HasPrefix(b.Dir, "..") {
			return fmt.Errorf("bundles: dir %q must be a directory below the lab's", b.Dir)
		}
	}
	for name, mode := range l.Modes {
		if _, err := strconv.ParseUint(mode, 8, 9); err != nil || !fs.ValidPath(name) {
			return fmt.Errorf("modes: %s: %q must be a path and permissions such as \"0644\"", name, mode)
		}
	}
	return nil
}

// Text returns the lab's text in a language, or in English.
func (l *Lab) Text(tag string) *Text {
	if t := l.Texts[tag]; t != nil {
		return t
	}
	return l.Texts[Languages[0]]
}

// A Variant is a directory of a lab with files that are copied over the learner's, and a script do.sh
// that runs in the learner's directory: the reference solution, wrong solutions, spoofs.
type Variant struct {
	Dir    string // solution, wrong/NAME, spoof/NAME
	Fails  []string
	Script bool
}

// Solution returns the reference solution.
func (l *Lab) Solution() Variant { return l.variant("solution") }

// ForRuntime returns what prepares the bundles for another runtime: runtime/, or else the reference solution.
func (l *Lab) ForRuntime() Variant {
	if _, err := fs.Stat(l.Files, "runtime"); err == nil {
		return l.variant("runtime")
	}
	return l.Solution()
}

// Wrong returns the wrong solutions and the spoofs: with each of them, the checks that its file fails
// names must fail.
func (l *Lab) Wrong() (all []Variant, err error) {
	for _, kind := range []string{"wrong", "spoof"} {
		entries, err := fs.ReadDir(l.Files, kind)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			v := l.variant(path.Join(kind, e.Name()))
			data, err := fs.ReadFile(l.Files, path.Join(v.Dir, "fails"))
			if err != nil {
				return nil, err
			}
			v.Fails = strings.Fields(string(data))
			if len(v.Fails) == 0 {
				return nil, fmt.Errorf("%s/fails names no check", v.Dir)
			}
			all = append(all, v)
		}
	}
	return all, nil
}

func (l *Lab) variant(dir string) Variant {
	_, err := fs.Stat(l.Files, path.Join(dir, "do.sh"))
	return Variant{Dir: dir, Script: err == nil}
}
