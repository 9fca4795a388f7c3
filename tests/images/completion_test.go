package images

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestCompleteWords checks the words that minirun offers for incomplete command lines.
func TestCompleteWords(t *testing.T) {
	s := completionStore(t)
	for _, c := range []struct{ line, has, lacks string }{
		{"", "run\trun a container", "monitor"},
		{"st", "stop\task", "run"},
		{"help ru", "run\trun a container", "rm"},
		{"help build h", "history\tshow", "du"},
		{"run --na", "--name\t", "--no-pivot"},
		{"run --net", "--network", "--name"},
		{"run --network ", "none\t", "--"},
		{"run --network=h", "--network=host\t", "none"},
		{"run --pull ", "missing", "--"},
		{"run --cap-add NET_", "NET_ADMIN", "SYS_ADMIN"},
		{"run ", "busybox\timage", "--name"},
		{"run busybox:v", "busybox:v1\timage", "busybox\t"},
		{"run busybox cat ", ":files", "busybox"},
		{"run -w ", ":dirs", "busybox"},
		{"exec --ig", "--ignore-paused", "--name"},
		{"exec ", "c-running", "c-stopped"},
		{"exec c-running ls -", ":files", "--cwd"},
		{"stop ", "c-running\tbusybox:latest, Up", "c-stopped"},
		{"stop c-running ", "", "c-running"},
		{"kill c-running H", "HUP\thangup", "TERM"},
		{"rm ", "c-stopped\tbusybox:latest, Exited", "busybox\t"},
		{"container rm ", "c-stopped", "busybox\t"},
		{"image ", "prune\tthe same as minirun prune", "c-stopped"},
		{"image rm ", "busybox:v1", "c-stopped"},
		{"rmi ", "busybox:v1", "c-stopped"},
		{"rmi busybox:v1 bus", "busybox\t", "busybox:v1"},
		{"pull --pl", "--platform", "--quiet"},
		{"load --in", "--input", "--quiet"},
		{"load -i ", ":files", "--"},
		{"build ", "history\tshow the last builds", "--"},
		{"build history ", "inspect", "prune"},
		{"imagetools ", "inspect", "--"},
		{"imagetools create --ann", "--annotation", "--append"},
		{"system ", "prune", "busybox"},
		{"--log-format ", "json", "run"},
		{"completion ", "fish", "busybox"},
		{"frobnicate x ", "", "run"},
	} {
		words := append([]string{"__complete", "--root", s.Root, "--store", s.StoreDir}, strings.Split(c.line, " ")...)
		out := "\n" + tool(t, testbundle.Binary, words...) // with standard error, which must be empty
		if !strings.Contains(out, "\n"+c.has) || c.lacks != "" && strings.Contains(out, "\n"+c.lacks) {
			t.Errorf("minirun %s: lacks %q or has %q:%s", c.line, c.has, c.lacks, out)
		}
	}
}

// completionStore returns a store with two names of an image, a running and a stopped container.
func completionStore(t *testing.T) *store {
	s := loaded(t, runs("sleep", "1000"))
	s.Do("tag", "busybox", "busybox:v1")
	s.Do("run", "-d", "--name", "c-running", "busybox")
	t.Cleanup(func() { s.Minirun("rm", "-f", "c-running", "c-stopped") })
	s.Do("run", "--name", "c-stopped", "--entrypoint", "/bin/true", "busybox")
	return s
}

// shellLines are incomplete lines and the lines that the shells make of them.
func shellLines(s *store, file string) map[string]string {
	minirun := fmt.Sprintf("minirun --root %s --store %s ", s.Root, s.StoreDir)
	lines := map[string]string{"minirun featu": "minirun features "}
	for from, to := range map[string]string{
		"stop c-": "stop c-running ", "start c-": "start c-stopped ", "rmi busybox:": "rmi busybox:v1 ",
		"image histo": "image history ", "exec --ignore-p": "exec --ignore-paused ", "run --network hos": "run --network host ",
		"run --network=hos": "run --network=host ", "kill c-running WINC": "kill c-running WINCH ",
		"load -i " + file[:len(file)-4]: "load -i " + file + " ", "imagetools cre": "imagetools create ",
	} {
		lines[minirun+from] = minirun + to
	}
	return lines
}

// TestCompletionInShells drives bash and zsh on a terminal, and fish, which completes a line given as
// text.
func TestCompletionInShells(t *testing.T) {
	s := completionStore(t)
	file := filepath.Join(t.TempDir(), "archive.tar")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(testbundle.Binary)+":"+os.Getenv("PATH"))
	t.Setenv("HOME", t.TempDir())
	t.Setenv("HISTFILE", "")
	t.Run("bash", func(t *testing.T) {
		typeInto(t, exec.Command(need(t, "bash", "bash"), "--norc", "--noprofile", "-i"),
			"bind 'set enable-bracketed-paste off'; source <(minirun completion bash)", shellLines(s, file))
	})
	t.Run("zsh", func(t *testing.T) {
		typeInto(t, exec.Command(need(t, "zsh", "zsh"), "-f", "-i"),
			"bindkey -e; autoload -U compinit; compinit -u -D; source <(minirun completion zsh)", shellLines(s, file))
	})
	t.Run("fish", func(t *testing.T) {
		need(t, "fish", "fish")
		for from, to := range shellLines(s, file) {
			script := "minirun completion fish | source; complete -C '" + from + "'"
			out := tool(t, "fish", "--no-config", "-c", script)
			word, _, _ := strings.Cut(strings.TrimSpace(out), "\t")
			if want := to[strings.LastIndex(strings.TrimSpace(to), " ")+1:]; word != strings.TrimSpace(want) {
				t.Errorf("%q: offers %q, want %q", from, out, want)
			}
		}
		if out := tool(t, "fish", "--no-config", "-c", "minirun completion fish | source; complete -C 'minirun fea'"); !strings.Contains(out, "\t") {
			t.Errorf("no description: %q", out)
		}
	})
}

// typeInto types incomplete lines and a tab into a shell, and then turns each line into an echo.
func typeInto(t *testing.T, shell *exec.Cmd, setup string, lines map[string]string) {
	p := testbundle.NewPty(t)
	p.Attach(shell)
	shell.Env = append(os.Environ(), "TERM=dumb", "PS1=> ", "COLUMNS=1000")
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Type("\x15exit\r")
		_ = shell.Process.Kill()
		_ = shell.Wait()
	})
	p.Type("stty cols 1000; " + setup + "; echo re''ady\r")
	p.Expect("ready")
	for from, to := range lines {
		p.Type(from + "\t\x01echo @@@\x05@@\r") // ^A and ^E: the beginning and the end of the line
		p.Expect("\n@@@")
		got, _, _ := strings.Cut(p.Expect("@@\r"), "\n")
		if strings.TrimSpace(got) != strings.TrimSpace(to) { // zsh removes the space before @
			t.Errorf("%q becomes %q, want %q", from, got, to)
		}
	}
}
