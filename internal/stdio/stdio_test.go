package stdio

import (
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

func pipe(t *testing.T, flags int) (read, write Descriptor) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|flags); err != nil {
		t.Fatal(err)
	}
	return Descriptor(fds[0]), Descriptor(fds[1])
}

// TestReadAndWrite: if another process has made the descriptors non-blocking, reads and writes wait
// for them.
func TestReadAndWrite(t *testing.T) {
	for _, flags := range []int{0, unix.O_NONBLOCK} {
		read, write := pipe(t, flags)
		const size = 300 << 10 // more than a pipe holds
		go func() {
			if n, err := write.Write(make([]byte, size)); n != size || err != nil {
				t.Errorf("wrote %d bytes, %v", n, err)
			}
			_ = unix.Close(int(write))
		}()
		got, err := io.Copy(io.Discard, read)
		if got != size || err != nil {
			t.Errorf("read %d bytes, %v", got, err)
		}
		_ = unix.Close(int(read))
	}
}

// TestBrokenPipe: a broken pipe is an error also on standard output, where an os.File would kill
// the program.
func TestBrokenPipe(t *testing.T) {
	read, write := pipe(t, 0)
	_ = unix.Close(int(read))
	saved, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(int(write), 1, 0); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(int(write))
	_, err = Out.Write([]byte("x"))
	_ = unix.Dup3(saved, 1, 0)
	_ = unix.Close(saved)
	if !errors.Is(err, unix.EPIPE) {
		t.Errorf("the error is %v, want EPIPE", err)
	}
}
