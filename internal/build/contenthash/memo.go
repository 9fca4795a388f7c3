package contenthash

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Memo caches the digests of files, keyed by their stat(2) data. Every change to a file
// updates its ctime, which user programs cannot set.
type Memo struct {
	path    string
	mutex   sync.Mutex
	known   map[memoKey]memoValue
	changed bool
}

// memoKey identifies an unchanged file.
type memoKey struct {
	Dev, Ino     uint64
	Size         int64
	Mtime, Ctime int64 // nanoseconds
}

type memoValue struct {
	Digest [sha256.Size]byte
	Used   int64 // days since 1970
}

type memoEntry struct {
	Key   memoKey
	Value memoValue
}

const (
	memoMagic      = "minirun memo 1\n"
	maxMemoEntries = 1 << 20
	memoDays       = 30
	granularity    = 20 * time.Millisecond // of file system clocks: changes this close may get the same time
)

func today() int64 { return time.Now().Unix() / 86400 }

// OpenMemo reads a memo. A missing or damaged one is treated as empty.
func OpenMemo(path string) (*Memo, error) {
	m := &Memo{path: path, known: map[memoKey]memoValue{}}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	sum := crc32.NewIEEE()
	r := bufio.NewReaderSize(f, 256<<10)
	magic := make([]byte, len(memoMagic))
	var n uint32
	in := io.TeeReader(r, sum)
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != memoMagic ||
		binary.Read(in, binary.LittleEndian, &n) != nil ||
		n > maxMemoEntries {
		return m, nil
	}
	entries := make([]memoEntry, n)
	if binary.Read(in, binary.LittleEndian, entries) != nil {
		return m, nil
	}
	want := sum.Sum32()
	var got uint32
	if binary.Read(r, binary.LittleEndian, &got) != nil || got != want {
		return m, nil
	}
	for _, e := range entries {
		if today()-e.Value.Used <= memoDays {
			m.known[e.Key] = e.Value
		}
	}
	return m, nil
}

// Close writes the memo if it has new entries.
func (m *Memo) Close() error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if !m.changed {
		return nil
	}
	temporary := m.path + "." + strconv.Itoa(os.Getpid())
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = m.write(f)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temporary, m.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

func (m *Memo) write(f *os.File) error {
	entries := make([]memoEntry, 0, len(m.known))
	for k, v := range m.known {
		if len(entries) < maxMemoEntries {
			entries = append(entries, memoEntry{k, v})
		}
	}
	w := bufio.NewWriterSize(f, 256<<10)
	sum := crc32.NewIEEE()
	out := io.MultiWriter(w, sum)
	_, err := io.WriteString(out, memoMagic)
	for _, part := range []any{uint32(len(entries)), entries} {
		if err == nil {
			err = binary.Write(out, binary.LittleEndian, part)
		}
	}
	if err == nil {
		err = binary.Write(w, binary.LittleEndian, sum.Sum32())
	}
	return errors.Join(err, w.Flush())
}

func memoKeyOf(st *unix.Stat_t, device uint64) memoKey {
	if device == 0 {
		device = st.Dev
	}
	return memoKey{device, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

// find returns the digest of a file with this stat(2) data.
func (m *Memo) find(k memoKey) ([sha256.Size]byte, bool) {
	if m == nil {
		return [sha256.Size]byte{}, false
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	v, ok := m.known[k]
	if ok && v.Used != today() {
		v.Used, m.changed = today(), true
		m.known[k] = v
	}
	return v.Digest, ok
}

// record stores a digest whose read started at begun. It skips a file that changed so recently
// that another change might not be visible in its ctime.
func (m *Memo) record(k memoKey, d [sha256.Size]byte, begun time.Time) {
	if m == nil {
		return
	}
	if max(k.Ctime, k.Mtime) > begun.Add(-granularity).UnixNano() {
		return
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.known[k], m.changed = memoValue{d, today()}, true
}
