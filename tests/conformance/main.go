// Command conformance runs OCI's own validation programs (github.com/opencontainers/runtime-tools,
// validation/*) with minirun, runc and crun, and updates the table of results in docs/conformance.md.
//
//	go -C tests/conformance run . [-minirun FILE] [-prepare | -prepared] [program ...]
//
// With -prepare the programs are only built; with -prepared they are already built, so no Go is
// needed, and the table is not written. This is for use in a virtual machine.
//
// The suite has a separate go.mod in this directory, so that its old dependencies are not those of
// minirun. Its programs are built into bin/, which git ignores. Each runs in a new mount namespace:
// one of them leaves a bundle's /proc and /dev mounted.
//
// A program passes if it exits with 0, prints no "not ok", and, for the programs about hooks, which
// plan no tests ("1..0"), reports no error. The exit status is 1 if minirun fails a program that is
// not in failures.go, or one that runc or crun passes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const suite = "github.com/opencontainers/runtime-tools"

// patience limits the time of one program.
const patience = 30 * time.Second

func main() {
	minirun := flag.String("minirun", "", "the minirun binary; default: built from this tree")
	prepare := flag.Bool("prepare", false, "build the suite's programs, and no more")
	prepared := flag.Bool("prepared", false, "the suite's programs have been built")
	flag.Parse()
	bin, err := filepath.Abs("bin")
	if err == nil && !*prepared {
		err = build(bin)
	}
	if err == nil && !*prepare {
		err = conformance(bin, *minirun, flag.Args(), !*prepared)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

type runtime struct{ name, path string }

func conformance(bin, minirun string, only []string, table bool) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root: it starts containers")
	}
	text, err := os.ReadFile(filepath.Join(bin, list))
	if err != nil {
		return err
	}
	programs := strings.Fields(string(text))
	if len(only) > 0 {
		programs, table = only, false
	}
	runtimes, err := find(bin, minirun)
	if err != nil {
		return err
	}
	defer mountPoints()()
	results := map[string]map[string]bool{}
	for _, p := range programs {
		results[p] = map[string]bool{}
		for _, r := range runtimes {
			results[p][r.name] = passes(bin, p, r)
		}
		fmt.Println(row(p, runtimes, results[p]))
	}
	if table {
		if err := document(programs, runtimes, results); err != nil {
			return err
		}
	}
	return judge(programs, runtimes, results)
}

// mountPoints creates directories on which to mount net_cls and net_prio, in the programs' own mount
// namespaces, if the kernel has these controllers and the host does not use them.
func mountPoints() (remove func()) {
	var made []string
	table, _ := os.ReadFile("/proc/cgroups")
	for _, c := range []string{"net_cls", "net_prio"} {
		dir := "/sys/fs/cgroup/" + c
		if strings.Contains(string(table), "\n"+c+"\t") && os.Mkdir(dir, 0o755) == nil {
			made = append(made, dir)
		}
	}
	return func() {
		// A hierarchy that loses its last mount while a cgroup in it is being removed continues to
		// exist, and is then listed in /proc/PID/cgroup without a mount: in this state containerd has
		// no statistics. Mounting it again, without cgroups, removes it.
		for _, dir := range made {
			for range 50 {
				if syscall.Mount("cgroup", dir, "cgroup", 0, filepath.Base(dir)) == nil {
					_ = syscall.Unmount(dir, 0)
				}
				time.Sleep(100 * time.Millisecond)
				if !inUse(filepath.Base(dir)) {
					break
				}
			}
			_ = os.Remove(dir)
		}
	}
}

// inUse reports whether a controller belongs to a cgroup v1 hierarchy.
func inUse(controller string) bool {
	text, _ := os.ReadFile("/proc/self/cgroup")
	return strings.Contains(string(text), ":"+controller+":")
}

func goCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
	cmd.Stderr = os.Stderr
	return cmd
}

// list is the file in bin/ with the names of the programs.
const list = "programs"

// build builds the suite's programs.
func build(bin string) error {
	packageNames, err := goCommand("list", suite+"/validation/...").Output()
	if err != nil {
		return fmt.Errorf("list the suite's programs: %w", err)
	}
	var packages, names []string
	for p := range strings.FieldsSeq(string(packageNames)) {
		if !strings.HasSuffix(p, "/util") {
			packages, names = append(packages, p), append(names, filepath.Base(p))
		}
	}
	args := append([]string{"build", "-o", bin + "/", suite + "/cmd/runtimetest"}, packages...)
	if err := goCommand(args...).Run(); err != nil {
		return fmt.Errorf("build the suite: %w", err)
	}
	dir, err := goCommand("list", "-m", "-f", "{{.Dir}}", suite).Output()
	if err != nil {
		return err
	}
	const rootfs = "rootfs-amd64.tar.gz"
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), rootfs))
	if err == nil {
		err = os.WriteFile(filepath.Join(bin, rootfs), data, 0o644)
	}
	slices.Sort(names)
	return errors.Join(err, os.WriteFile(filepath.Join(bin, list), []byte(strings.Join(names, "\n")+"\n"), 0o644))
}

// find returns the available runtimes, each called through a wrapper.
func find(bin, minirun string) ([]runtime, error) {
	if minirun == "" {
		minirun = filepath.Join(bin, "minirun.built")
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "urfave_cli_no_docs", "-o", minirun, "./cmd/minirun")
		cmd.Dir, cmd.Stderr = filepath.Join("..", ".."), os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("build minirun: %w", err)
		}
	}
	var out []runtime
	for _, r := range []runtime{{"minirun", minirun}, {"runc", "runc"}, {"crun", "crun"}} {
		path, err := exec.LookPath(r.path)
		if err != nil {
			fmt.Printf("skip: %s is not installed\n", r.name)
			continue
		}
		r.path = filepath.Join(bin, r.name+".tried")
		text := strings.NewReplacer("RUNTIME", path, "STATE", filepath.Join(bin, r.name+".state")).Replace(wrapper)
		if err := os.WriteFile(r.path, []byte(text), 0o755); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// wrapper gives a runtime a separate state directory, which tidy empties, and, if SHOWN_VERSION is
// set, makes it read a different specification version in config.json.
const wrapper = `#!/bin/bash
bundle=.
arguments=("$@")
for ((i = 0; i < $#; i++)); do
	case ${arguments[i]} in --bundle | -b) bundle=${arguments[i+1]} ;; esac
done
case "$SHOWN_VERSION $* " in [0-9]*" create "*)
	[ ! -f "$bundle/config.json" ] || sed -i -E 's/("ociVersion": *)"1\.[0-9.]+(-[^"]*)?"/\1"'"$SHOWN_VERSION"'"/' "$bundle/config.json" ;;
esac
exec RUNTIME --root STATE "$@"
`

// olderText lists the programs that test against the text of an older version of the specification
// than the one in their config.json.
var olderText = map[string]string{
	// Since 1.3 a poststart hook that fails is an error (runtime.md, Lifecycle, 9); it was a warning.
	"poststart_fail": "1.2.1",
}

func shownVersion(program, runtime string) string {
	if runtime == "crun" {
		return "1.0.2" // crun 1.8 refuses later ones
	}
	return olderText[program]
}

// script runs $0 in the directory $1 for at most $2 seconds with the runtime $3, then removes what
// the program left. crun 1.8 rejects a host with both cgroup v1 and v2, so the v2 tree is hidden; a
// host without net_cls and net_prio gets them, if its kernel supports them.
const script = `
cd "$1"
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
	umount /sys/fs/cgroup/unified 2>/dev/null
	for c in net_cls net_prio; do
		[ ! -d /sys/fs/cgroup/$c ] || grep -q " /sys/fs/cgroup/$c " /proc/self/mountinfo || mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c
	done
fi
timeout -s KILL "$2" "$0"
status=$?
for id in $("$3" list -q); do
	"$3" delete --force "$id" >/dev/null 2>&1
done
find /sys/fs/cgroup -depth -type d \( -path '*/testdir/cgrouptest' -o -name testdir \) -exec rmdir {} + >/dev/null 2>&1
exit $status`

// passes runs one program with one runtime.
func passes(bin, program string, r runtime) bool {
	cmd := exec.Command("/bin/bash", "-c", script, "./"+program, bin, fmt.Sprint(patience.Seconds()), r.path)
	cmd.Env = append(os.Environ(), "RUNTIME="+r.path, "SHOWN_VERSION="+shownVersion(program, r.name))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	output, err := cmd.CombinedOutput()
	_ = os.WriteFile(filepath.Join(bin, program+"."+r.name+".log"), output, 0o644)
	if err != nil {
		return false
	}
	text := string(output)
	hooks := strings.HasSuffix(strings.TrimSpace(text), "1..0")
	return !strings.Contains(text, "\nnot ok") && !strings.HasPrefix(text, "not ok") && !(hooks && strings.Contains(text, `"error": "`))
}

func row(program string, runtimes []runtime, result map[string]bool) string {
	cells := []string{program}
	for _, r := range runtimes {
		cells = append(cells, map[bool]string{true: "pass", false: "fail"}[result[r.name]])
	}
	return "| " + strings.Join(cells, " | ") + " | " + why(program, result["minirun"]) + " |"
}

func why(program string, passed bool) string {
	if passed {
		return ""
	}
	return known(program)
}

// known returns why minirun is known to fail a program here; "" if it must pass.
func known(program string) string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil && failuresOnV2[program] != "" {
		return failuresOnV2[program]
	}
	return failures[program]
}

// document writes the table between the two marks in docs/conformance.md.
func document(programs []string, runtimes []runtime, results map[string]map[string]bool) error {
	const begin, end = "<!-- table: written by tests/conformance -->\n", "<!-- end of table -->\n"
	path := filepath.Join("..", "..", "docs", "conformance.md")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(data), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no marks for the table", path)
	}
	names, lines, sums := []string{}, []string{}, []string{}
	for _, r := range runtimes {
		count := 0
		for _, p := range programs {
			if results[p][r.name] {
				count++
			}
		}
		names, lines = append(names, r.name), append(lines, "---")
		sums = append(sums, fmt.Sprint(count))
	}
	table := fmt.Sprintf("| program | %s | why minirun fails |\n|---|%s|---|\n", strings.Join(names, " | "), strings.Join(lines, "|"))
	for _, p := range programs {
		table += row(p, runtimes, results[p]) + "\n"
	}
	table += fmt.Sprintf("| **passed of %d** | %s | |\n", len(programs), strings.Join(sums, " | "))
	return os.WriteFile(path, []byte(head+begin+table+end+tail), 0o644)
}

func judge(programs []string, runtimes []runtime, results map[string]map[string]bool) error {
	var wrong []string
	passed := 0
	for _, p := range programs {
		if results[p]["minirun"] {
			passed++
			continue
		}
		if known(p) == "" {
			wrong = append(wrong, p+": minirun fails, and no reason is declared")
		}
		for _, r := range runtimes {
			if results[p][r.name] {
				wrong = append(wrong, p+": "+r.name+" passes, minirun does not: "+known(p))
			}
		}
	}
	fmt.Printf("minirun passes %d of %d\n", passed, len(programs))
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	return nil
}
