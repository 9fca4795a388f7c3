package bootstrap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// A scenario is a plan and its expected effects. Every scenario runs on the kernel (TestPlansRunAsWritten)
// and, with the arm64 loop, under qemu (TestARM64), with the same results.
type scenario struct {
	name  string
	build func(b *plan.Builder, dir string) // dir: its own directory

	// number replaces the system calls of steps, for calls that plans do not contain.
	number map[int]uint32
	files  map[string]string // files in dir before
	stdin  string

	out    string            // text on stdout
	status int               // exit status
	failed *ErrFailed        // the report, nil for none
	after  map[string]string // files in dir, after
}

// failing returns the expectation for a plan that stops with a report.
func failing(step int, errno unix.Errno) *ErrFailed { return &ErrFailed{step, errno} }

func say(b *plan.Builder, s string) {
	b.Add(plan.Op{Name: "say " + s}, plan.Write, plan.Int(1), b.Str(s), plan.Int(len(s)))
}

func end(b *plan.Builder, status int) {
	b.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(status))
}

var cwd = plan.Int(unix.AT_FDCWD)

func scenarios() []scenario {
	list := []scenario{
		{name: "hello", out: "hello", status: 7, build: func(b *plan.Builder, dir string) {
			say(b, "hello")
			end(b, 7)
		}},
		{name: "first step fails", failed: failing(0, unix.ENOENT), status: 1,
			build: func(b *plan.Builder, dir string) {
				b.Add(plan.Op{Name: "fail"}, plan.Chdir, b.Str("/does/not/exist"))
				say(b, "not reached")
				end(b, 0)
			}},
		{name: "last step fails", out: "here", failed: failing(1, unix.ENOTDIR), status: 1,
			build: func(b *plan.Builder, dir string) {
				say(b, "here")
				b.Add(plan.Op{Name: "fail"}, plan.Execve, b.Str("/dev/null/x"), b.Strs(nil), b.Strs(nil))
			}},
		{name: "errno not among four", failed: failing(0, unix.EBADF), status: 1,
			build: func(b *plan.Builder, dir string) {
				b.Add(plan.Op{Name: "fail", Then: plan.Fine(unix.EPERM, unix.ENOENT, unix.ESRCH, unix.EINTR)},
					plan.Close, plan.Int(999))
				say(b, "not reached")
				end(b, 0)
			}},
		{name: "an error is stored too", failed: failing(2, unix.EBADF), out: "\xf7\xff\xff\xff\xff\xff\xff\xff",
			status: 1, build: func(b *plan.Builder, dir string) {
				cell := b.Cell("fd")
				b.Add(plan.Op{Name: "fail", Out: cell, Then: plan.Fine(unix.EBADF)},
					plan.Close, plan.Int(999))
				b.Add(plan.Op{Name: "show"}, plan.Write, plan.Int(1), cellAddress(cell), plan.Int(8))
				b.Add(plan.Op{Name: "use it"}, plan.Fchdir, plan.Of(cell)) // -9 is not a descriptor
				end(b, 0)
			}},
		{name: "open, read, write", files: map[string]string{"in": "contents"}, out: "contents", build: openReadWrite},
		{name: "cat: zero at end of file, backward", stdin: "some input", out: "some input", status: 5,
			build: func(b *plan.Builder, dir string) {
				room, eof, again := b.Room(8), b.Label(), b.Here()
				b.Add(plan.Op{Name: "read", Then: plan.Then{Zero: eof}},
					plan.Read, plan.Int(0), room, plan.Int(1))
				b.Add(plan.Op{Name: "write", Then: plan.Then{Next: again}},
					plan.Write, plan.Int(1), room, plan.Int(1))
				b.Place(eof)
				end(b, 5)
			}},
		{name: "the child's zero", number: map[int]uint32{1: unix.SYS_WAIT4}, out: "child parent", status: 3,
			build: func(b *plan.Builder, dir string) {
				child, pid := b.Label(), b.Cell("pid")
				b.Add(plan.Op{Name: "clone", Out: pid, Then: plan.Then{Zero: child}},
					plan.Clone, plan.Int(unix.SIGCHLD), plan.Int(0), plan.Int(0), plan.Int(0), plan.Int(0))
				b.Add(plan.Op{Name: "wait4"},
					plan.Prlimit, plan.Of(pid), plan.Int(0), plan.Int(0), plan.Int(0))
				say(b, "parent")
				end(b, 3)
				b.Place(child)
				say(b, "child ")
				end(b, 0)
			}},
		{name: "execve", out: "one two|A=1", status: 4, build: func(b *plan.Builder, dir string) {
			b.Add(plan.Op{Name: "become sh"},
				plan.Execve, b.Str("/bin/sh"),
				b.Strs([]string{"sh", "-c", `printf '%s %s|A=%s' "$1" "$2" "$A"; exit 4`, "sh", "one", "two"}),
				b.Strs([]string{"A=1"}))
		}},
	}
	list = append(list, allowedErrnos()...)
	list = append(list, sixArguments()...)
	return append(list, modelScenarios()...)
}

// cellAddress returns a pointer to a cell, to write its value.
func cellAddress(c plan.Cell) plan.Arg {
	return plan.Arg{Kind: plan.Pointer, Value: plan.DataBase + uint64(c)}
}

func openReadWrite(b *plan.Builder, dir string) {
	fd, n, room := b.Cell("fd"), b.Cell("n"), b.Room(64)
	b.Add(plan.Op{Name: "open", Out: fd},
		plan.Openat, cwd, b.Str(filepath.Join(dir, "in")), plan.Int(unix.O_RDONLY), plan.Int(0))
	b.Add(plan.Op{Name: "read", Out: n}, plan.Read, plan.Of(fd), room, plan.Int(64))
	b.Add(plan.Op{Name: "write as much as was read"}, plan.Write, plan.Int(1), room, plan.Of(n))
	end(b, 0)
}

// allowedErrnos places the errno at each position in the list, alone and with others, with jumps
// forward and backward.
func allowedErrnos() []scenario {
	var list []scenario
	others := []unix.Errno{unix.EPERM, unix.ENOENT, unix.ESRCH, unix.EINTR}
	for place := range plan.MaxBranches {
		errnos := append([]unix.Errno(nil), others...)
		errnos[place] = unix.EBADF
		list = append(list, scenario{
			name: fmt.Sprint("allowed errno in place ", place), out: "on", status: 0,
			build: func(b *plan.Builder, dir string) {
				b.Add(plan.Op{Name: "fail", Then: plan.Fine(errnos...)}, plan.Close, plan.Int(999))
				say(b, "on")
				end(b, 0)
			},
		}, scenario{
			name: fmt.Sprint("jump on errno in place ", place), out: "back, forward", status: 0,
			build: func(b *plan.Builder, dir string) {
				start, back, forward := b.Label(), b.Label(), b.Label()
				jump := func(to plan.Label) plan.Then {
					t := plan.Fine(errnos...)
					t.On[place].To = to
					return t
				}
				b.Add(plan.Op{Name: "skip to the start", Then: plan.Then{Next: start, Zero: start}},
					plan.Getppid)
				b.Place(back)
				say(b, "back, ")
				b.Add(plan.Op{Name: "go forward", Then: jump(forward)}, plan.Close, plan.Int(999))
				say(b, "not reached")
				b.Place(start)
				b.Add(plan.Op{Name: "go back", Then: jump(back)}, plan.Close, plan.Int(999))
				say(b, "not reached")
				b.Place(forward)
				say(b, "forward")
				end(b, 0)
			},
		})
	}
	return list
}

// sixArguments copies 3 bytes from offset 4 of one file to offset 2 of another with
// copy_file_range(2). Each argument is taken from a cell once: an incorrect one makes the call
// fail, or shows in the file.
func sixArguments() []scenario {
	var list []scenario
	for mask := range 1 << plan.MaxArgs {
		if n := mask & (mask - 1); n != 0 && mask != 1<<plan.MaxArgs-1 {
			continue // none, one, or all
		}
		list = append(list, scenario{
			name:   fmt.Sprintf("six arguments, out of cells %06b", mask),
			number: map[int]uint32{4: unix.SYS_COPY_FILE_RANGE},
			files:  map[string]string{"in": "0123456789", "out": "abcdefgh"},
			after:  map[string]string{"in": "0123456789", "out": "ab456fgh"},
			build: func(b *plan.Builder, dir string) {
				// The descriptors get known numbers, so that they can also be given as constants.
				in, out := b.Cell("in"), b.Cell("out")
				b.Add(plan.Op{Name: "open in", Out: in},
					plan.Openat, cwd, b.Str(filepath.Join(dir, "in")), plan.Int(unix.O_RDONLY), plan.Int(0))
				b.Add(plan.Op{Name: "as 50"}, plan.Dup3, plan.Of(in), plan.Int(50), plan.Int(0))
				b.Add(plan.Op{Name: "open out", Out: out},
					plan.Openat, cwd, b.Str(filepath.Join(dir, "out")), plan.Int(unix.O_WRONLY), plan.Int(0))
				b.Add(plan.Op{Name: "as 51"}, plan.Dup3, plan.Of(out), plan.Int(51), plan.Int(0))
				args := []plan.Arg{plan.Int(50), b.Words(4), plan.Int(51), b.Words(2), plan.Int(3), plan.Int(0)}
				for k := range args {
					if mask&(1<<k) != 0 {
						cell := b.Words(args[k].Value)
						args[k] = plan.Arg{Kind: plan.Result, Value: cell.Value}
					}
				}
				b.Add(plan.Op{Name: "copy_file_range"}, plan.Keyctl, args...)
				end(b, 0)
			},
		})
	}
	return list
}

// image creates the sealed image of the scenario's plan.
func (s *scenario) image(t *testing.T, dir string) (*os.File, *plan.Plan) {
	t.Helper()
	b := plan.NewBuilder(3)
	s.build(b, dir)
	p := b.Plan()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for step, number := range s.number {
		binary.LittleEndian.PutUint32(data[len(p.Data)+step*plan.StepSize:], number)
	}
	fd, err := createMemfd(imageName)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeSealed(fd, headers(loopCode(), len(data)), data); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "plan"), p
}

// prepare creates the scenario's files.
func (s *scenario) prepare(t *testing.T, dir string) {
	t.Helper()
	for name, text := range s.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// verify compares the results with the expected ones.
func (s *scenario) verify(t *testing.T, dir, out string, status int, last error) {
	t.Helper()
	if s.failed == nil {
		if last != io.EOF {
			t.Errorf("last message: %v, want end of file", last)
		}
	} else if !reflect.DeepEqual(last, error(s.failed)) {
		t.Errorf("report: %v, want %v", last, s.failed)
	}
	if status != s.status {
		t.Errorf("exit status %d, want %d", status, s.status)
	}
	if out != s.out {
		t.Errorf("wrote %q, want %q", out, s.out)
	}
	for name, want := range s.after {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
}

// pipes contains both ends of a pipe each for stdin and stdout.
type pipes struct{ stdin, input, output, stdout *os.File }

func newPipes(t *testing.T, stdin string) pipes {
	t.Helper()
	var p pipes
	var err1, err2 error
	p.stdin, p.input, err1 = os.Pipe()
	p.output, p.stdout, err2 = os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if _, err := p.input.WriteString(stdin); err != nil { // much smaller than a pipe
		t.Fatal(err)
	}
	p.input.Close()
	return p
}

// read closes the process's ends and returns all its output.
func (p pipes) read(t *testing.T) string {
	t.Helper()
	p.stdin.Close()
	p.stdout.Close()
	got, err := io.ReadAll(p.output)
	p.output.Close()
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestPlansRunAsWritten(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			dir := t.TempDir()
			s.prepare(t, dir)
			image, p := s.image(t, dir)
			defer image.Close()
			pipes := newPipes(t, s.stdin)
			proc, err := startImage(image, len(p.Steps),
				Attr{Files: []int{int(pipes.stdin.Fd()), int(pipes.stdout.Fd()), 2}})
			if err != nil {
				t.Fatal(err)
			}
			defer proc.Close()
			defer time.AfterFunc(limit, func() { _ = proc.Kill() }).Stop()
			out := pipes.read(t)
			_, last := proc.Receive()
			status, err := proc.Wait()
			if err != nil {
				t.Fatal(err)
			}
			s.verify(t, dir, out, status.ExitStatus(), last)
		})
	}
}
