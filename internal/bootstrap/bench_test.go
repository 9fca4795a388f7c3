package bootstrap

import (
	"os"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// emptyPlan does nothing and exits.
func emptyPlan() *plan.Plan {
	b := plan.NewBuilder(3)
	b.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(0))
	return b.Plan()
}

// BenchmarkStart measures the whole life of a process that does nothing: encode, image, socket,
// fork, exec, exit, wait. Compare BenchmarkForkExecTrue.
func BenchmarkStart(b *testing.B) {
	p, files := emptyPlan(), []int{0, 1, 2}
	for b.Loop() {
		proc, err := Start(p, Attr{Files: files})
		if err != nil {
			b.Fatal(err)
		}
		if status, err := proc.Wait(); err != nil || status.ExitStatus() != 0 {
			b.Fatal(status, err)
		}
		proc.Close()
	}
}

// BenchmarkSync measures one question to the parent in addition to BenchmarkStart.
func BenchmarkSync(b *testing.B) {
	p, files := askPlan(1), []int{0, 1, 2}
	for b.Loop() {
		proc, err := Start(p, Attr{Files: files})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := proc.Receive(); err != nil {
			b.Fatal(err)
		}
		if err := proc.Reply([]byte{1}); err != nil {
			b.Fatal(err)
		}
		if status, err := proc.Wait(); err != nil || status.ExitStatus() != 0 {
			b.Fatal(status, err)
		}
		proc.Close()
	}
}

// askPlan asks n questions and exits.
func askPlan(n int) *plan.Plan {
	b := plan.NewBuilder(3)
	gone := b.Label()
	room := b.Room(8)
	for i := range n {
		b.Tell("tell", "", b.Message(uint32(i)+1))
		b.Await("await", "", room, 8, gone)
	}
	b.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(0))
	b.Place(gone)
	b.Add(plan.Op{Name: "end: the parent is gone"}, plan.ExitGroup, plan.Int(9))
	return b.Plan()
}

// BenchmarkImage measures the part of Start before the fork, for a plan of the size that a typical
// configuration produces.
func BenchmarkImage(b *testing.B) {
	p := plan.NewBuilder(3)
	for range 200 {
		p.Add(plan.Op{Name: "step"}, plan.Getppid)
	}
	p.Room(8 << 10)
	p.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(0))
	full := p.Plan()
	for b.Loop() {
		f, err := Image(full)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

// BenchmarkForkExecTrue starts /bin/true in the same way, which runs a dynamic linker.
func BenchmarkForkExecTrue(b *testing.B) {
	benchmarkForkExec(b, "/bin/true", "true")
}

// BenchmarkForkExecBusybox starts a static program.
func BenchmarkForkExecBusybox(b *testing.B) {
	benchmarkForkExec(b, "/bin/busybox", "true")
}

func benchmarkForkExec(b *testing.B, path, name string) {
	if _, err := os.Stat(path); err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		pid, err := syscall.ForkExec(path, []string{name}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkForkExecImage measures only the fork, exec and wait of Start.
func BenchmarkForkExecImage(b *testing.B) {
	f, err := Image(emptyPlan())
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	benchmarkForkExec(b, "/proc/self/fd/"+itoa(int(f.Fd())), "true")
}

func itoa(n int) string { return strconv.Itoa(n) }
