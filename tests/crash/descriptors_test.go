package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// listTo returns a script that appends a line to a file: a name, and the numbers of the shell's open
// descriptors.
func listTo(file, name string) []string {
	return []string{"sh", "-c", fmt.Sprintf("exec >> %s; echo $(echo %s; %s)", file, name, testbundle.ListFDs)}
}

// hooksListing returns a hook of each kind that lists its descriptors. log is the file's path on the
// host, and inside its path in the container.
func hooksListing(log, inside string) *specs.Hooks {
	hook := func(name, file string) []specs.Hook {
		return []specs.Hook{{Path: "/bin/sh", Args: listTo(file, name), Env: []string{"PATH=/usr/bin:/bin"}}}
	}
	return &specs.Hooks{
		Prestart: hook("prestart", log), CreateRuntime: hook("createRuntime", log), CreateContainer: hook("createContainer", log),
		StartContainer: hook("startContainer", inside), Poststart: hook("poststart", log), Poststop: hook("poststop", log),
	}
}

// inherited returns a random set of descriptors from 3 on, some of them with high numbers, and those
// of the first n that are open.
func inherited(random *rand.Rand, open *os.File, n int) (files []*os.File, preserved []string) {
	length := []int{4, 30, 900}[random.IntN(3)]
	files = make([]*os.File, 1+random.IntN(length))
	for i := range files {
		if random.IntN(3) == 0 {
			files[i] = open
			if i < n {
				preserved = append(preserved, fmt.Sprint(3+i))
			}
		}
	}
	return files, preserved
}

// TestRandomDescriptorsAreNotInherited gives minirun random sets of descriptors: programs get 0 to 2
// and the open ones of --preserve-fds, hooks get only 0 to 2.
func TestRandomDescriptorsAreNotInherited(t *testing.T) {
	h := newHost(t)
	log := filepath.Join(h.Host, "log")
	testbundle.AddMount(specs.Mount{Destination: "/host", Source: h.Host, Options: []string{"bind"}})(h.Spec)
	h.Spec.Process.Args = listTo("/host/log", "run")
	h.Spec.Process.Args[2] += "; exec sleep 1000"
	h.Spec.Hooks = hooksListing(log, "/host/log")
	h.Write()
	h.before = h.things()
	open, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	random, sets := rand.New(rand.NewPCG(5, 6)), amount(10, 300)
	for range sets {
		want := h.listed(random, open)
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimSpace(string(data)), "\n")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("the open descriptors are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
		h.clean("descriptors")
	}
	t.Logf("%d random sets", sets)
}

// listed runs a container through its whole life, each command with a different set, and returns the
// lines that the log must have.
func (h *host) listed(random *rand.Rand, open *os.File) (want []string) {
	h.t.Helper()
	call := func(name string, args ...string) {
		h.t.Helper()
		n := random.IntN(6)
		files, preserved := inherited(random, open, n)
		if name != "" {
			args = append([]string{args[0], fmt.Sprintf("--preserve-fds=%d", n)}, args[1:]...)
			want = append(want, strings.Join(append([]string{name, "0", "1", "2"}, preserved...), " "))
		}
		cmd := h.command(args...)
		cmd.ExtraFiles = files
		if err := finish(cmd); err != nil {
			h.t.Fatal(err)
		}
		if status := cmd.ProcessState.ExitCode(); status != 0 {
			h.t.Fatalf("minirun %s: exit status %d: %s", strings.Join(args, " "), status, h.text())
		}
	}
	if random.IntN(2) == 0 {
		call("run", "run", "--detach", h.ID, h.Dir)
	} else {
		call("run", "create", h.ID, h.Dir)
		call("", "start", h.ID)
	}
	call("exec", append([]string{"exec", h.ID}, listTo("/host/log", "exec")...)...)
	h.awaitLine(filepath.Join(h.Host, "log"), "run ")
	call("", "delete", "--force", h.ID)
	for _, kind := range []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"} {
		want = append(want, kind+" 0 1 2")
	}
	return want
}

// awaitLine waits until a file has a line that begins with the prefix.
func (h *host) awaitLine(file, prefix string) {
	h.t.Helper()
	for end := time.Now().Add(hangLimit); ; time.Sleep(time.Millisecond) {
		data, _ := os.ReadFile(file)
		if strings.Contains("\n"+string(data), "\n"+prefix) {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("no line %q in %s: %s", prefix, file, data)
		}
	}
}
