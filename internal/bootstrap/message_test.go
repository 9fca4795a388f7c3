package bootstrap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

func words32(words ...uint32) []byte {
	var out []byte
	for _, w := range words {
		out = binary.LittleEndian.AppendUint32(out, w)
	}
	return out
}

// malformed contains messages that no plan sends, for a plan of 5 steps.
var malformed = map[string][]byte{
	"one byte":             {1},
	"half a word":          {1, 0},
	"kind only":            words32(plan.MessageFailed),
	"short report":         words32(plan.MessageFailed, 0, 2),
	"long report":          words32(plan.MessageFailed, 0, 2, 0, 0),
	"report of 24 bytes":   words32(plan.MessageFailed, 0, 2, 0, 0, 0),
	"report with an end":   words32(plan.MessageFailed, 0, 2, 1),
	"step behind the last": words32(plan.MessageFailed, 5, 2, 0),
	"step -1":              words32(plan.MessageFailed, 0xffffffff, 2, 0),
	"errno 0":              words32(plan.MessageFailed, 0, 0, 0),
	"errno 4096":           words32(plan.MessageFailed, 0, 4096, 0),
	"kind 0":               words32(0, 0, 0, 0, 0, 0),
	"kind 3":               words32(3, 0, 0, 0, 0, 0),
	"point of 16 bytes":    words32(plan.MessagePoint, 1, 0, 0),
	"point of 20 bytes":    words32(plan.MessagePoint, 1, 0, 0, 0),
	"point of 25 bytes":    append(words32(plan.MessagePoint, 1, 0, 0, 0, 0), 0),
	"point of 28 bytes":    words32(plan.MessagePoint, 1, 0, 0, 0, 0, 0),
	"times as a point":     words32(plan.MessagePoint, uint32(Stamped), 0, 0, 0, 0),
	"point of 4 KiB":       append(words32(plan.MessagePoint, 1), make([]byte, 4088)...),
}

// TestReceiveMalformed sends these messages over a socket. One that is too long must not be
// truncated to a valid one.
func TestReceiveMalformed(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	proc := &Process{sync: os.NewFile(uintptr(pair[0]), "sync"), steps: 5}
	defer proc.Close() // PidFD is nil
	for name, b := range malformed {
		if _, err := unix.Write(pair[1], b); err != nil {
			t.Fatal(err)
		}
		m, err := proc.Receive()
		var failed *ErrFailed
		if err == nil || errors.As(err, &failed) || errors.Is(err, io.EOF) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	if _, err := unix.Write(pair[1], words32(plan.MessageFailed, 4, 4095, 0)); err != nil {
		t.Fatal(err)
	}
	var failed *ErrFailed
	if _, err := proc.Receive(); !errors.As(err, &failed) || *failed != (ErrFailed{4, 4095}) {
		t.Errorf("a valid report after them: %v", err)
	}
	unix.Close(pair[1])
	if _, err := proc.Receive(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// FuzzParse: the accepted messages are exactly those that the loop or a plan would write.
func FuzzParse(f *testing.F) {
	for _, b := range malformed {
		f.Add(b, 5)
	}
	f.Add(words32(plan.MessageFailed, 4, 2, 0), 5)
	f.Add(words32(plan.MessagePoint, 7, 1, 2, 3, 4), 5)
	f.Fuzz(func(t *testing.T, b []byte, steps int) {
		steps &= 0xffff
		m, err := parseMessage(b, steps)
		var failed *ErrFailed
		var want []byte
		switch {
		case errors.As(err, &failed):
			if failed.Step < 0 || failed.Step >= steps || failed.Errno == 0 {
				t.Fatalf("%+v of %d steps", failed, steps)
			}
			want = words32(plan.MessageFailed, uint32(failed.Step), uint32(failed.Errno), 0)
		case err == nil:
			want = words32(plan.MessagePoint, m.Point, uint32(m.A), uint32(m.A>>32), uint32(m.B), uint32(m.B>>32))
		case !reflect.DeepEqual(m, Message{}) || !strings.Contains(err.Error(), "malformed"):
			t.Fatalf("%+v, %v", m, err)
		default:
			return
		}
		if !bytes.Equal(b, want) {
			t.Fatalf("%x passes as %x", b, want)
		}
	})
}

func TestErrFailed(t *testing.T) {
	err := error(&ErrFailed{3, unix.ENOENT})
	if err.Error() != "step 3: no such file or directory" || !errors.Is(err, unix.ENOENT) ||
		errors.Is(err, unix.EPERM) {
		t.Errorf("%v", err)
	}
}
