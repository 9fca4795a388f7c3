package bootstrap

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"reflect"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// The result of a system call is any 64-bit number; -4095 to -1 are errors. A seccomp listener can
// return any of them, so a parent can test edge cases: numbers that look like an error, or like
// zero, in their low half.

// struct seccomp_notif and seccomp_notif_resp of seccomp_unotify(2).
type (
	notification struct {
		id         uint64
		pid, flags uint32
		data       [64]byte
	}
	answer struct {
		id    uint64
		val   int64
		error int32
		flags uint32
	}
)

// umaskFilter sends every umask(2) to the listener.
func umaskFilter() []byte {
	var out []byte
	for _, f := range []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: unix.SYS_UMASK},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	} {
		out = binary.LittleEndian.AppendUint16(out, f.Code)
		out = append(out, f.Jt, f.Jf)
		out = binary.LittleEndian.AppendUint32(out, f.K)
	}
	return out
}

// resultsPlan calls umask repeatedly, and after each call reports which branch it took (N, Z, 1 or
// 9 for errno 1 and 4095) and what was stored. Errno 2 stops it.
func resultsPlan() *plan.Plan {
	b := plan.NewBuilder(3)
	filter := b.Bytes(umaskFilter())
	prog := b.Words(uint64(len(umaskFilter())/8), filter.Value) // struct sock_fprog
	m, gone, stored := b.Message(1, "listener"), b.Label(), b.Cell("result")
	b.Add(plan.Op{Name: "no new privileges"},
		plan.Prctl, plan.Int(unix.PR_SET_NO_NEW_PRIVS), plan.Int(1), plan.Int(0), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "listen", Out: m.A},
		plan.Seccomp, plan.Int(unix.SECCOMP_SET_MODE_FILTER), plan.Int(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER), prog)
	b.Tell("tell", "", m)
	b.Await("await", "", b.Room(8), 8, gone)
	again, next, zero, one, most, show := b.Here(), b.Label(), b.Label(), b.Label(), b.Label(), b.Label()
	b.Add(plan.Op{
		Name: "umask",
		Out:  stored,
		Then: plan.Then{Next: next, Zero: zero, On: []plan.On{{Errno: 1, To: one}, {Errno: 4095, To: most}}},
	}, plan.Umask, plan.Int(0))
	for _, way := range []struct {
		label plan.Label
		name  string
	}{{next, "N"}, {zero, "Z"}, {one, "1"}, {most, "9"}} {
		b.Place(way.label)
		b.Add(plan.Op{Name: "say " + way.name, Then: plan.Then{Next: show}},
			plan.Write, plan.Int(1), b.Str(way.name), plan.Int(1))
	}
	b.Place(show)
	b.Add(plan.Op{Name: "show", Then: plan.Then{Next: again}},
		plan.Write, plan.Int(1), cellAddress(stored), plan.Int(8))
	b.Place(gone)
	end(b, 9)
	return b.Plan()
}

func TestBranchOnEachResult(t *testing.T) {
	type result struct {
		way  string
		cell int64
	}
	list := []struct {
		answer answer
		want   result
	}{
		{answer{val: 1}, result{"N", 1}},
		{answer{val: 0}, result{"Z", 0}},
		{answer{val: 1 << 32}, result{"N", 1 << 32}}, // zero in the low half
		{answer{val: math.MaxInt64}, result{"N", math.MaxInt64}},
		{answer{val: math.MinInt64}, result{"N", math.MinInt64}},
		{answer{val: 0xffffffff}, result{"N", 0xffffffff}}, // -1 in the low half
		{answer{val: 0xfffff001}, result{"N", 0xfffff001}},
		{answer{val: -4096}, result{"N", -4096}},
		{answer{val: -4097}, result{"N", -4097}},
		{answer{error: -4095}, result{"9", -4095}},
		{answer{error: -1}, result{"1", -1}},
		{answer{val: 2}, result{"N", 2}},
	}
	pipes := newPipes(t, "")
	proc := run(t, resultsPlan(), Attr{Files: []int{int(pipes.stdin.Fd()), int(pipes.stdout.Fd()), 2}})
	m, err := proc.Receive()
	if err != nil {
		t.Skipf("no seccomp listener here: %v", err)
	}
	listener, err := proc.Descriptor(int(m.A), "listener")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	reply(t, proc)
	var want bytes.Buffer
	for _, c := range list {
		respond(t, listener, c.answer)
		want.WriteString(c.want.way)
		_ = binary.Write(&want, binary.LittleEndian, c.want.cell)
	}
	respond(t, listener, answer{error: -int32(unix.ENOENT)})
	got := pipes.read(t)
	if got != want.String() {
		for i := 0; i+9 <= len(got) && i/9 < len(list); i += 9 {
			r := result{got[i : i+1], int64(binary.LittleEndian.Uint64([]byte(got[i+1 : i+9])))}
			if !reflect.DeepEqual(r, list[i/9].want) {
				t.Errorf("answer %+v: %+v, want %+v", list[i/9].answer, r, list[i/9].want)
			}
		}
		t.Errorf("wrote %d bytes, want %d", len(got), want.Len())
	}
	if _, err := proc.Receive(); !reflect.DeepEqual(err, error(failing(4, unix.ENOENT))) {
		t.Errorf("report %v, want step 4: ENOENT", err)
	}
	exits(t, proc, 1)
}

// respond answers the next umask call of the process.
func respond(t *testing.T, listener *os.File, a answer) {
	t.Helper()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(listener.Fd()), Events: unix.POLLIN}}, 10_000); n != 1 ||
		err != nil {
		t.Fatalf("no call to answer: %v", err)
	}
	var n notification
	ioctl(t, listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n))
	a.id = n.id
	ioctl(t, listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
}

func ioctl(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		t.Fatalf("ioctl %#x: %v", request, errno)
	}
}
