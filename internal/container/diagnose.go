package container

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/regularfile"
)

// execHint looks for the cause of a failed execve: the errno says that something is
// missing, but not what.
func (c *child) execHint(errno unix.Errno) string {
	args, env := c.spec.Process.Args, c.spec.Process.Env
	candidates := process.Candidates(args[0], env)
	searched := !strings.Contains(args[0], "/")
	if errno == unix.EISDIR {
		return "" // that is the cause
	}
	if len(candidates) == 0 {
		return fmt.Sprintf("executable file not found: process.env has no PATH in which to look for %q: add PATH, or give a path with a slash", args[0])
	}
	for _, p := range candidates {
		fd := c.look(p)
		if fd < 0 {
			continue
		}
		defer func() { _ = unix.Close(fd) }()
		if searched && isDirectory(fd) {
			continue // only programs are looked up in PATH
		}
		return c.fileHint(fd, p, errno)
	}
	switch {
	case !c.rootsMounted && len(c.spec.Mounts) > 0:
		return "" // it may be in a mount
	case searched:
		return fmt.Sprintf("executable file not found in $PATH: %q is in none of its %d directories", args[0], len(candidates))
	case errno == unix.ENOENT:
		return "there is no such file in the container"
	}
	return ""
}

// look opens a path of the container from outside, with O_PATH: in root.path, or in
// the topmost layer that has it. Mounts are visible if rootsMounted. If there is no
// such file it returns -1.
func (c *child) look(path string) int {
	for _, root := range c.roots {
		dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if !strings.HasPrefix(path, "/") {
			path = c.spec.Process.Cwd + "/" + path
		}
		fd, err := regularfile.OpenPathIn(dir, strings.TrimLeft(path, "/"), 0, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
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

// isNoexec reports whether a file is on a mount that does not allow execution
// (mount(8), noexec).
func isNoexec(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}

func (c *child) exists(path string) bool {
	fd := c.look(path)
	if fd < 0 {
		return false
	}
	_ = unix.Close(fd)
	return true
}

func (c *child) fileHint(fd int, path string, errno unix.Errno) string {
	f, err := regularfile.Reopen(fd, path)
	switch {
	case errno == unix.EACCES && isNoexec(fd):
		return fmt.Sprintf("%s is on a mount with the option noexec", path)
	case errors.Is(err, unix.EISDIR):
		return fmt.Sprintf("%s is a directory", path)
	case errors.Is(err, regularfile.ErrNotRegular):
		return fmt.Sprintf("%s is a device, a FIFO or a socket", path)
	case err != nil:
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	if errno == unix.EACCES && info.Mode()&0o111 == 0 {
		return fmt.Sprintf("%s has mode %04o, without execute permission: chmod +x", path, info.Mode().Perm())
	}
	head := make([]byte, 256)
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	if bytes.HasPrefix(head, []byte("#!")) {
		return c.scriptHint(path, head)
	}
	if bytes.HasPrefix(head, []byte("\x7fELF")) {
		return c.elfHint(f, path, errno)
	}
	if errno == unix.ENOEXEC {
		return fmt.Sprintf("%s is neither an ELF file nor a script that begins with #!", path)
	}
	return ""
}

func (c *child) scriptHint(path string, head []byte) string {
	line, _, _ := bytes.Cut(head[2:], []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return fmt.Sprintf("the file exists, but its first line ends in a carriage return (Windows line endings), so the kernel looks for the interpreter %q: convert it, e.g. with dos2unix", strings.TrimSpace(string(line[:len(line)-1]))+"\r")
	}
	fields := strings.Fields(string(line))
	if len(fields) > 0 && !c.exists(fields[0]) {
		return fmt.Sprintf("the file exists, but its interpreter %s does not", fields[0])
	}
	return ""
}

// elfHint reads the few fields of elf(5) that explain why execve failed. Package
// debug/elf would do it with decompressors that every start of minirun would load.
func (c *child) elfHint(f *os.File, path string, errno unix.Errno) string {
	head := make([]byte, 64)
	if _, err := f.ReadAt(head, 0); err != nil || head[4] != 2 || head[5] != 1 {
		return fmt.Sprintf("%s is not a 64-bit little-endian ELF file", path)
	}
	le := binary.LittleEndian
	if errno == unix.ENOEXEC {
		return fmt.Sprintf("%s is for another machine: %s", path, machineName(le.Uint16(head[18:])))
	}
	const interp, entrySize = 3, 56
	table, count := int64(le.Uint64(head[32:])), int(le.Uint16(head[56:]))
	for i := range min(count, 64) {
		entry := make([]byte, entrySize)
		if _, err := f.ReadAt(entry, table+int64(i*entrySize)); err != nil {
			return fmt.Sprintf("%s is a damaged ELF file: %v", path, err)
		}
		size := le.Uint64(entry[32:])
		if le.Uint32(entry) != interp || size > unix.PathMax {
			continue
		}
		name := make([]byte, size)
		if _, err := f.ReadAt(name, int64(le.Uint64(entry[8:]))); err != nil {
			return fmt.Sprintf("%s is a damaged ELF file: %v", path, err)
		}
		interpreter := string(bytes.TrimRight(name, "\x00"))
		if !c.exists(interpreter) {
			return fmt.Sprintf("the file exists, but its ELF interpreter %s does not", interpreter)
		}
	}
	return ""
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
