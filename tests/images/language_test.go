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
