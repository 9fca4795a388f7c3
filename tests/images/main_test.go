// Package images tests minirun with images as users have them: from a registry, from archives, run
// with docker's flags; and compares it with umoci, skopeo, podman and Docker where these are
// installed.
//
//	main_test.go       a separate store for the test
//	make_test.go       images created by the tests
//	trees_test.go      comparison of directories
//	transfer_test.go   pull, push, load, save
//	unpack_test.go     layers → files, compared with umoci
//	run_test.go        run IMAGE and the commands for its containers
//	argv_test.go       ENTRYPOINT and CMD, as in Docker
//	kill_test.go       a store whose writers are killed
//	random_*_test.go   random stacks of layers → files, compared with umoci
//	unusual_*_test.go  archives in the formats that tools have written over a decade
//	foreign_test.go    layers at URLs, images for other platforms, git archives
package images

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) { testbundle.MainWithImages(m) }

// A store is minirun with a separate store of images for the test.
type store struct {
	*testbundle.Bundle
	t   testing.TB
	dir string
}

func newStore(t testing.TB) *store {
	t.Helper()
	b := testbundle.New(t)
	s := &store{b, t, filepath.Join(b.Host, "store")}
	b.Global = append(b.Global, "--store", s.dir)
	return s
}

// do runs minirun, which must succeed, and returns its output.
func (s *store) do(args ...string) string {
	s.t.Helper()
	r := s.Minirun(args...)
	if r.Status != 0 {
		s.t.Fatalf("minirun %s: status %d: %s%s", strings.Join(args, " "), r.Status, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}

// check checks that the store is consistent.
func (s *store) check() {
	s.t.Helper()
	s.do("store", "check")
}

// images returns the output of `images`, by name.
func (s *store) images() map[string]listed {
	s.t.Helper()
	var list []listed
	s.json(&list, "images", "--format", "json")
	out := map[string]listed{}
	for _, l := range list {
		out[l.Name] = l
	}
	return out
}

type listed struct {
	Name, ID, Digest string
	Layers           int
	Unpacked         bool
}

func (s *store) json(into any, args ...string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.do(args...)), into); err != nil {
		s.t.Fatal(err)
	}
}

// need skips the test if a program is missing.
func need(t testing.TB, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s of Debian's package %s", program, pkg)
	}
	return path
}

// tool runs another program, which must succeed.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
