package labs

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

var update = flag.Bool("update", false, "write the transcripts in the pages")

// A line is what a learner types; answers are typed at the questions that it asks.
type line struct {
	command string
	answers []string
}

// transcripts are the labs of the pages, in their order. Each begins with a mistake.
var transcripts = [][]line{
	{
		{"sudo minirun lab start 1 --seed docs", []string{"a", "a"}},
		{"cd ~/minirun-labs/01-process", nil},
		{"./minirun run -d one bundle", nil},
		{"./minirun exec one sh -c 'echo $$'", nil},
		{"echo 1 >pid.txt", nil},
		{"sudo minirun lab check", nil},
		{"./minirun state one | grep '\"pid\"' | tr -dc 0-9 >pid.txt", nil},
		{"sudo minirun lab check", nil},
	},
	{
		{"sudo minirun lab start 9 --seed docs", []string{"b", "a"}},
		{"cd ~/minirun-labs/09-capabilities", nil},
		{"sed -i -E '/CAP_/{/CAP_CHOWN/!d}' bundle/config.json", nil},
		{"./minirun run -d one bundle", nil},
		{"sudo minirun lab check", nil},
		{"minirun lab hint", nil},
		{"sudo minirun lab solve >/dev/null", nil},
		{"sudo minirun lab check", nil},
	},
	{
		{"sudo minirun lab start 12 --seed docs", []string{"a", "b", "a"}},
		{"cd ~/minirun-labs/12-argv", nil},
		{"cat Dockerfile", nil},
		{"./minirun build -q -t web . | cut -c 1-7", nil},
		{"sudo minirun lab check", nil},
		{"sed -i 's/^ENTRYPOINT.*/ENTRYPOINT [\"serve\", \"--name\", \"'$(grep -om 1 -E 'ada|grace|linus|dennis' Dockerfile)'\"]/' Dockerfile", nil},
		{"./minirun build -q -t web . | cut -c 1-7", nil},
		{"sudo minirun lab check --json | grep -c '\"holds\": true'", nil},
	},
}

var (
	block  = regexp.MustCompile("(?s)```transcript\n(.*?)```\n")
	number = regexp.MustCompile(`\d+`)
	hash   = regexp.MustCompile(`\b[0-9a-f]{6,64}\b`)
)

// TestTranscripts types what the pages show on a real terminal, in both languages, and compares everything
// except numbers.
func TestTranscripts(t *testing.T) {
	testbundle.Need(t)
	for page, tag := range map[string]string{"lab-transcripts.md": "en", "pt-BR/lab-transcripts.md": "pt-BR"} {
		path := filepath.Join("../../docs", page)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		blocks := block.FindAllStringSubmatch(string(text), -1)
		if len(blocks) != len(transcripts) {
			t.Fatalf("%s has %d transcripts, not %d", page, len(blocks), len(transcripts))
		}
		at := 0
		written := block.ReplaceAllStringFunc(string(text), func(string) string {
			at++
			return "```transcript\n" + session(t, tag, transcripts[at-1]) + "```\n"
		})
		if *update {
			if err := os.WriteFile(path, []byte(written), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		was, is := strings.Split(stable(string(text)), "\n"), strings.Split(stable(written), "\n")
		for i := range max(len(was), len(is)) {
			if i >= len(was) || i >= len(is) || was[i] != is[i] {
				t.Errorf("%s, line %d: it has\n%s\nand minirun says\n%s", page, i+1, at0(was, i), at0(is, i))
				break
			}
		}
	}
}

func at0(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}

// stable removes what differs from run to run.
func stable(text string) string {
	return number.ReplaceAllString(hash.ReplaceAllString(text, "ID"), "N")
}

// session types lines on a terminal, and returns what it shows.
func session(t *testing.T, tag string, lines []line) string {
	t.Helper()
	home := t.TempDir()
	p := testbundle.NewPty(t)
	if err := unix.IoctlSetWinsize(int(p.Slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 84}); err != nil {
		t.Fatal(err)
	}
	p.StartShell(t, "HOME="+home, "MINIRUN_LANG="+tag, "PATH="+filepath.Dir(testbundle.Binary)+":"+os.Getenv("PATH"))
	p.Type("sudo() { \"$@\"; }\n") // the test is root
	p.ExpectPrompt()
	var out strings.Builder
	for _, l := range lines {
		p.Type(l.command + "\n")
		shown := ""
		for _, answer := range l.answers {
			shown += p.Expect("Enter: ") + "Enter: "
			shown += p.Expect("): ") + "): "
			p.Type(answer + "\n")
		}
		shown += p.ExpectPrompt()
		out.WriteString("$ " + strings.ReplaceAll(strings.ReplaceAll(shown, "\r", ""), home, "~"))
	}
	p.Type("cd; minirun lab reset --all\n")
	p.ExpectPrompt()
	return out.String()
}
