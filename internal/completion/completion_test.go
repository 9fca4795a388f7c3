package completion

import (
	"errors"
	"strings"
	"testing"
)

// TestShellsHaveScripts: each shell has a script that asks minirun.
func TestShellsHaveScripts(t *testing.T) {
	for _, shell := range Shells {
		if text, ok := Script(shell); !ok || !strings.Contains(string(text), "__complete") {
			t.Errorf("%s: %v, %q", shell, ok, text)
		}
	}
	if _, ok := Script("csh"); ok {
		t.Error("csh has a script")
	}
}

// TestFinder: the facts about a command line become words and directives.
func TestFinder(t *testing.T) {
	for _, c := range []struct{ facts, words, want string }{
		{"path\tstop\nflag\t--time\tvalue\tkill after SECONDS\nflag\t-t\tvalue\t", "stop -", "--time\tkill after SECONDS\n-t\t\n"},
		{"path\tstop\nargument\tweb", "stop web ", "db\ta database\n"},
		{"path\tkill\nargument\tweb\nargument\tHUP", "kill web HUP ", ""},
		{"path\trun\nvalue\tpull", "run --pull n", "never\t\n"},
		{"path\trun\n", "run --pull=n", "--pull=never\t\n"},
		{"path\tbuild\nvalue\tnetwork", "build --network ", "default\t\nhost\t\nnone\t\n"},
		{"path\tbuild\nvalue\tiidfile", "build --iidfile ", ":files\n"},
		{"path\tcp\n", "cp w", "web:\ta server\n:nospace\n:files\n"},
		{"path\t\ncommand\trun\trun it\ncommand\trm\tremove it", "r", "run\trun it\nrm\tremove it\n"},
		{"path\texec\nforeign\nargument\tweb", "exec web ls ", ":files\n"},
		{"path\tbuild\nargument\tbake", "build bake t", "target\tof bake\n"},
		{"path\tx\x1b\n", "x ", ""},
		{"path\trun\nvalue\tname", "run --name ", ""},
	} {
		f := Finder{
			Describe: func([]string) (string, error) { return c.facts, nil },
			List: func(k Kind) []Word {
				if k == Running || k == Containers {
					return []Word{{"web", "a server"}, {"db", "a database"}}
				}
				return nil
			},
			Bake: func([]string) []Word { return []Word{{"target", "of bake"}} },
		}
		var out strings.Builder
		if err := f.Write(&out, strings.Split(c.words, " ")); err != nil || out.String() != c.want {
			t.Errorf("%s: %q, %v; want %q", c.words, out.String(), err, c.want)
		}
	}
	f := Finder{Describe: func([]string) (string, error) { return "", errors.ErrUnsupported }}
	if err := f.Write(&strings.Builder{}, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
