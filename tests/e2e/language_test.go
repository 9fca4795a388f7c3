package e2e

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// inPortuguese makes minirun's commands for a bundle choose their language from the locale.
func inPortuguese(b *testbundle.Bundle) {
	b.Env = append(b.Env, "MINIRUN_LANG=", "LC_ALL=", "LC_MESSAGES=", "LANG=pt_BR.UTF-8")
}

// TestLocaleChoosesTheLanguage: errors, hints, help and narration are in the language of the locale, the
// values in them stay, and --lang wins.
func TestLocaleChoosesTheLanguage(t *testing.T) {
	testbundle.Need(t)
	b := testbundle.New(t, testbundle.Sh("exit 3"))
	b.Write()
	inPortuguese(b)
	missing := []string{"run", b.ID, b.Dir + "/nope/"}
	r := b.Minirun(missing...)
	r.Exit(t, 125)
	r.Fails(t, "minirun: run: o diretório "+b.Dir+"/nope/ não existe")
	r = b.Minirun("runn")
	r.Fails(t, ` desconhecido "runn"`+"\ndica: você quis dizer minirun run?")
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"help", "spec"}} {
		if out := b.Minirun(args...).Stdout; !strings.HasPrefix(out, "NOME:\n  minirun") || !strings.Contains(out, "OPÇÕES:") {
			t.Errorf("%v: %s", args, out)
		}
	}
	r = b.Run("--explain")
	r.Exit(t, 3)
	r.Fails(t, "um plano de ", " etapas", "montar proc em /proc")
	b.Global = []string{"--lang", "en"}
	b.Minirun(missing...).Fails(t, "minirun: run: directory "+b.Dir+"/nope/ does not exist")
	if out := b.Minirun("--help").Stdout; !strings.HasPrefix(out, "NAME:\n") {
		t.Errorf("--lang en: %s", out)
	}
	b.Env, b.Global = append(b.Env, "LANG=C"), []string{"--lang=pt"}
	b.Minirun("runn").Fails(t, " desconhecido ")
}

// TestInteractiveTextsInPortuguese: what --hold and step print while they wait, the names of steps among them, and
// the line that spec prints for people.
func TestInteractiveTextsInPortuguese(t *testing.T) {
	testbundle.Need(t)
	b := testbundle.New(t)
	inPortuguese(b)
	dir := filepath.Join(t.TempDir(), "new")
	r := b.Minirun("spec", "--busybox", dir, "--args", "true")
	r.Exit(t, 0)
	has(t, r.Stdout, "o bundle "+dir+" foi criado; execute-o com: minirun run "+dir+"/")
	b.Stdin = "\n"
	r = b.Minirun("run", "--hold", b.ID, dir)
	r.Exit(t, 0)
	has(t, r.Stderr, "parado: o processo ", "olhe a partir de outro terminal:", "Uma linha na entrada padrão inicia o programa")
	b.Stdin = "at open /proc/acpi\ninfo\nquit\n"
	r = b.Minirun("step", b.ID, dir)
	r.Exit(t, 0)
	has(t, r.Stderr, ": abrir /proc/acpi", "mudou: montagem adicionada: ", "\nprocesso ")
}

// TestUnknownLanguages: an unknown --lang is an error, an unknown locale means English.
func TestUnknownLanguages(t *testing.T) {
	testbundle.Need(t)
	b := testbundle.New(t)
	b.Env = append(b.Env, "MINIRUN_LANG=", "LC_ALL=fr_FR.UTF-8")
	b.Minirun("runn").Fails(t, `unknown command "runn"`)
	for _, name := range []string{"fr", "", "xx-YY"} {
		b.Global = []string{"--lang", name}
		for _, args := range [][]string{{"list"}, {"--help"}, {"state", b.ID}} {
			r := b.Minirun(args...)
			r.Exit(t, 1)
			r.Fails(t, `minirun: --lang "`+name+`": must be en, pt or pt-BR`)
		}
	}
}

// TestEnginesReadEnglish: what programs parse does not depend on the language.
func TestEnginesReadEnglish(t *testing.T) {
	testbundle.Need(t)
	b := testbundle.New(t)
	inPortuguese(b)
	log := filepath.Join(t.TempDir(), "log")
	b.Global = []string{"--log", log, "--log-format", "json"}
	r := b.Minirun("state", "nope")
	r.Exit(t, 1)
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), `does not exist`) {
		t.Errorf("the log contains %q, %v", text, err)
	}
	b.Global = nil
	for _, args := range [][]string{{"list", "--format", "json"}, {"features"}, {"--version"}, {"doctor", "--format", "json"}} {
		there := b.Minirun(args...).Stdout
		b.Global = []string{"--lang", "en"}
		if english := b.Minirun(args...).Stdout; there != english {
			t.Errorf("%v: %s\nin English: %s", args, there, english)
		}
		b.Global = nil
	}
}

// TestWithoutTranslator: if minirun-translate is not installed, cannot be executed or exits, texts are English.
func TestWithoutTranslator(t *testing.T) {
	testbundle.Need(t)
	if _, err := os.Stat("/usr/libexec/minirun/minirun-translate"); !errors.Is(err, fs.ErrNotExist) {
		t.Skip("a package of minirun is installed here, whose translator would be found")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "minirun")
	data, err := os.ReadFile(testbundle.Binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	for what, script := range map[string]string{
		"missing": "", "not executable": "x", "exits": "#!/bin/sh\nexit 0\n", "fails": "#!/bin/sh\nread line\nexit 1\n",
	} {
		translator := filepath.Join(dir, "minirun-translate")
		if script != "" {
			if err := os.WriteFile(translator, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(program, "runn")
		cmd.Env = append(os.Environ(), "MINIRUN_LANG=pt")
		out, err := cmd.CombinedOutput()
		if err == nil || string(out) != "minirun: unknown command \"runn\"\nhint: did you mean minirun run?\n" {
			t.Errorf("%s: %v, %s", what, err, out)
		}
		if err := os.RemoveAll(translator); err != nil {
			t.Fatal(err)
		}
	}
}
