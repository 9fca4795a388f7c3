// Many containers alive at the same time.
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// scaleRun is the result for a number of containers under one runtime. Seconds are the total for all
// of them.
type scaleRun struct {
	Name       string  `json:"name"`
	Containers int     `json:"containers"`
	Created    int     `json:"created"`
	Started    int     `json:"started"`
	Alive      int     `json:"alive"` // their first processes, after all were started
	Deleted    int     `json:"deleted"`
	Left       int     `json:"left"` // cgroups that still exist afterwards
	Create     float64 `json:"create_s"`
	Start      float64 `json:"start_s"`
	Delete     float64 `json:"delete_s"`
	Failure    string  `json:"failure,omitempty"` // the first one
}

// callers is the number of a runtime's processes that run concurrently.
var callers = 4 * runtime.NumCPU()

func (result *report) scale(runners []*runner, b *bundle, containers int) error {
	if err := adopt(); err != nil {
		return err
	}
	for _, r := range withVerbs(runners) {
		run := scaleRun{Name: r.name, Containers: containers}
		id := func(i int) string { return fmt.Sprintf("minirun-bench-%d-%d", os.Getpid(), i) }
		run.Created, run.Create = run.all(func(i int) error {
			_, err := r.verb("create", "--bundle", b.dir, id(i))
			return err
		})
		run.Started, run.Start = run.all(func(i int) error {
			_, err := r.verb("start", id(i))
			return err
		})
		dirs, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/pids/minirun-bench-%d-*/cgroup.procs", os.Getpid()))
		for _, d := range dirs {
			if procs, err := os.ReadFile(d); err == nil && len(procs) > 0 {
				run.Alive++
			}
		}
		run.Deleted, run.Delete = run.all(func(i int) error {
			_, err := r.verb("delete", "--force", id(i))
			return err
		})
		reap()
		run.Left = sweep()
		result.Scale = append(result.Scale, run)
	}
	return nil
}

// sweep removes the cgroups that a runtime has left, and counts them: the next runtime must find the
// machine in the same state.
func sweep() (removed int) {
	name := fmt.Sprintf("minirun-bench-%d-", os.Getpid())
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), name) && unix.Rmdir(path) == nil {
			removed++
			return filepath.SkipDir
		}
		return nil
	})
	return removed
}

// all does something with each container, several at a time, and returns how many succeeded.
func (run *scaleRun) all(do func(i int) error) (good int, seconds float64) {
	var count atomic.Int64
	var failure sync.Once
	next := make(chan int)
	var group sync.WaitGroup
	began := time.Now()
	for range callers {
		group.Go(func() {
			for i := range next {
				if err := do(i); err == nil {
					count.Add(1)
				} else {
					failure.Do(func() { run.Failure = err.Error() })
				}
			}
		})
	}
	for i := range run.Containers {
		next <- i
	}
	close(next)
	group.Wait()
	return int(count.Load()), time.Since(began).Seconds()
}

func printScale(w io.Writer, runs []scaleRun) {
	if len(runs) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%d containers alive at once, %d calls at a time; seconds for all\n", runs[0].Containers, callers)
	fmt.Fprintf(w, "%-10s %8s %8s %8s %8s %8s %10s %10s %10s\n", "", "created", "started", "alive", "deleted", "left", "create", "start", "delete")
	for _, r := range runs {
		fmt.Fprintf(w, "%-10s %8d %8d %8d %8d %8d %10.2f %10.2f %10.2f  %s\n", r.Name, r.Created, r.Started, r.Alive, r.Deleted, r.Left, r.Create, r.Start, r.Delete, r.Failure)
	}
}
