// Package diagnose explains failures whose errno says too little: a program that cannot
// be executed, a step of a plan that the kernel refused.
package diagnose

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/regularfile"
)

// A Program is a program that could not be executed, and where its files are.
type Program struct {
	Name  string   // args[0]
	Env   []string // with PATH
	Cwd   string
	Roots []string // where the container's files are on the host, topmost first
	// HidesMounts is true if Roots do not show mounts in which the program may be.
	HidesMounts bool
}

// Explain looks for the cause of a failed execve: the errno says that something is
// missing, but not what.
func (p *Program) Explain(errno unix.Errno) Explanation {
	candidates := process.Candidates(p.Name, p.Env)
	searched := !strings.Contains(p.Name, "/")
	if errno == unix.EISDIR {
		return Explanation{} // that is the cause
	}
	if len(candidates) == 0 {
		return Explanation{"executable file not found: process.env has no PATH in which to look for it",
			"add PATH to process.env, or give the program's path with a slash"}
	}
	for _, path := range candidates {
		fd := p.open(path)
		if fd < 0 {
			continue
		}
		defer func() { _ = unix.Close(fd) }()
		if searched && isDirectory(fd) {
			continue // only programs are looked up in PATH
		}
		return p.explainFile(fd, path, errno)
	}
	switch {
	case p.HidesMounts:
		return Explanation{}
	case searched:
		return Explanation{"executable file not found in $PATH", p.searchHint(candidates)}
	case errno == unix.ENOENT:
		return Explanation{"", "the path is one in the container, not on the host"}
	}
	return Explanation{}
}

// searchHint explains why a program is not found in PATH.
func (p *Program) searchHint(candidates []string) string {
	if strings.HasPrefix(p.Name, "-") {
		return p.Name + " is the program here: flags for minirun come before the image or the container"
	}
	var dirs []string
	for _, c := range candidates {
		dirs = append(dirs, path.Dir(c))
	}
	return fmt.Sprintf("%q is in none of the directories of PATH: %s", p.Name, strings.Join(dirs, ":"))
}

// open opens a path of the container from outside, with O_PATH, in the topmost root that
// has it. If there is no such file it returns -1.
func (p *Program) open(path string) int {
	for _, root := range p.Roots {
		dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if !strings.HasPrefix(path, "/") {
			path = p.Cwd + "/" + path
		}
		fd, err := regularfile.OpenPathIn(dir, strings.TrimLeft(path, "/"), 0, inContainer)
		_ = unix.Close(dir)
		if err == nil {
			return fd
		}
	}
	return -1
}

func isDirectory(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// inContainer resolves paths as the container does.
const inContainer = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// isNoexec reports whether a file is on a mount that does not allow execution
// (mount(8), noexec).
func isNoexec(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}

// exists reports whether a path exists in the container.
func (p *Program) exists(path string) bool {
	fd := p.open(path)
	if fd < 0 {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// explainFile explains why a file that exists could not be executed.
func (p *Program) explainFile(fd int, path string, errno unix.Errno) Explanation {
	f, err := regularfile.Reopen(fd, path)
	switch {
	case errno == unix.EACCES && isNoexec(fd):
		return Explanation{"it is on a mount with the option noexec", "omit noexec in the options of that mount"}
	case errors.Is(err, unix.EISDIR):
		return Explanation{"it is a directory", ""}
	case errors.Is(err, regularfile.ErrNotRegular):
		return Explanation{"it is a device, a FIFO or a socket", ""}
	case err != nil:
		return Explanation{}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Explanation{}
	}
	if errno == unix.EACCES && info.Mode()&0o111 == 0 {
		return Explanation{fmt.Sprintf("it has mode %04o, without execute permission", info.Mode().Perm()),
			"make it executable in the root file system: chmod +x " + path}
	}
	head := make([]byte, 256)
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	if bytes.HasPrefix(head, []byte("#!")) {
		return p.explainScript(path, head)
	}
	if bytes.HasPrefix(head, []byte("\x7fELF")) {
		return p.explainELF(f, path, errno)
	}
	if errno == unix.ENOEXEC {
		return Explanation{"it is neither an ELF file nor a script that begins with #!", "add a first line such as #!/bin/sh"}
	}
	return Explanation{}
}

// explainScript checks the interpreter in the first line of a script.
func (p *Program) explainScript(path string, head []byte) Explanation {
	line, _, _ := bytes.Cut(head[2:], []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return Explanation{fmt.Sprintf("its first line ends in a carriage return: no interpreter %q",
			strings.TrimSpace(string(line[:len(line)-1]))+"\r"),
			"the file has Windows line endings; convert it: sed -i 's/\\r$//' FILE"}
	}
	fields := strings.Fields(string(line))
	if len(fields) > 0 && !p.exists(fields[0]) {
		return Explanation{fmt.Sprintf("its interpreter %s does not exist", fields[0]),
			"install it in the root file system, or change the first line of " + path}
	}
	return Explanation{}
}

// explainELF reads the few fields of elf(5) that explain why execve failed. Package
// debug/elf would do it with decompressors that every start of minirun would load.
func (p *Program) explainELF(f *os.File, path string, errno unix.Errno) Explanation {
	head := make([]byte, 64)
	if _, err := f.ReadAt(head, 0); err != nil || head[4] != 2 || head[5] != 1 {
		return Explanation{"it is not a 64-bit little-endian ELF file", ""}
	}
	le := binary.LittleEndian
	if errno == unix.ENOEXEC {
		return Explanation{"it is for another machine: " + machineName(le.Uint16(head[18:])),
			"use a program, or an image, for the architecture of this machine: uname -m"}
	}
	const interp, entrySize = 3, 56
	table, count := int64(le.Uint64(head[32:])), int(le.Uint16(head[56:]))
	for i := range min(count, 64) {
		entry := make([]byte, entrySize)
		if _, err := f.ReadAt(entry, table+int64(i*entrySize)); err != nil {
			return Explanation{fmt.Sprintf("it is a damaged ELF file: %v", err), ""}
		}
		size := le.Uint64(entry[32:])
		if le.Uint32(entry) != interp || size > unix.PathMax {
			continue
		}
		name := make([]byte, size)
		if _, err := f.ReadAt(name, int64(le.Uint64(entry[8:]))); err != nil {
			return Explanation{fmt.Sprintf("it is a damaged ELF file: %v", err), ""}
		}
		interpreter := string(bytes.TrimRight(name, "\x00"))
		if !p.exists(interpreter) {
			return Explanation{fmt.Sprintf("its ELF interpreter %s does not exist", interpreter),
				"it is dynamically linked: add the loader and the libraries that ldd lists, or use a static program"}
		}
	}
	return Explanation{}
}

// machineName returns the names of machines for which container images exist.
func machineName(machine uint16) string {
	switch machine {
	case 3:
		return "x86"
	case 20, 21:
		return "PowerPC"
	case 22:
		return "s390"
	case 40:
		return "arm"
	case 62:
		return "x86-64 (amd64)"
	case 183:
		return "aarch64 (arm64)"
	case 243:
		return "RISC-V"
	case 258:
		return "LoongArch"
	}
	return fmt.Sprintf("ELF machine %d", machine)
}
