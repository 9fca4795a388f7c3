package language

import (
	"os"
	"testing"
)

// TestCurrent: the first variable of locale(7) that is set decides, unless MINIRUN_LANG or --lang does.
func TestCurrent(t *testing.T) {
	for _, c := range []struct{ own, all, messages, lang, want string }{
		{"", "", "", "", English},
		{"", "", "", "pt_BR.UTF-8", "pt-BR"},
		{"", "", "", "pt", "pt-BR"},
		{"", "", "", "pt_PT@euro", "pt-BR"},
		{"", "", "", "fr_FR.UTF-8", English},
		{"", "", "", "C.UTF-8", English},
		{"", "", "", "POSIX", English},
		{"", "", "en_US.UTF-8", "pt_BR", English},
		{"", "C", "pt_BR", "pt_BR", English},
		{"", "pt_BR", "C", "C", "pt-BR"},
		{"pt", "C", "C", "C", "pt-BR"},
		{"en", "pt_BR", "", "", English},
		{"xx", "pt_BR", "", "", English},
		{"", "", "", "port", English},
	} {
		t.Setenv(Variable, c.own)
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_MESSAGES", c.messages)
		t.Setenv("LANG", c.lang)
		if got := Current(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestUse: --lang also holds for the programs that this one starts, and an unknown language is an error.
func TestUse(t *testing.T) {
	t.Setenv(Variable, "")
	t.Setenv("LANG", "pt_BR.UTF-8")
	for name, want := range map[string]string{"en": English, "pt": "pt-BR", "pt-BR": "pt-BR", "PT_br": "pt-BR"} {
		if err := Use(name); err != nil || Current() != want || os.Getenv(Variable) != want {
			t.Errorf("%s: %v, %s, %s", name, err, Current(), os.Getenv(Variable))
		}
	}
	for _, name := range []string{"", "fr", "portuguese"} {
		if err := Use(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

// TestTextWithoutProgram: a text stays as it is if minirun-translate is not installed.
func TestTextWithoutProgram(t *testing.T) {
	t.Setenv(Variable, "pt")
	for range 2 {
		if got := Text("permission denied"); got != "permission denied" {
			t.Errorf("%q", got)
		}
	}
}
