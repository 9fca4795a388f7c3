// Package images tests minirun with images as users have them: from a registry, from archives, run
// with docker's flags; and compares it with umoci, skopeo, podman and Docker where these are
// installed.
//
//	main_test.go       a separate store for the test
//	make_test.go       images created by the tests
//	trees_test.go      comparison of directories
//	transfer_test.go   pull, push, load, save; load_test.go: old formats; names_test.go: tag, rmi and prune
//	flaky_test.go      pulls from registries that fail; push_test.go: pushes to them; front_test.go: such a registry
//	unpack_test.go     layers → files, compared with umoci
//	run_test.go        run IMAGE and the commands for its containers
//	argv_test.go       ENTRYPOINT and CMD, as in Docker
//	kill_test.go       a store whose writers are killed
//	random_*_test.go   random stacks of layers → files, compared with umoci
//	unusual_*_test.go  archives in the formats that tools have written over a decade
//	docs_test.go       the commands of docs/tutorial.md
//	foreign_test.go    layers at URLs, images for other platforms, git archives
package images

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) {
	// Parallel tests here wait for registries and pipes, not for a processor. -parallel overrides it.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testbundle.MainWithLabs(m) // TestHelpOfAllCommands asks minirun-lab too
}

// A store is minirun with a separate store of images for the test.
type store struct{ *testbundle.Store }

func newStore(t testing.TB) *store {
	t.Helper()
	return &store{testbundle.NewStore(t)}
}

// images returns the output of `images`, by name.
func (s *store) images() map[string]listed {
	s.T.Helper()
	var list []listed
	s.JSON(&list, "images", "--format", "json")
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
