// Command bench measures how long runtimes take to `run` a container that does nothing: minirun,
// runc, crun, and floor (floor/floor.c), a C program that makes only the system calls that the same
// config needs.
//
//	go run ./tests/bench [-n rounds] [-warmup rounds] [-format text|json] [-case default,docker,cycle,exec,memory,scale] [-containers n] [-minirun FILE]
//
// default and docker measure `run` with the config of `runc spec` and with Docker's seccomp profile
// and capabilities; cycle measures create, start and delete, separately and together; exec runs a
// program in a running container; memory is the memory that a created container uses; scale has many
// containers alive at the same time.
//
// How it measures: everything runs in one private mount namespace in which /sys/fs/cgroup/unified is
// unmounted (crun 1.8.1 rejects a host with both cgroup v1 and v2), so no runtime pays for a wrapper
// and all see the same host. In each round every runtime starts one container, in an order that is
// shuffled each time, so that a slow moment of the machine does not affect only one of them. The
// measured time is that of one clone(CLONE_VFORK|CLONE_VM), exec and wait4, and nothing else. After
// each run, outside the measurement, the exit status must be 0 and no cgroup, mount or state may be
// left.
//
//	main.go      options, the private namespace, the rounds        bundles.go  the configs
//	verbs.go     cycle, exec, memory                               scale.go    many at the same time
//	runners.go   the runtimes' command lines, one timed run        report.go   statistics, text and JSON
//	filter.go    Docker's seccomp filter as bytes, for floor
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// settle is the pause before each run. The kernel removes the last container's namespaces in the
// background, which would slow down the next container.
const settle = 20 * time.Millisecond

func stateDir(dir string) string { return filepath.Join(dir, "state") }

const innerEnv = "MINIRUN_BENCH_DIR" // the working directory; set in the re-executed process

func main() {
	rounds := flag.Int("n", 100, "rounds that count")
	warmup := flag.Int("warmup", 10, "rounds before them")
	format := flag.String("format", "text", "text or json")
	containers := flag.Int("containers", 1000, "of the case scale")
	cases := flag.String("case", "default,docker", "cases to measure, separated by commas")
	minirun := flag.String("minirun", os.Getenv("MINIRUN"), "the minirun binary; default: $MINIRUN, or built from ./cmd/minirun")
	flag.Parse()
	if *format != "text" && *format != "json" || *rounds < 1 || *warmup < 0 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	var err error
	if dir := os.Getenv(innerEnv); dir != "" {
		err = bench(dir, strings.Split(*cases, ","), *minirun, *rounds, *warmup, *containers, *format)
	} else {
		err = enter()
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		os.Exit(exit.ExitCode()) // the inner process has already printed the reason
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// enter runs this program again in a new mount namespace.
func enter() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root: it starts containers")
	}
	dir, err := os.MkdirTemp("", "minirun-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(stateDir(dir), 0o700); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), innerEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}

func bench(dir string, names []string, minirun string, rounds, warmup, containers int, format string) error {
	if err := unix.Unmount("/sys/fs/cgroup/unified", 0); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		return fmt.Errorf("unmount /sys/fs/cgroup/unified: %w", err)
	}
	// crun creates a directory for each container on the mountpoint and leaves it: put it on a file
	// system that is removed at the end.
	if err := unix.Mount("tmpfs", "/sys/fs/cgroup/unified", "tmpfs", 0, "size=1m"); err != nil && err != unix.ENOENT {
		return fmt.Errorf("cover /sys/fs/cgroup/unified: %w", err)
	}
	// /run, where runtimes keep their state, is a tmpfs on every distribution, whatever it is on this
	// machine.
	if err := unix.Mount("tmpfs", stateDir(dir), "tmpfs", 0, "size=64m"); err != nil {
		return fmt.Errorf("a tmpfs for the runtimes' state: %w", err)
	}
	runners, notes, err := findRunners(dir, minirun)
	if err != nil {
		return err
	}
	result := report{Machine: machine(), Rounds: rounds, Warmup: warmup, Notes: notes}
	for _, name := range names {
		b, err := makeBundle(dir, name)
		if err != nil {
			return err
		}
		if name == "docker" {
			if b.filter, err = installedFilter(dir, b); err != nil {
				result.Notes = append(result.Notes, fmt.Sprintf("docker: floor loads no seccomp filter: %v", err))
			}
		}
		switch name {
		case "cycle":
			err = result.cycle(runners, b, rounds, warmup)
		case "exec":
			err = result.exec(runners, b, rounds, warmup)
		case "memory":
			err = result.memory(runners, b)
		case "scale":
			err = result.scale(runners, b, containers)
		default:
			err = result.runs(runners, b, rounds, warmup)
		}
		if err != nil {
			return fmt.Errorf("case %s: %w", name, err)
		}
	}
	return result.print(os.Stdout, format)
}

// runs measures `run`.
func (result *report) runs(runners []*runner, b *bundle, rounds, warmup int) error {
	times, err := interleaved(runners, rounds, warmup, func(r *runner, round int) (map[string]time.Duration, error) {
		elapsed, err := r.run(b, fmt.Sprintf("minirun-bench-%d-%d", os.Getpid(), round))
		return map[string]time.Duration{b.name: elapsed}, err
	})
	if err == nil {
		result.Cases = append(result.Cases, summarise(b.name, "ms", runners, times[b.name]))
	}
	return err
}

// interleaved does something with each runtime in each round, in an order that is shuffled each time.
// The times are indexed by action, then by runner.
func interleaved(runners []*runner, rounds, warmup int, do func(*runner, int) (map[string]time.Duration, error)) (map[string]map[string][]float64, error) {
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // no garbage collection of ours during a run; there is little garbage
	times := map[string]map[string][]float64{}
	order := append([]*runner{}, runners...)
	for round := range warmup + rounds {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, r := range order {
			time.Sleep(settle)
			elapsed, err := do(r, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			for what, d := range elapsed {
				if times[what] == nil {
					times[what] = map[string][]float64{}
				}
				if round >= warmup {
					times[what][r.name] = append(times[what][r.name], milliseconds(d))
				}
			}
		}
	}
	return times, nil
}
