package translate

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/language"
)

// sample is a catalogue for tests.
var sample = map[string]string{
	"hint":                                     "dica",
	"cannot start container %q: %w":            "não foi possível iniciar o contêiner %q: %w",
	"host port %d is in use":                   "a porta %d do host está em uso",
	"%s is not a bundle (no config.json)":      "%s não é um bundle (não tem config.json)",
	"choose another port with -p":              "escolha outra porta com -p",
	"permission denied":                        "permissão negada",
	"mount %s on %s":                           "montar %s em %s",
	"copied %d files from %q to %s":            "%[2]q: %[1]d arquivos copiados para %[3]s",
	"set %q to 50%% of ${HOME}":                "define %q como 50%% de ${HOME}",
	"%s: must be a number":                     "%s: precisa ser um número",
	"%s is %s":                                 "%s é %s",
	"the disk is full":                         "o disco está cheio",
	"write the state of %s: %w (%d of %d)":     "gravar o estado de %s: %w (%d de %d)",
	"the container exited with status %d":      "o contêiner terminou com o status %d",
	"read-only layers under a writable place":  "camadas somente leitura sob um lugar gravável",
	"execute %s":                               "executar %s",
	"look up in the image":                     "procurar na imagem",
	"exit code: %d":                            "código de saída: %d",
	"(killed by signal %d, %s)":                "(encerrado pelo sinal %d, %s)",
	"perhaps because memory ran out":           "talvez porque a memória acabou",
	". QEMU is registered in %s, but disabled": ". O QEMU está registrado em %s, mas desativado",
}

func sampleTranslator() *Translator { return newTranslator(language.BrazilianPortuguese, sample) }

func TestText(t *testing.T) {
	tr := sampleTranslator()
	for english, want := range map[string]string{
		`cannot start container "web": host port 8080 is in use` + "\nhint: choose another port with -p": `` +
			`não foi possível iniciar o contêiner "web": a porta 8080 do host está em uso` +
			"\ndica: escolha outra porta com -p",
		"run: /x is not a bundle (no config.json)":             "run: /x não é um bundle (não tem config.json)",
		"mount proc on /proc":                                  "montar proc em /proc",
		"  mount proc on /proc  ":                              "  montar proc em /proc  ",
		"open /etc/x: permission denied":                       "open /etc/x: permissão negada",
		`copied 8080 files from "a: b" to /x`:                  `"a: b": 8080 arquivos copiados para /x`,
		`set "a" to 50% of ${HOME}`:                            `define "a" como 50% de ${HOME}`,
		"--memory: must be a number":                           "--memory: precisa ser um número",
		"permission denied; the disk is full":                  "permissão negada; o disco está cheio",
		"read the plan (permission denied)":                    "read the plan (permissão negada)",
		"the disk is full:":                                    "o disco está cheio:",
		"a thing, x is y":                                      "a thing, x is y", // x is y may be a part of any sentence
		"nothing is known of this":                             "nothing is known of this",
		"  \x1b[2mminirun\x1b[0m  mount proc on /proc":         "  \x1b[2mminirun\x1b[0m  montar proc em /proc",
		"  12  mount proc on /proc      mount(1, 2)":           "  12  montar proc em /proc     mount(1, 2)",
		"x\tthe disk is full\ty":                               "x\to disco está cheio\ty",
		"   → choose another port with -p":                     "   → escolha outra porta com -p",
		`cannot start container "a  b": x`:                     `não foi possível iniciar o contêiner "a  b": x`,
		"":                                                     "",
		"\n\n":                                                 "\n\n",
		`write the state of web: x: the disk is full (1 of 2)`: `gravar o estado de web: x: o disco está cheio (1 de 2)`,
		// Quoted values have no words of the sentence.
		`execute ["/bin/sh", "-c", "a, b"]`: `executar ["/bin/sh", "-c", "a, b"]`,
		`execute "a b"`:                     `executar "a b"`,
		`execute "a" or "b"`:                `execute "a" or "b"`,
		`execute ["a" or "b"]`:              `execute ["a" or "b"]`,
		"execute the rest":                  "execute the rest",
		// The operation and the path of an error of package os.
		"look up in the image /x: permission denied": "procurar na imagem /x: permissão negada",
		"look up in the image of web":                "look up in the image of web",
		// Formats that are glued to another one with their first sign.
		"exit code: 137 (killed by signal 9, SIGKILL), perhaps because memory ran out": "" +
			"código de saída: 137 (encerrado pelo sinal 9, SIGKILL), talvez porque a memória acabou",
		"run: exit code: 137 (killed by signal 9, SIGKILL)": "run: código de saída: 137 (encerrado pelo sinal 9, SIGKILL)",
		"exit code: 1. QEMU is registered in /x, but disabled": "" +
			"código de saída: 1. O QEMU está registrado em /x, mas desativado",
		"exit code: 1. Nothing else. permission denied": "código de saída: 1. Nothing else. permissão negada",
		// A single word is a name, even if it could be a message.
		"host port web is in use": "host port web is in use",
	} {
		if got := tr.Text(english); got != want {
			t.Errorf("%q:\n%q, want\n%q", english, got, want)
		}
	}
}

// TestLongestFormatWins: of the formats that give a text, the one with more words is its origin.
func TestLongestFormatWins(t *testing.T) {
	tr := newTranslator(language.BrazilianPortuguese, map[string]string{
		"%s is %s": "A: %s %s", "%s is not %s": "B: %s %s", "the image %s is not %s": "C: %s %s",
	})
	for english, want := range map[string]string{
		"x is y": "A: x y", "an x: y, z is a": "an x: y, z is a", "x is not y": "B: x y", "the image x is not y": "C: x y",
	} {
		for range 10 {
			if got := tr.Text(english); got != want {
				t.Errorf("%q: %q, want %q", english, got, want)
			}
		}
	}
}

// TestNew: a language is found by its name or the nearest one, and an unknown one is an error.
func TestNew(t *testing.T) {
	for _, name := range []string{"pt", "pt-BR", "pt_BR"} {
		if _, err := New(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "fr", "x y", "en"} {
		if _, err := New(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

// TestMissingValue: the error about a flag without its value has the flag's usage in the language, and the words
// that Podman looks for to find out whether a runtime has a flag.
func TestMissingValue(t *testing.T) {
	tr, err := New("pt-BR")
	if err != nil {
		t.Fatal(err)
	}
	for english, want := range map[string]string{
		"login: flag needs an argument: -u USER (log in as USER)":    ": -u USER (entrar como USER)",
		"restore: flag needs an argument: --lsm-mount-context VALUE": ": --lsm-mount-context VALUE",
	} {
		got := tr.Text(english)
		if !strings.Contains(got, "precisa de um argumento") || !strings.Contains(got, "flag needs an argument") ||
			!strings.HasSuffix(got, want) {
			t.Errorf("%q: %q", english, got)
		}
	}
}

// FuzzText: no text makes the translator panic or lose a line, quoted values stay, and a text without a
// word of the catalogue stays as it is.
func FuzzText(f *testing.F) {
	for english := range sample {
		f.Add(english)
		f.Add("x: " + strings.NewReplacer("%w", english, "%s", "a b", "%q", `"%d"`, "%d", "7").Replace(english))
	}
	tr := sampleTranslator()
	f.Fuzz(func(t *testing.T, text string) {
		got := tr.Text(text)
		if strings.Count(got, "\n") != strings.Count(text, "\n") {
			t.Errorf("%q: %q has other lines", text, got)
		}
		if strings.Contains(got, "%!") && !strings.Contains(text, "%!") {
			t.Errorf("%q: %q has a wrong verb", text, got)
		}
		if again := sampleTranslator().Text(text); again != got {
			t.Errorf("%q: %q and %q", text, got, again)
		}
	})
}

// FuzzValues: values are in the translation as they were.
func FuzzValues(f *testing.F) {
	f.Add("web", "/x: y", 3)
	f.Add("a is b", "permission denied", -1)
	tr := sampleTranslator()
	f.Fuzz(func(t *testing.T, quoted, word string, number int) {
		if word == "" || strings.ContainsAny(word, " \n\r\t") || strings.TrimSpace(word) != word {
			t.Skip()
		}
		english := fmt.Sprintf("copied %d files from %q to %s", number, quoted, word)
		want := fmt.Sprintf("%[2]q: %[1]d arquivos copiados para %[3]s", number, quoted, word)
		if got := tr.Text(english); got != want {
			t.Errorf("%q: %q, want %q", english, got, want)
		}
	})
}
