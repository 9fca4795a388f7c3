// Package language chooses the language in which the programs print texts for people, and has texts
// translated. The texts in the source code are English. The catalogue of another language is in a separate
// program, minirun-translate, which is started when the first text is printed in such a language: the programs
// do not link it, and with English they only look at three variables of the environment.
//
// What other programs read is always English: --log, --log-format json, --format json, the values in tables.
package language

import (
	"fmt"
	"os"
	"strings"
)

// English is the language of the source code.
const English = "en"

// Variable is the variable of the environment that chooses the language of minirun's programs only.
const Variable = "MINIRUN_LANG"

// Use sets the language for this program, and for those that it starts. name is the value of --lang.
func Use(name string) error {
	chosen := find(name)
	if chosen == "" {
		return fmt.Errorf("--lang %q: must be en, pt or pt-BR", name)
	}
	return os.Setenv(Variable, chosen)
}

// Current returns the language, English unless another one is requested and known: by --lang or MINIRUN_LANG,
// otherwise by the first of the variables that is set in locale(7).
func Current() string {
	for _, variable := range [...]string{Variable, "LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := os.Getenv(variable); value != "" {
			if known := find(value); known != "" {
				return known
			}
			return English
		}
	}
	return English
}

// find returns the language with a name such as pt, pt-BR or pt_BR.UTF-8, or "".
func find(name string) string {
	name, _, _ = strings.Cut(name, ".")
	name, _, _ = strings.Cut(name, "@")
	kind, _, _ := strings.Cut(strings.ReplaceAll(name, "_", "-"), "-")
	switch strings.ToLower(kind) {
	case "en", "c", "posix":
		return English
	case "pt":
		return "pt-BR"
	}
	return ""
}
