package translate

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"strings"

	"golang.org/x/text/language"
)

// The catalogues: a directory for each language, a file for each area of the source code, an object with the
// English format strings and their translations. tests/messages checks them against the source code.
//
//go:embed catalogue
var files embed.FS

const directory = "catalogue"

// Languages returns the names of the languages that texts can be translated into.
func Languages() (names []string, err error) {
	entries, err := files.ReadDir(directory)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// New returns a Translator for the language that fits a name such as pt or pt-BR best.
func New(name string) (*Translator, error) {
	wanted, err := language.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("language %q: %w", name, err)
	}
	names, err := Languages()
	if err != nil {
		return nil, err
	}
	tags := make([]language.Tag, len(names))
	for i, n := range names {
		if tags[i], err = language.Parse(n); err != nil {
			return nil, err
		}
	}
	_, index, confidence := language.NewMatcher(tags).Match(wanted)
	if confidence < language.High {
		return nil, fmt.Errorf("language %q is not supported", name)
	}
	areas, err := Areas(names[index])
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, messages := range areas {
		for english, translated := range messages {
			if translated != "" {
				all[english] = translated
			}
		}
	}
	addUnquoted(all)
	return newTranslator(tags[index], all), nil
}

// addUnquoted adds the usages of flags as errors have them: the value's name is not between backquotes.
func addUnquoted(messages map[string]string) {
	unquoted := map[string]string{}
	for english, translated := range messages {
		if plain := strings.ReplaceAll(english, "`", ""); plain != english && messages[plain] == "" {
			unquoted[plain] = strings.ReplaceAll(translated, "`", "")
		}
	}
	maps.Copy(messages, unquoted)
}

// Areas returns the catalogue of a language by area.
func Areas(name string) (map[string]map[string]string, error) {
	entries, err := files.ReadDir(path.Join(directory, name))
	if err != nil {
		return nil, err
	}
	areas := map[string]map[string]string{}
	for _, e := range entries {
		file := path.Join(directory, name, e.Name())
		data, err := files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var messages map[string]string
		if err := json.Unmarshal(data, &messages); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		areas[strings.TrimSuffix(e.Name(), ".json")] = messages
	}
	return areas, nil
}
