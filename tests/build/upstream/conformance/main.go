// Command conformance runs BuildKit's own Dockerfile tests against minirun, and writes
// docs/build-conformance.md.
//
//	main.go     builds the programs, runs the tests, and writes the document
//	images.go   replacements for the images on Docker Hub that the tests use
//	results.go  the output of the tests → a result for each (pure)
//	document.go results and reasons.txt → the document (pure)
//
// The tests are compiled unmodified from the module. They start the buildkitd found in PATH, which is
// the adapter in ../buildkitd.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	tests    = "github.com/moby/buildkit/frontend/dockerfile"
	buildctl = "github.com/moby/buildkit/cmd/buildctl"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: conformance MINIRUN DOCUMENT, in tests/build/upstream")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, minirun, document string) error {
	if os.Getuid() != 0 {
		return errors.New("must run as root, as BuildKit's tests do")
	}
	start := time.Now()
	reasons, err := os.ReadFile("reasons.txt")
	if err != nil {
		return err
	}
	declared, err := parseReasons(string(reasons))
	if err != nil {
		return err
	}
	r := &runner{results: map[string]*result{}}
	if r.dir, err = os.MkdirTemp("", "conformance"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(r.dir) }()
	if err := r.prepare(ctx, minirun); err != nil {
		return err
	}
	if err := r.runAll(ctx); err != nil {
		return err
	}
	if log := os.Getenv("CONFORMANCE_LOG"); log != "" {
		if err := os.WriteFile(log, []byte(r.log.String()), 0o644); err != nil {
			return err
		}
	}
	text, counts, wrong := formatDocument(r.results, declared)
	if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Printf("%d of %d tests pass, in %s\n", counts[passed], len(r.results), time.Since(start).Round(time.Second))
	if len(wrong) > 0 {
		return fmt.Errorf("reasons.txt does not fit:\n  %s", strings.Join(wrong, "\n  "))
	}
	return nil
}

// A runner has a directory with the programs and the registry for the tests.
type runner struct {
	dir     string
	env     []string
	results map[string]*result
	log     strings.Builder
}

// prepare builds the programs, and fills the registry.
func (r *runner) prepare(ctx context.Context, minirun string) error {
	bin := filepath.Join(r.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"build", "-o", bin + "/buildkitd", "./buildkitd"}, {"build", "-o", bin + "/buildctl", buildctl},
		{"test", "-c", "-o", bin + "/dockerfile.test", tests},
	} {
		if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	registry, err := lookPathAny("registry", "docker-registry")
	if err != nil {
		return err
	}
	if err := os.Symlink(registry, bin+"/registry"); err != nil {
		return err
	}
	if minirun, err = filepath.Abs(minirun); err != nil {
		return err
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	if err := os.Setenv("PATH", bin+":"+os.Getenv("PATH")); err != nil {
		return err
	}
	mirror := filepath.Join(r.dir, "mirror")
	if err := os.Mkdir(mirror, 0o755); err != nil {
		return err
	}
	tmp := filepath.Join(r.dir, "tmp")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	r.env = append(os.Environ(), "MINIRUN="+minirun, "BUILDKIT_REGISTRY_MIRROR_DIR="+mirror, "TMPDIR="+tmp)
	return seedRegistry(ctx, mirror, busybox)
}

func lookPathAny(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s in PATH", strings.Join(names, " or "))
}

// panickingTest is a test that dereferences a nil pointer if the provenance has no LLB. It runs separately,
// because its panic would end the other tests.
const panickingTest = "TestCommandSourceMapping"

// runAll runs every test with BuildKit's built-in frontend, and with the client frontend those tests
// that are only for a client frontend. A test that panics ends all others, so those run again.
func (r *runner) runAll(ctx context.Context) error {
	if _, err := r.run(ctx, "BUILTIN", "oci", []string{panickingTest}); err != nil {
		return err
	}
	names := []string{`.*`}
	for len(names) > 0 {
		before := len(r.results)
		missing, err := r.run(ctx, "BUILTIN", "oci", names)
		if err != nil {
			return err
		}
		if len(r.results) == before && len(missing) == len(names) {
			return fmt.Errorf("no result of %s:\n%s", strings.Join(missing, ", "), tail(r.log.String()))
		}
		names = missing
	}
	out := r.log.String()
	if _, err := r.run(ctx, "CLIENT", "oci", testsWithMessage(out, forClients)); err != nil {
		return err
	}
	_, err := r.run(ctx, "BUILTIN", "containerd", testsWithMessage(out, forContainerd))
	return err
}

func tail(text string) string { return text[max(0, len(text)-2000):] }

// run runs tests, and returns the names of those that did not complete because another one panicked.
func (r *runner) run(ctx context.Context, frontend, worker string, names []string) (missing []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	fmt.Fprintf(os.Stderr, "running %d tests: frontend %s, worker %s\n", len(names), strings.ToLower(frontend),
		worker)
	cmd := exec.CommandContext(ctx, "dockerfile.test", "-test.v", "-test.timeout=60m",
		"-test.run=^TestIntegration$/^("+strings.Join(names, "|")+")$/^worker="+worker+"$")
	if names[0] != panickingTest {
		cmd.Args = append(cmd.Args, "-test.skip=^TestIntegration$/^"+panickingTest+"$")
	}
	cmd.Env = append(r.env, "FRONTEND_"+frontend+"_ONLY=1")
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	r.log.Write(out)
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	return addResults(r.results, string(out)), nil
}
