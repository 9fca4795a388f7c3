package bootstrap

import (
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// files are descriptors 0 to 2 for a test's process; out is its stdout.
func files(out *os.File) []*os.File { return []*os.File{os.Stdin, out, os.Stderr} }

func TestHello(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b := plan.NewBuilder(3)
	b.Call("say hello", "", plan.Write, plan.Int(1), b.Str("hello"), plan.Int(5))
	b.Call("end", "", plan.ExitGroup, plan.Int(7))
	proc, err := Start(b.Plan(), Attr{Files: files(w)})
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	w.Close()
	got, _ := io.ReadAll(r)
	status, err := proc.Wait()
	if string(got) != "hello" || err != nil || status.ExitStatus() != 7 {
		t.Fatalf("got %q, exit status %d, %v", got, status.ExitStatus(), err)
	}
	if _, err := proc.Receive(); err != io.EOF {
		t.Fatalf("Receive after the end: %v", err)
	}
}

func TestFailedStep(t *testing.T) {
	b := plan.NewBuilder(3)
	b.Call("fine", "", plan.Getppid)
	b.Call("not fine", "", plan.Chdir, b.Str("/does/not/exist"))
	b.Call("end", "", plan.ExitGroup, plan.Int(0))
	proc, err := Start(b.Plan(), Attr{Files: files(os.Stdout)})
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	_, err = proc.Receive()
	var failed *ErrFailed
	if !errors.As(err, &failed) || failed.Step != 1 || failed.Errno != unix.ENOENT {
		t.Fatalf("got %v, want step 1: ENOENT", err)
	}
	if status, _ := proc.Wait(); status.ExitStatus() != 1 {
		t.Fatalf("exit status %d", status.ExitStatus())
	}
}

// The image's descriptor must survive whatever numbers the files are put at.
func TestManyFiles(t *testing.T) {
	for n := 3; n < 60; n++ {
		b := plan.NewBuilder(n)
		b.Call("end", "", plan.ExitGroup, plan.Int(7))
		all := make([]*os.File, n)
		for i := range all {
			all[i] = os.Stderr
		}
		proc, err := Start(b.Plan(), Attr{Files: all, Extra: all})
		if err != nil {
			t.Fatalf("%d files: %v", n, err)
		}
		if status, err := proc.Wait(); err != nil || status.ExitStatus() != 7 {
			t.Fatalf("%d files: exit status %d, %v", n, status.ExitStatus(), err)
		}
		proc.Close()
	}
}
