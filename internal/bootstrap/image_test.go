package bootstrap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// maxLoop limits the size of the loop in bytes. Together with the headers it fits into the first
// quarter of a page.
const maxLoop = 512

func TestLoopIsSmall(t *testing.T) {
	size := len(loopCode())
	t.Logf("the loop has %d bytes", size)
	if size >= maxLoop || size < 100 {
		t.Fatalf("the loop has %d bytes, want 100 to %d", size, maxLoop)
	}
}

// TestLoopIsPositionIndependent loads the code at an address other than plan.CodeBase. An absolute
// reference to itself would crash.
func TestLoopIsPositionIndependent(t *testing.T) {
	for _, base := range []uint64{0x10000000, 0x7f0000000000} {
		p := failingPlan()
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		code := headers(loopCode(), len(data))
		const entry, vaddr, paddr = 24, ehdrSize + 16, ehdrSize + 24 // Elf64_Ehdr.e_entry, the first Elf64_Phdr
		binary.LittleEndian.PutUint64(code[entry:], base+codeOff)
		binary.LittleEndian.PutUint64(code[vaddr:], base)
		binary.LittleEndian.PutUint64(code[paddr:], base)
		fd, err := createMemfd(imageName)
		if err != nil {
			t.Fatal(err)
		}
		image := os.NewFile(uintptr(fd), "plan")
		if err := writeSealed(fd, code, data); err != nil {
			t.Fatal(err)
		}
		proc, err := startImage(image, len(p.Steps), Attr{Files: []int{0, 1, 2}})
		image.Close()
		if err != nil {
			t.Fatal(err)
		}
		_, err = proc.Receive()
		var failed *ErrFailed
		if !errors.As(err, &failed) || *failed != (ErrFailed{2, unix.ENOENT}) {
			t.Errorf("at %#x: %v, want step 2: ENOENT", base, err)
		}
		if _, err := proc.Wait(); err != nil {
			t.Error(err)
		}
		proc.Close()
	}
}

// failingPlan exercises all of the loop: an argument from a cell, results above zero and equal to
// zero, an allowed errno and a report.
func failingPlan() *plan.Plan {
	b := plan.NewBuilder(3)
	b.Add(plan.Op{Name: "above zero"}, plan.Getppid)
	b.Add(plan.Op{Name: "allowed", Then: plan.Fine(unix.EBADF)},
		plan.Close, plan.Arg{Kind: plan.Result, Value: b.Words(999).Value})
	b.Add(plan.Op{Name: "not allowed"}, plan.Chdir, b.Str("/does/not/exist"))
	b.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(0))
	return b.Plan()
}

// TestImageIsSealed: the running image cannot be modified, neither through the descriptor nor
// through /proc/PID/exe.
func TestImageIsSealed(t *testing.T) {
	image, err := Image(failingPlan())
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	fd := int(image.Fd())
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	const want = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if err != nil || seals&want != want {
		t.Errorf("seals %#x, %v", seals, err)
	}
	again, err := os.OpenFile(fmt.Sprint("/proc/self/fd/", fd), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for name, try := range map[string]func(fd int) error{
		"write":    func(fd int) error { _, err := unix.Pwrite(fd, []byte{0x90}, codeOff); return err },
		"append":   func(fd int) error { _, err := unix.Pwrite(fd, []byte{0x90}, 1<<20); return err },
		"truncate": func(fd int) error { return unix.Ftruncate(fd, 0) },
		"grow":     func(fd int) error { return unix.Ftruncate(fd, 1<<20) },
		"punch": func(fd int) error {
			return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096)
		},
		"unseal": func(fd int) error { _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, 0); return err },
		"mmap": func(fd int) error {
			m, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err == nil {
				_ = unix.Munmap(m)
			}
			return err
		},
	} {
		for _, fd := range []int{fd, int(again.Fd())} {
			if err := try(fd); !errors.Is(err, unix.EPERM) {
				t.Errorf("%s: %v, want EPERM", name, err)
			}
		}
	}
}

// TestImageRefusesBadPlan: a plan that Encode refuses is not started.
func TestImageRefusesBadPlan(t *testing.T) {
	before := descriptors(t)
	b := plan.NewBuilder(3)
	b.Add(plan.Op{Name: "comes back"}, plan.Getppid)
	if proc, err := Start(b.Plan(), Attr{}); err == nil || proc != nil {
		t.Fatalf("a plan without an end started: %v", err)
	}
	sameDescriptors(t, before)
}

// TestImageLarge: a plan of many pages is read back unchanged, and its last byte is accessible.
func TestImageLarge(t *testing.T) {
	b := plan.NewBuilder(3)
	big := make([]byte, 3<<20)
	for i := range big {
		big[i] = byte(i * 7)
	}
	b.Bytes(big)
	for range 1000 {
		b.Add(plan.Op{Name: "step"}, plan.Getppid)
	}
	b.Add(plan.Op{Name: "write the last"}, plan.Write, plan.Int(1), b.Str("end"), plan.Int(3))
	end(b, 0)
	p := b.Plan()
	image, err := Image(p)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(data))
	if _, err := image.ReadAt(got, align); err != nil || string(got) != string(data) {
		t.Fatalf("the image's data differ, %v", err)
	}
	if n, err := image.ReadAt(got[:1], int64(align+len(data))); n != 0 || err != io.EOF {
		t.Errorf("the image continues after the data")
	}
	pipes := newPipes(t, "")
	proc, err := Start(p, Attr{Files: []int{Closed, int(pipes.stdout.Fd()), 2}})
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	if out := pipes.read(t); out != "end" {
		t.Errorf("wrote %q", out)
	}
	if status, err := proc.Wait(); err != nil || status != 0 {
		t.Error(status, err)
	}
}
