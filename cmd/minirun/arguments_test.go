package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/noun"
	"github.com/minirun/minirun/internal/runtarget"
)

// arrangeWords returns the words of a command line as cli gets them.
func arrangeWords(t *testing.T, line string) string {
	t.Helper()
	paths = runtarget.Host{} // a process has one command line
	args := strings.Fields(line)
	return strings.Join(cmdline.Arrange(args, app(args[1:]), splitFlags), " ")
}

func TestFlagsMayFollowTheID(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bundle"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bundle", "config.json"), []byte(`{"ociVersion":"1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for in, want := range map[string]string{
		"minirun":                      "minirun",
		"minirun --version":            "minirun --version",
		"minirun update x --memory 1g": "minirun update --memory 1g -- x",
		"minirun --root r update x --memory=1g --cpu-share": "minirun --root r update --memory=1g --cpu-share",
		"minirun update x --memory-swap -1 --memory -1":     "minirun update --memory-swap -1 --memory -1 -- x",
		"minirun delete x --force":                          "minirun delete --force -- x",
		"minirun delete --force x":                          "minirun delete --force x",
		"minirun delete x -- --force":                       "minirun delete -- x --force",
		"minirun delete -- x --force":                       "minirun delete -- x --force",
		"minirun delete x --bogus":                          "minirun delete --bogus -- x",
		"minirun delete x --help":                           "minirun delete --help",
		"minirun kill x -a KILL":                            "minirun kill -a -- x KILL",
		"minirun kill x -- KILL":                            "minirun kill -- x KILL",
		"minirun kill x -":                                  "minirun kill x -",
		"minirun kill x -9":                                 "minirun kill x -9",
		"minirun create x --bundle b":                       "minirun create --bundle b -- x",
		"minirun create x bundle --pid-file p":              "minirun create --pid-file p -- x bundle",
		"minirun create debian ls --pid-file p":             "minirun create debian ls --pid-file p",
		"minirun restore x -d -b b":                         "minirun restore -d -b b -- x",
		// spec: up to the program
		"minirun spec --args sh -c a":              "minirun spec --args -- sh -c a",
		"minirun spec --busybox d --args a --args": "minirun spec --busybox d --args -- a --args",
		"minirun spec --args -- a":                 "minirun spec --args -- -- a",
		"minirun spec x --rootless --args a":       "minirun spec --rootless -- x",
		"minirun spec --rootless -b d":             "minirun spec --rootless -b d",
		// plan and step: as run
		"minirun plan debian ls --summary":   "minirun plan debian ls --summary",
		"minirun plan bundle --summary":      "minirun plan --summary -- bundle",
		"minirun step --at 3 debian sh -c a": "minirun step --at 3 debian sh -c a",
		// exec: up to the command
		"minirun exec x ls -l --cwd /":      "minirun exec x ls -l --cwd /",
		"minirun exec x --cwd / ls -l -e a": "minirun exec --cwd / -- x ls -l -e a",
		"minirun exec x -te A=1 -- -ls -l":  "minirun exec -t -e A=1 -- x -ls -l",
		"minirun exec x -p file":            "minirun exec -p file -- x",
		"minirun exec -- x -- ls":           "minirun exec -- x -- ls",
		"minirun exec -it x sh":             "minirun exec -i -t -- x sh",
		// ps: up to the ID
		"minirun ps x -f -o pid":      "minirun ps x -f -o pid",
		"minirun ps -f json x -o pid": "minirun ps -f json x -o pid",
		"minirun ps -aq":              "minirun ps -a -q --",
		// run: flags may follow the names of a bundle, but not an image
		"minirun run x -d --bundle b":           "minirun run -d --bundle b -- x",
		"minirun run x -db b":                   "minirun run -d -b b -- x",
		"minirun run -b b x -d":                 "minirun run -b b -d -- x",
		"minirun run bundle -d":                 "minirun run -d -- bundle",
		"minirun run x bundle --keep":           "minirun run --keep -- x bundle",
		"minirun run ./none -d":                 "minirun run -d -- ./none",
		"minirun run bundle --bogus":            "minirun run --bogus -- bundle",
		"minirun run -p80:80 -m64m -eA=b x -c":  "minirun run -p=80:80 -m=64m -e=A=b -- x -c",
		"minirun run busybox ls -b b":           "minirun run busybox ls -b b",
		"minirun run busybox -d":                "minirun run busybox -d",
		"minirun run --rm busybox sh -c a":      "minirun run --rm busybox sh -c a",
		"minirun run -w -b busybox -d":          "minirun run -w -b busybox -d",
		"minirun run -- busybox -b b":           "minirun run -- busybox -b b",
		"minirun run busybox -x -b b":           "minirun run busybox -x -b b",
		"minirun pull x --platform linux/arm64": "minirun pull x --platform linux/arm64", // minirun-image arranges it
	} {
		if got := arrangeWords(t, in); got != want {
			t.Errorf("%s\n\tgot  %s\n\twant %s", in, got, want)
		}
	}
	t.Chdir("bundle") // a name is an ID here
	for in, want := range map[string]string{
		"minirun run x -d":       "minirun run -d -- x",
		"minirun run busybox ls": "minirun run busybox ls",
		"minirun run a/b -d":     "minirun run a/b -d",
	} {
		if got := arrangeWords(t, in); got != want {
			t.Errorf("in a bundle: %s\n\tgot  %s\n\twant %s", in, got, want)
		}
	}
}

// TestDescribeFollowsTheOrderOfFlags: flags are offered where they are recognized, and only those that
// --help shows.
func TestDescribeFollowsTheOrderOfFlags(t *testing.T) {
	for _, c := range []struct{ line, has, lacks string }{
		{"create ./x --bun", "path\tcreate\nargument\t./x\nflag\t--bundle\tvalue\tDIR with", "foreign"},
		{"exec x -", "\nflag\t--cwd\tvalue\t", "foreign"},
		{"exec x ls -", "\nforeign\n", "flag"},
		{"ps x -", "\nforeign\n", "flag"},
		{"run busybox ls -", "\nforeign\n", "flag"},
		{"delete x -- -", "argument\tx\n", "flag"},
		{"run --network ", "path\trun\nvalue\tnetwork\n", "flag"},
		{"run -it --network ", "value\tnetwork\n", "flag"},
		{"--log-format ", "path\t\nvalue\tlog-format\n", "flag"},
		{"--root r stop", "command\tstart\tstart the program", "__describe"},
		{"run --no", "flag\t--no-pivot\t\t", "--no-subreaper"},
		{"update x --", "--memory", "--kernel-memory"},
	} {
		var out strings.Builder
		cmdline.Describe(&out, app(nil), strings.Split(c.line, " "), splitFlags)
		if got := out.String(); !strings.Contains(got, c.has) || strings.Contains(got, c.lacks) {
			t.Errorf("%s: lacks %q or has %q:\n%s", c.line, c.has, c.lacks, got)
		}
	}
}

// TestNounsNameCommands: each form of a noun leads to a command that exists, or to a form that
// minirun-engine implements.
func TestNounsNameCommands(t *testing.T) {
	for i := range noun.All {
		n := &noun.All[i]
		for _, w := range n.Words(verbNames()) {
			by, ok := n.Replacement(w, verbNames())
			name, _, _ := strings.Cut(by, " ")
			exists := slices.Contains(verbNames(), name)
			if !ok || by != noun.Helper && !exists || by == noun.Helper && noun.HelperUsage(n.Name+" "+w) == "" {
				t.Errorf("minirun %s %s: becomes %q, which there is not", n.Name, w, by)
			}
		}
	}
}
