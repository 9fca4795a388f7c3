package crash

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// callers is the number of commands that run concurrently.
const callers = 8

// alone runs a command like try, but can be called concurrently.
func (h *host) alone(args ...string) (text string, status int) {
	fd, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC)
	if err != nil {
		h.t.Error(err)
		return "", -1
	}
	output := os.NewFile(uintptr(fd), "output")
	defer output.Close()
	cmd := h.Command(args...)
	cmd.Stdout, cmd.Stderr = output, output
	if err := finish(cmd); err != nil {
		h.t.Error(err)
		return "", -1
	}
	data, err := io.ReadAll(io.NewSectionReader(output, 0, 1<<20))
	if err != nil {
		h.t.Error(err)
	}
	return string(data), cmd.ProcessState.ExitCode()
}

// parallel calls do(0) to do(n-1), several at a time.
func parallel(n int, do func(i int)) {
	next := make(chan int)
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
}

// TestManyContainersAtOnce creates many containers concurrently, so that all are alive at the same time,
// starts them all and deletes them all.
func TestManyContainersAtOnce(t *testing.T) {
	h := newHost(t)
	h.Spec.Linux.CgroupsPath = "" // derived from the ID
	h.Write()
	n := amount(20, 1000)
	id := func(i int) string { return fmt.Sprintf("%s-%d", h.ID, i) }
	each := func(args ...string) {
		t.Helper()
		begin := time.Now()
		parallel(n, func(i int) {
			words := make([]string, len(args))
			for k, a := range args {
				words[k] = strings.ReplaceAll(a, "ID", id(i))
			}
			if text, status := h.alone(words...); status != 0 {
				t.Errorf("%s: exit status %d: %s", strings.Join(words, " "), status, text)
			}
		})
		t.Logf("%d times %s: %v", n, args[0], time.Since(begin).Round(time.Millisecond))
	}
	t.Cleanup(func() {
		for i := range n {
			h.alone("delete", "--force", id(i))
		}
		reap()
	})
	each("create", "--bundle", h.Dir, "ID")
	each("start", "ID")
	if text, status := h.alone("list"); status != 0 || strings.Count(text, "running") != n {
		t.Errorf("list: exit status %d, %d running", status, strings.Count(text, "running"))
	}
	each("delete", "--force", "ID")
	h.clean("after all were deleted")
}

// TestManyLifeCyclesLeaveNothing repeats the life of a container many times: afterwards the mounts,
// cgroups and processes of the machine are the same as before.
func TestManyLifeCyclesLeaveNothing(t *testing.T) {
	h := newHost(t, testbundle.Args("true"))
	begin, n := time.Now(), amount(30, 10000)
	baseline := h.counts()
	for range n {
		for _, args := range [][]string{{"create", h.ID, h.Dir}, {"start", h.ID}} {
			h.minirun(args...)
		}
		h.minirun("delete", "--force", h.ID)
	}
	h.clean(fmt.Sprintf("after %d cycles", n))
	if after := h.counts(); after != baseline {
		t.Errorf("%+v before, %+v after %d cycles", baseline, after, n)
	}
	t.Logf("%d cycles in %v: %+v before and after", n, time.Since(begin).Round(time.Millisecond), baseline)
}

// A count is the number of resources on the machine that containers use.
type count struct{ Mounts, Cgroups, Children, Descriptors int }

func (h *host) counts() count {
	var c count
	for thing := range h.things() {
		switch kind, _, _ := strings.Cut(thing, " "); kind {
		case "mount":
			c.Mounts++
		case "cgroup":
			c.Cgroups++
		case "process":
			c.Children++
		}
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	c.Descriptors = len(entries)
	return c
}

// TestExecAgainstDelete deletes containers while exec starts programs in them: each exec ends with
// its program's status, or reports why it could not run.
func TestExecAgainstDelete(t *testing.T) {
	h := newHost(t)
	const atOnce = callers
	random := rand.New(rand.NewPCG(3, 4))
	total, results := amount(40, 2000), map[int]int{}
	var lock sync.Mutex
	for done := 0; done < total; done += atOnce {
		h.minirun("run", "--detach", h.ID, h.Dir)
		var group sync.WaitGroup
		for range atOnce {
			group.Go(func() {
				text, status := h.alone("exec", h.ID, "sh", "-c", "exit 7")
				lock.Lock()
				results[status]++
				lock.Unlock()
				if wrong := execEnd(text, status); wrong != "" {
					t.Errorf("exec: %s: exit status %d: %q", wrong, status, text)
				}
			})
		}
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		if text, status := h.alone("delete", "--force", h.ID); status != 0 {
			t.Errorf("delete --force: exit status %d: %s", status, text)
		}
		group.Wait()
		h.clean("after exec against delete")
	}
	t.Logf("%d times exec against delete; number of each exit status: %v", total, results)
}

// execEnd returns what is wrong with the way in which an exec of "exit 7" ended.
func execEnd(text string, status int) string {
	switch {
	case status == 7 && text == "", status == 128+9 && text == "": // the program's own status, or it was killed
		return ""
	case status == 255 && strings.HasPrefix(text, "minirun: ") && strings.Count(strings.ReplaceAll(text, "\nhint: ", " "), "\n") == 1:
		return ""
	}
	return "neither the program's end nor one clear error"
}
