package hostile

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// A stepped container is stopped before chosen steps of its plan, so that a test can do between two
// steps what another process might do.
type stepped struct {
	t      *testing.T
	in     io.WriteCloser
	out    *bufio.Reader
	result func() (text string, status int)
}

// startStepped runs a bundle up to a step; see minirun step --help.
func startStepped(t *testing.T, b *testbundle.Bundle, flags ...string) *stepped {
	t.Helper()
	b.Write()
	cmd := b.Command(append(append([]string{"step"}, flags...), b.ID, b.Dir)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Start(cmd)
	s := &stepped{t: t, in: in, out: bufio.NewReader(out)}
	s.result = func() (string, int) {
		text, _ := io.ReadAll(s.out)
		_ = cmd.Wait() // its status is returned
		return string(text), cmd.ProcessState.ExitCode()
	}
	s.stopped()
	return s
}

// stopped waits for the next stop.
func (s *stepped) stopped() {
	s.t.Helper()
	var text strings.Builder
	for !strings.HasSuffix(text.String(), "(step) ") {
		c, err := s.out.ReadByte()
		if err != nil {
			s.t.Fatalf("%v after %q", err, text.String())
		}
		text.WriteByte(c)
	}
}

func (s *stepped) say(command string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, command+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

// TestTargetVanishesAfterAnswer: another container with the same volume removes the directory that
// the parent has just found, and replaces it with a symbolic link into /proc.
func TestTargetVanishesAfterAnswer(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"),
		testbundle.AddMount(specs.Mount{Destination: "/link/driver", Type: "tmpfs", Source: "tmpfs"}))
	b.Link("vol/a", "/link")
	mkdir(t, b.Path("/vol/a/driver"))
	s := startStepped(t, b, "--at", "open what exists of /link/driver")
	if err := os.Rename(b.Path("/vol/a"), b.Path("/vol/b")); err != nil {
		t.Fatal(err)
	}
	s.say("next")
	s.stopped()
	b.Link("/proc", "/vol/a")
	s.say("continue")
	if text, status := s.result(); status == 0 || !strings.Contains(text, "must not lead into /proc") {
		t.Errorf("status %d: %s", status, text)
	}
}

// TestNewMountIsNotLookedUp: after a tmpfs has been mounted in a shared volume, another container
// replaces its directory with a symbolic link, or another directory. Later operations on the tmpfs must
// not affect the replacement.
func TestNewMountIsNotLookedUp(t *testing.T) {
	for name, options := range map[string][]string{"mode": nil, "tmpcopyup": {"tmpcopyup"}} {
		for _, to := range []string{"link", "directory"} {
			t.Run(name+", "+to, func(t *testing.T) {
				b := testbundle.New(t, testbundle.Args("true"))
				other, at := b.Path("/vol/other"), b.Path("/vol/t")
				for _, dir := range []string{other, at} {
					mkdir(t, dir)
				}
				b.File("/vol/t/file", "text", 0o644)
				if err := os.Chmod(b.Host, 0o700); err != nil {
					t.Fatal(err)
				}
				// The user's directory is another mount below the volume.
				testbundle.AddMount(specs.Mount{Destination: "/vol/other", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
				testbundle.AddMount(specs.Mount{Destination: "/vol/t", Type: "tmpfs", Source: "tmpfs", Options: options})(b.Spec)
				s := startStepped(t, b, "--until", "mount tmpfs on /vol/t")
				if err := os.Rename(at, at+".old"); err != nil {
					t.Fatal(err)
				}
				if to == "link" {
					b.Link("other", "/vol/t")
				} else if err := os.Rename(other, at); err != nil {
					t.Fatal(err)
				}
				s.say("continue")
				text, status := s.result()
				if info, err := os.Stat(b.Host); err != nil || info.Mode().Perm() != 0o700 {
					t.Errorf("the mode of the other directory was changed: %v, %v", info.Mode(), err)
				}
				if _, err := os.Lstat(filepath.Join(b.Host, "file")); err == nil {
					t.Error("files were copied to the other directory")
				}
				if status != 0 {
					t.Errorf("status %d: %s", status, text)
				}
			})
		}
	}
}
