package images

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestHelpersUseTheLanguage: the programs for images and containers print errors and help in the language that
// minirun was called with.
func TestHelpersUseTheLanguage(t *testing.T) {
	s := testbundle.NewStore(t)
	s.Env = append(s.Env, "MINIRUN_LANG=", "LC_ALL=", "LC_MESSAGES=", "LANG=pt_BR.UTF-8")
	for _, c := range []struct {
		line []string
		want string
	}{
		{[]string{"ps", "--nope"}, "ps: flag desconhecida --nope\ndica: "},              // minirun-engine
		{[]string{"logs"}, "logs: falta um argumento: ID\ndica: minirun logs"},          // minirun-engine
		{[]string{"history"}, "history: falta um argumento: IMAGE\ndica: minirun hist"}, // minirun-image
		{[]string{"build", "--nope"}, "build: flag desconhecida --nope\ndica: "},        // minirun-image
	} {
		r := s.Minirun(c.line...)
		r.Fails(t, "minirun: "+c.want)
		if out := s.Minirun(c.line[0], "--help").Stdout; !strings.HasPrefix(out, "NOME:\n") {
			t.Errorf("%v: %s", c.line, out)
		}
		english := s.Minirun(append([]string{"--lang", "en"}, c.line...)...)
		english.Fails(t, "minirun: "+c.line[0]+": ", "\nhint: ")
	}
}

// TestSummariesInPortuguese: the lines that say what was done are in the user's language, and names are not.
func TestSummariesInPortuguese(t *testing.T) {
	s := testbundle.NewStore(t)
	s.Do("volume", "create", "--label", "a=b", "some")
	s.Env = append(s.Env, "MINIRUN_LANG=", "LC_ALL=", "LC_MESSAGES=", "LANG=pt_BR.UTF-8")
	for want, line := range map[string][]string{
		"some\nEspaço total liberado: ": {"volume", "prune", "--force", "--all"},
		"0 contêineres removidos (":     {"container", "prune", "--force"},
	} {
		if out := s.Do(line...); !strings.HasPrefix(out, want) {
			t.Errorf("%v: %q, want %q", line, out, want)
		}
	}
	s.Minirun("system", "prune").Fails(t, "minirun: system prune: não é possível perguntar, porque a entrada padrão")
}

// TestQuestionsInPortuguese: questions on the terminal are translated, and s is an answer to the translated one.
func TestQuestionsInPortuguese(t *testing.T) {
	host := testbundle.PrivateRegistry(t, "user", "right")
	s := newStore(t)
	s.Do("volume", "create", "some")
	s.Env = append(s.Env, "MINIRUN_LANG=pt", "DOCKER_CONFIG="+t.TempDir())
	pty, cmd := s.onTerminal(t, "volume", "prune", "--all")
	pty.Expect("Isto remove todos os volumes que nenhum contêiner usa.")
	pty.Expect("Continuar? [s/N] ")
	pty.Type("s\n")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if left := s.Do("volume", "ls", "-q"); left != "" {
		t.Errorf("answered s: %q is left", left)
	}
	pty, cmd = s.onTerminal(t, "login", host)
	pty.Expect("Nome de usuário para " + host + ": ")
	pty.Type("user\n")
	pty.Expect("Senha: ")
	pty.Type("right\n")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
