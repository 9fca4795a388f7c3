// Package tartest builds tar archives for tests. [Archive] writes well-formed ones; the rest is for fuzz
// tests. A fuzzer that mutates the bytes of an archive nearly always breaks a header's checksum, and then
// only tests the parser. With this package, it mutates the bytes of a list of entries instead. Their
// names and links consist of few words, so that entries interact: a file below a link, or a whiteout of a
// directory in the same layer.
//
//	data ──Entries──▶ entries ──Encode──▶ archive
//	     ◀──Data────
package tartest

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// An Entry is a member of an archive. Its fields are not validated.
type Entry struct {
	Type         byte
	Name, Link   string
	Mode         int64
	UID, GID     int64
	Major, Minor int64
	Xattr        string // name of an extended attribute; "" for none
	Content      string
}

// maxEntries limits an archive. Bugs that need more entries are unlikely.
const maxEntries = 48

// words are the components of names. The empty one makes names absolute, or adds a trailing slash.
var words = []string{
	"", ".", "..", "a", "b", "c", "l", "canary", "etc", "passwd", "proc", "self",
	".wh.a", ".wh.b", ".wh.l", ".wh..wh..opq", ".wh..wh.plnk", ".wh..", ".wh.",
	"index.json", "manifest.json", "oci-layout", "blobs", "sha256", "layer.tar", "Dockerfile", ".dockerignore",
}

var types = []byte{
	tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo, 0, tar.TypeCont,
	tar.TypeXGlobalHeader, tar.TypeXHeader, tar.TypeGNULongName, tar.TypeGNULongLink, tar.TypeGNUSparse, 'V', 'Z',
}

var numbers = []int64{0, 1, 1000, 65534, 0o644, 0o755, 0o4755, 0o1777, -1, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1}

var xattrs = []string{
	"", "user.a", "security.capability", "security.selinux", "trusted.overlay.opaque", "trusted.overlay.redirect",
	"trusted.overlay.metacopy", "user.overlay.opaque", "system.posix_acl_access", "nonsense",
}

// literal introduces a literal component; its length follows.
const literal = 0xff

// Entries decodes entries from data. Any data is valid.
func Entries(data []byte) (out []Entry) {
	r := reader{data}
	for len(r.left) > 0 && len(out) < maxEntries {
		e := Entry{Type: types[r.index(len(types))], Name: r.name(), Mode: r.number(), UID: r.number(), GID: r.number()}
		switch e.Type {
		case tar.TypeSymlink, tar.TypeLink:
			e.Link = r.name()
		case tar.TypeChar, tar.TypeBlock:
			e.Major, e.Minor = r.number(), r.number()
		}
		e.Xattr = xattrs[r.index(len(xattrs))]
		e.Content = r.text()
		out = append(out, e)
	}
	return out
}

type reader struct{ left []byte }

func (r *reader) byte() byte {
	if len(r.left) == 0 {
		return 0
	}
	b := r.left[0]
	r.left = r.left[1:]
	return b
}

func (r *reader) index(n int) int { return int(r.byte()) % n }

func (r *reader) take(n int) []byte {
	n = min(n, len(r.left))
	taken := r.left[:n]
	r.left = r.left[n:]
	return taken
}

func (r *reader) name() string {
	components := make([]string, 1+int(r.byte())%8)
	for i := range components {
		b := r.byte()
		if b == literal {
			components[i] = string(r.take(int(r.byte())))
		} else {
			components[i] = words[int(b)%len(words)]
		}
	}
	return strings.Join(components, "/")
}

func (r *reader) number() int64 {
	b := r.byte()
	if b != literal {
		return numbers[int(b)%len(numbers)]
	}
	var n [8]byte
	copy(n[:], r.take(len(n)))
	return int64(binary.BigEndian.Uint64(n[:]))
}

func (r *reader) text() string {
	length := int(r.byte())<<8 | int(r.byte())
	return string(r.take(length))
}

// Data is the inverse of [Entries], for the seeds of a fuzz test. It panics for an entry that
// cannot be encoded, such as one whose name has more than eight components.
func Data(entries ...Entry) []byte {
	var out []byte
	for _, e := range entries {
		out = append(out, indexIn(types, e.Type))
		out = appendName(out, e.Name)
		out = appendNumbers(out, e.Mode, e.UID, e.GID)
		switch e.Type {
		case tar.TypeSymlink, tar.TypeLink:
			out = appendName(out, e.Link)
		case tar.TypeChar, tar.TypeBlock:
			out = appendNumbers(out, e.Major, e.Minor)
		}
		out = append(out, indexIn(xattrs, e.Xattr), byte(len(e.Content)>>8), byte(len(e.Content)))
		out = append(out, e.Content...)
	}
	if got := Entries(out); !slices.Equal(got, entries) {
		panic(fmt.Sprintf("no data gives %+v, but %+v", entries, got))
	}
	return out
}

func indexIn[T comparable](list []T, x T) byte {
	i := slices.Index(list, x)
	if i < 0 {
		panic(fmt.Sprintf("%v is not one of %v", x, list))
	}
	return byte(i)
}

func appendName(out []byte, name string) []byte {
	components := strings.Split(name, "/")
	out = append(out, byte(len(components)-1))
	for _, c := range components {
		if i := slices.Index(words, c); i >= 0 {
			out = append(out, byte(i))
		} else {
			out = append(append(out, literal, byte(len(c))), c...)
		}
	}
	return out
}

func appendNumbers(out []byte, list ...int64) []byte {
	for _, n := range list {
		if i := slices.Index(numbers, n); i >= 0 {
			out = append(out, byte(i))
		} else {
			out = binary.BigEndian.AppendUint64(append(out, literal), uint64(n))
		}
	}
	return out
}

const block = 512

// Encode writes an archive of the entries. Unlike archive/tar's writer, it also writes malformed
// archives.
func Encode(entries []Entry) []byte {
	var out bytes.Buffer
	for _, e := range entries {
		records := ""
		if len(e.Name) > 100 {
			records += record("path", e.Name)
		}
		if len(e.Link) > 100 {
			records += record("linkpath", e.Link)
		}
		if e.Xattr != "" {
			records += record("SCHILY.xattr."+e.Xattr, "y")
		}
		if records != "" {
			member(&out, Entry{Type: tar.TypeXHeader, Name: "records", Content: records})
		}
		member(&out, e)
	}
	out.Write(make([]byte, 2*block))
	return out.Bytes()
}

// record formats a record of an extended header: its length, which includes its own digits, and the
// keyword and value (pax(1), "pax Extended Header").
func record(key, value string) string {
	rest := " " + key + "=" + value + "\n"
	length := len(rest)
	for length != len(rest)+len(fmt.Sprint(length)) {
		length = len(rest) + len(fmt.Sprint(length))
	}
	return fmt.Sprint(length) + rest
}

// member writes a header and its content (tar(5), "POSIX ustar Archives").
func member(out *bytes.Buffer, e Entry) {
	var h [block]byte
	copy(h[0:100], e.Name)
	putNumber(h[100:108], e.Mode)
	putNumber(h[108:116], e.UID)
	putNumber(h[116:124], e.GID)
	putNumber(h[124:136], int64(len(e.Content)))
	putNumber(h[136:148], 1700000000)
	h[156] = e.Type
	copy(h[157:257], e.Link)
	copy(h[257:265], "ustar\x0000")
	putNumber(h[329:337], e.Major)
	putNumber(h[337:345], e.Minor)
	copy(h[148:156], "        ")
	sum := int64(0)
	for _, b := range h {
		sum += int64(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	out.Write(h[:])
	out.WriteString(e.Content)
	out.Write(make([]byte, (block-len(e.Content)%block)%block))
}

// putNumber writes octal digits, or base 256 if the number does not fit.
func putNumber(field []byte, n int64) {
	digits := len(field) - 1
	if n >= 0 && (3*digits >= 63 || n < 1<<(3*digits)) {
		copy(field, fmt.Sprintf("%0*o\x00", digits, n))
		return
	}
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] |= 0x80
}
