package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/runtarget"
)

// arrangeWords returns the words of a command line as cli gets them.
func arrangeWords(t *testing.T, line string) string {
	t.Helper()
	paths = runtarget.Host{} // a process has one command line
	args := strings.Fields(line)
	out, ok := cmdline.Arrange(args, app(args[1:]), splitFlags)
	if !ok {
		return "nothing to complete"
	}
	return strings.Join(out, " ")
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
		"minirun delete x --help":                           "minirun delete --help -- x",
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
		"minirun exec x -te A=1 -- -ls -l":  "minirun exec -te A=1 -- x -ls -l",
		"minirun exec x -p file":            "minirun exec -p file -- x",
		"minirun exec -- x -- ls":           "minirun exec -- x -- ls",
		// ps: up to the ID
		"minirun ps x -f -o pid":      "minirun ps x -f -o pid",
		"minirun ps -f json x -o pid": "minirun ps -f json x -o pid",
		// run: flags may follow the names of a bundle, but not an image
		"minirun run x -d --bundle b":           "minirun run -d --bundle b -- x",
		"minirun run x -db b":                   "minirun run -db b -- x",
		"minirun run -b b x -d":                 "minirun run -b b -d -- x",
		"minirun run bundle -d":                 "minirun run -d -- bundle",
		"minirun run x bundle --keep":           "minirun run --keep -- x bundle",
		"minirun run ./none -d":                 "minirun run -d -- ./none",
		"minirun run bundle --bogus":            "minirun run --bogus -- bundle",
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

func TestCompletionFollowsTheOrderOfFlags(t *testing.T) {
	t.Setenv(completionVariable, "1")
	const end = " --generate-bash-completion"
	for in, want := range map[string]string{
		"minirun create x --bun":    "minirun create --bun",
		"minirun exec x --cw":       "minirun exec --cw",
		"minirun exec x -":          "minirun exec -",
		"minirun exec x ls -":       "nothing to complete",
		"minirun exec x ls --cw":    "nothing to complete",
		"minirun ps x -o":           "nothing to complete",
		"minirun run x -d --bun":    "minirun run -d --bun",
		"minirun run busybox ls -d": "nothing to complete",
		"minirun delete x -- --f":   "nothing to complete",
	} {
		if want != "nothing to complete" {
			want += end
		}
		if got := arrangeWords(t, in+end); got != want {
			t.Errorf("%s\n\tgot  %s\n\twant %s", in, got, want)
		}
	}
}

// TestCompletionOffersVisibleFlags: after the ID, too, and none that is kept for
// compatibility alone.
func TestCompletionOffersVisibleFlags(t *testing.T) {
	t.Setenv(completionVariable, "1")
	for line, want := range map[string]string{
		"minirun exec x --i":             "--ignore-paused",
		"minirun run x --no":             "--no-pivot --no-new-keyring --no-healthcheck",
		"minirun update x --kernel":      "",
		"minirun checkpoint x --tcp":     "--tcp-established --tcp-skip-in-flight",
		"minirun restore x --cons":       "--console-socket",
		"minirun create x -b b --pidfd-": "--pidfd-socket",
		"minirun --c":                    "--cgroup-manager",
	} {
		args := append(strings.Fields(line), "--generate-bash-completion")
		saved := os.Args
		os.Args = args // cli looks there for the last word
		a := app(args[1:])
		var out strings.Builder
		a.Writer = &out
		if arranged, ok := cmdline.Arrange(args, a, splitFlags); ok {
			if err := a.Run(arranged); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		os.Args = saved
		if got := strings.Join(strings.Fields(out.String()), " "); got != want {
			t.Errorf("%s: offers %q, want %q", line, got, want)
		}
	}
}
