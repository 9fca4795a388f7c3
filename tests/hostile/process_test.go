package hostile

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/tests/testbundle"
)

// TestInheritedDescriptors: CVE-2024-21626, CVE-2016-9962: descriptors that minirun inherited,
// without close-on-exec, and its own, are closed by the execve.
func TestInheritedDescriptors(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh(testbundle.ListFDs))
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	random := func() []*os.File {
		files := make([]*os.File, 1+rand.IntN(900))
		for i := range files {
			if rand.IntN(3) == 0 {
				files[i] = dir
			}
		}
		files[len(files)-1] = dir
		return files
	}
	b.Write()
	for range 10 {
		cmd := b.Command("run", b.ID, b.Dir)
		cmd.ExtraFiles = random()
		testbundle.Finish(t, cmd).Prints(t, "0\n1\n2")
	}
	// With everything that makes minirun open descriptors for the process.
	testbundle.UserNS(b.Spec)
	testbundle.With(specs.TimeNamespace, "")(b.Spec)
	testbundle.With(specs.CgroupNamespace, "")(b.Spec)
	b.Spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1}}
	testbundle.With(specs.NetworkNamespace, fmt.Sprintf("/proc/%d/ns/net", os.Getpid()))(b.Spec)
	testbundle.AddMount(specs.Mount{Destination: "/mnt", Source: b.Host, Options: []string{"bind", "idmap"}})(b.Spec)
	testbundle.NoMount(func(d string) bool { return d == "/sys" || d == "/sys/fs/cgroup" })(b.Spec)
	b.Run().Prints(t, "0\n1\n2")
	b.Spec.Process.Terminal = true
	b.RunTerminal().Prints(t, "0\n1\n2")

	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Sh(testbundle.ListFDs))
		b.Write()
		cmd := b.Command("run", "--preserve-fds=3", b.ID, b.Dir) // the guard is disabled for 3 to 5
		cmd.ExtraFiles = []*os.File{dir, nil, dir}
		testbundle.Finish(t, cmd).Prints(t, "0\n1\n2\n3\n5")
	})
}

// checksum returns the checksum of a binary that a container must not be able to change.
func checksum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// TestEntryPointIsTheRuntime: CVE-2019-5736, first half: the entry point is a symbolic link to
// /proc/self/exe, or a script that names it as its interpreter, so that the runtime executes itself
// in the container, with libraries of the image.
func TestEntryPointIsTheRuntime(t *testing.T) {
	testbundle.Need(t)
	before := checksum(t, testbundle.Binary)
	b := testbundle.New(t, testbundle.Writable)
	b.File("/script", "#!/proc/self/exe\n", 0o755)
	b.Link("/proc/self/exe", "/link")
	for _, args := range [][]string{{"/proc/self/exe"}, {"/proc/1/exe", "run"}, {"/script"}, {"/link", "x"}, {"/proc/self/exe", "--version"}} {
		b.Spec.Process.Args = args
		r := b.Run()
		if r.Status == 0 || strings.Contains(r.Stdout, "minirun") {
			t.Errorf("%v: the runtime ran in the container: status %d, %q", args, r.Status, r.Stdout)
		}
	}
	if checksum(t, testbundle.Binary) != before {
		t.Error("the runtime's binary has changed")
	}
	t.Run("naive", func(t *testing.T) {
		// What /proc/self/exe would find if the runtime executed itself.
		cmd := exec.Command(testbundle.Binary, "--version")
		cmd.Path = testbundle.Binary
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "minirun") {
			t.Errorf("the runtime itself would not be recognised: %v %s", err, out)
		}
	})
}

// TestPlanImageIsSealed: the target of /proc/PID/exe of a starting container cannot be written,
// grown, shrunk or unsealed.
func TestPlanImageIsSealed(t *testing.T) {
	testbundle.Need(t)
	b := plan.NewBuilder(3)
	b.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(0))
	f, err := bootstrap.Image(b.Plan())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if want := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE; err != nil || seals&want != want {
		t.Errorf("seals %#x, %v, want %#x", seals, err, want)
	}
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the image can be written to")
	}
	if err := f.Truncate(0); err == nil {
		t.Error("the image can be cut off")
	}
	if strings.Contains(readAll(t, f), "minirun/internal") {
		t.Error("the image holds parts of the host's binary")
	}
	t.Run("naive", func(t *testing.T) {
		fd, err := unix.MemfdCreate("unsealed", unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if _, err := unix.Pwrite(fd, []byte("x"), 0); err != nil {
			t.Error("a memfd without seals cannot be written to either:", err)
		}
	})
}

func readAll(t *testing.T, f *os.File) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// neighbour starts a container that runs the probe with the words, and returns the PID of its first
// process and a function that waits for its report. Other containers join its PID namespace.
func neighbour(t *testing.T, word []string, change ...func(*specs.Spec)) (pid int, report func() []string) {
	t.Helper()
	change = append(change, testbundle.Args(append([]string{"probe"}, word...)...))
	b := testbundle.New(t, change...)
	b.Write()
	pidFile := filepath.Join(filepath.Dir(b.Dir), "pid")
	cmd := b.Command("run", "--pid-file", pidFile, b.ID, b.Dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Start(cmd)
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the neighbour says %q", lines.Text())
	}
	text, err := os.ReadFile(pidFile)
	if err == nil {
		_, err = fmt.Sscan(string(text), &pid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pid, func() (all []string) {
		for lines.Scan() {
			all = append(all, lines.Text())
		}
		_ = cmd.Wait()
		sort.Strings(all)
		return all
	}
}

// TestOverwriteFromNeighbour: CVE-2019-5736, second half: a process in a container opens
// /proc/PID/exe of a runtime process that enters its PID namespace and writes to it after that
// process has exited.
func TestOverwriteFromNeighbour(t *testing.T) {
	const sealed = "/memfd:minirun-plan (deleted)"
	testbundle.Need(t)
	before := checksum(t, testbundle.Binary)
	pid, report := neighbour(t, []string{"overwrite", "4", testbundle.Binary, sealed}, everything)
	joining := testbundle.New(t, testbundle.Args("true"), testbundle.With(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", pid)))
	runs := 0
	for ; runs < 40; runs++ {
		// The neighbour ends after four seconds, in which a slow machine may complete fewer runs.
		if r := joining.Run(); r.Status != 0 {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid)); err == nil || runs < 5 {
				r.Exit(t, 0)
			}
			break
		}
	}
	said := report()
	for _, line := range said {
		if strings.HasPrefix(line, "overwrote") {
			t.Error(line)
		}
	}
	if !slices.Contains(said, "opened "+sealed) {
		t.Errorf("the neighbour never got hold of a starting container, so nothing is shown: %q", said)
	}
	if checksum(t, testbundle.Binary) != before {
		t.Error("the runtime's binary has changed")
	}
	t.Run("naive", func(t *testing.T) {
		// A program of the host that enters the namespace directly.
		victim := filepath.Join(t.TempDir(), "busybox") // it selects the applet by its name
		testbundle.CopyFile(t, "/bin/busybox", victim, 0o755)
		before := checksum(t, victim)
		helper, err := exec.LookPath("nsenter")
		if err != nil {
			t.Skip("needs nsenter of util-linux: ", err)
		}
		untouched := checksum(t, helper)
		pid, report := neighbour(t, []string{"overwrite", "3", victim}, everything)
		if out, err := exec.Command(helper, "-p", "-t", fmt.Sprint(pid), victim, "sleep", "1").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		said := report()
		if checksum(t, helper) != untouched {
			t.Error("a program of the host was overwritten: ", helper)
		}
		if checksum(t, victim) == before {
			t.Errorf("the unguarded way does not overwrite the program: %q", said)
		}
	})
}

// everything gives the container all privileges that minirun itself has.
func everything(s *specs.Spec) {
	text, _ := os.ReadFile("/proc/self/status")
	var own uint64
	_, rest, _ := strings.Cut(string(text), "CapPrm:\t")
	_, _ = fmt.Sscanf(rest, "%x", &own)
	var names []string
	for n, name := range testbundle.CapNames {
		if own&(1<<n) != 0 {
			names = append(names, name)
		}
	}
	testbundle.Can(names...)(s)
}

// TestSpyFromNeighbour: CVE-2016-9962: while a process enters a shared PID namespace, processes
// inside trace it, or examine its descriptors and its root.
func TestSpyFromNeighbour(t *testing.T) {
	run := func(t *testing.T, change ...func(*specs.Spec)) []string {
		t.Helper()
		pid, report := neighbour(t, []string{"spy", "4"}, change...)
		joining := testbundle.New(t, testbundle.Args("true"), testbundle.With(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", pid)))
		// A slow hook keeps the process in the state in which it has dropped its privileges and has
		// not executed the program yet.
		joining.Spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/sleep", Args: []string{"sleep", "0.1"}}}}
		for range 10 {
			_ = joining.Run() // killed with the neighbour's PID namespace, if it arrives too late
		}
		return report()
	}
	said := run(t)
	if !slices.Contains(said, "seen") {
		t.Skipf("the neighbour never saw a process on its way in, so nothing is shown: %q", said)
	}
	if len(said) > 1 {
		t.Errorf("a neighbour without CAP_SYS_PTRACE got at a process on its way in: %q", said)
	}
	t.Run("naive", func(t *testing.T) {
		// With all of minirun's privileges, nothing is hidden; this proves that the spy works.
		if said := run(t, everything); len(said) < 2 {
			t.Errorf("the spy sees nothing even with every capability: %q", said)
		}
	})
}
