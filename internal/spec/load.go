// Package spec reads config.json, the description of a container (OCI Runtime
// Specification, config.md and config-linux.md).
//
//	bytes ──strictjson──▶ *specs.Spec of the right types ──validateSpec──▶ right values
//
// The types are those of specs-go, unchanged. Everything that the rest of minirun
// receives was checked as far as possible without looking at the host, so that an
// error comes before the first system call and names the JSON path. No function in
// this package has a side effect.
//
//	load.go          reading, and the order of the checks
//	strictjson       JSON → structs: syntax, types, duplicate, required and unknown fields
//	validate*.go     the values, one file per part of the document
//	keywords.go      keywords of config.json → numbers of the kernel
//	mountoptions.go  the same for mounts[].options
//	lists.go         lists of CPUs and memory nodes
//	documents.go     the process of exec, and minirun's own records
//	default.go       the document of `minirun spec`
package spec

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec/strictjson"
)

// MaxSize limits a document, in bytes. Large ones exist (thousands of mounts make
// about 1 MiB); the limit protects against a file that never ends.
const MaxSize = 16 << 20

// Load reads and validates config.json in the directory bundle. Warnings are
// returned with an error too.
func Load(bundle string) (*specs.Spec, []Warning, error) {
	data, err := readDocument(filepath.Join(bundle, "config.json"), "config.json", true)
	if err != nil {
		return nil, nil, err
	}
	return Parse(data)
}

// LoadProcess reads and validates the process document of `exec --process`: the value
// of process in config.json, in a separate file or from a pipe.
func LoadProcess(path string) (*specs.Process, []Warning, error) {
	data, err := readDocument(path, path, false)
	if err != nil {
		return nil, nil, err
	}
	return parseProcess(data, path)
}

// readDocument reads a file of limited size. If it must be a regular file, opening
// does not block on a FIFO, which would otherwise wait forever for a writer.
func readDocument(path, name string, regular bool) ([]byte, error) {
	f, err := openBlocking(path, regular)
	if err != nil {
		return nil, &Error{File: name, Err: err}
	}
	defer f.Close()
	return readOpen(f, path, name, regular)
}

func readOpen(f *os.File, path, name string, regular bool) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, &Error{File: name, Err: err}
	}
	if regular && !st.Mode().IsRegular() {
		return nil, &Error{File: name, Want: path + ": must be a regular file, is a " + kindOf(st.Mode())}
	}
	if st.Size() > MaxSize {
		return nil, tooLarge(name)
	}
	data := make([]byte, 0, st.Size()+1) // one more, to detect the end without growing
	for len(data) <= MaxSize {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, &Error{File: name, Err: err}
		}
	}
	return nil, tooLarge(name)
}

// openBlocking is os.Open without the runtime's poller, which would be set up for
// this one file.
func openBlocking(path string, regular bool) (*os.File, error) {
	flags := unix.O_RDONLY | unix.O_CLOEXEC
	if regular {
		flags |= unix.O_NONBLOCK
	}
	fd, err := unix.Open(path, flags, 0)
	if err == nil && regular {
		if err = unix.SetNonblock(fd, false); err != nil {
			_ = unix.Close(fd)
		}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func tooLarge(name string) error {
	return &Error{File: name, Want: "must not be larger than " + strconv.Itoa(MaxSize) + " bytes"}
}

func kindOf(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&os.ModeNamedPipe != 0:
		return "FIFO"
	case m&os.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// Parse decodes and validates config.json.
func Parse(data []byte) (*specs.Spec, []Warning, error) {
	p := newProblems("")
	s := new(specs.Spec)
	if strictjson.Decode(&p.Problems, data, s) {
		validateSpec(p, s)
	}
	if err := p.Err(); err != nil {
		return nil, p.Warnings, err
	}
	return s, p.Warnings, nil
}

// parseProcess decodes and validates a process document.
func parseProcess(data []byte, name string) (*specs.Process, []Warning, error) {
	p := newProblems(name)
	proc := new(specs.Process)
	if strictjson.Decode(&p.Problems, data, proc) {
		validateProcess(p, "", proc)
	}
	if err := p.Err(); err != nil {
		return nil, p.Warnings, err
	}
	return proc, p.Warnings, nil
}

// ParseResources decodes and validates the resources of `update --resources`: the
// value of linux.resources in config.json, with only the values to change. Errors call
// the document by name.
func ParseResources(data []byte, name string) (*specs.LinuxResources, []Warning, error) {
	p := newPartialProblems(name)
	r := new(specs.LinuxResources)
	if strictjson.Decode(&p.Problems, data, r) {
		validateResources(p, "", r)
	}
	if err := p.Err(); err != nil {
		return nil, p.Warnings, err
	}
	return r, p.Warnings, nil
}

// ValidateResources checks resources for an update that do not come from a document,
// such as those of command-line flags; name is what errors call them.
func ValidateResources(r *specs.LinuxResources, name string) error {
	p := newPartialProblems(name)
	validateResources(p, "", r)
	return p.Err()
}

// LoadResources reads such a document from a file, or from standard input if path
// is "-".
func LoadResources(path string) (*specs.LinuxResources, []Warning, error) {
	if path == "-" {
		const name = "standard input" // not opened by name: it may be a socket
		data, err := readOpen(os.Stdin, name, name, false)
		if err != nil {
			return nil, nil, err
		}
		return ParseResources(data, name)
	}
	data, err := readDocument(path, path, false)
	if err != nil {
		return nil, nil, err
	}
	return ParseResources(data, path)
}
