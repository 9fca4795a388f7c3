//go:build ignore

// This program writes tables_gen.go: the system call numbers of every architecture
// a profile can name. It reads two sources and demands that they agree:
//
//   - the kernel's own *.tbl files and headers, from Debian's package linux-source
//     (all architectures, as old as the package);
//   - the zsysnum files of golang.org/x/sys/unix (fewer architectures, but made
//     from a newer kernel).
//
// Since Linux 5.1 a new call has the same number everywhere (arch/*/syscall.tbl
// say so), so calls that only the second source knows are given to the
// architectures that it lacks. How to run it:
//
//	apt-get download linux-source-6.12
//	dpkg-deb --fsys-tarfile linux-source-6.12*.deb | tar -xO --wildcards '*.tar.xz' | tar -xJ -C DIR
//	go run gen/tables.go -linux DIR/linux-source-6.12
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// unified is the first number that means the same call on every architecture.
const unified = 424

type arch struct {
	ident string   // suffix of the Go variable
	tbl   string   // file below the kernel tree
	abis  []string // values of its second column that count
	base  int      // added to the numbers of the file
	xsys  string   // GOARCH of the x/sys file, or ""
}

var archs = []arch{
	{"X86", "arch/x86/entry/syscalls/syscall_32.tbl", []string{"i386"}, 0, "386"},
	{"X86_64", "arch/x86/entry/syscalls/syscall_64.tbl", []string{"common", "64"}, 0, "amd64"},
	{"X32", "arch/x86/entry/syscalls/syscall_64.tbl", []string{"common", "x32"}, 0x40000000, ""},
	{"ARM", "arch/arm/tools/syscall.tbl", []string{"common"}, 0, "arm"},
	{"AARCH64", "arch/arm64/tools/syscall_64.tbl", []string{"common", "64", "renameat", "rlimit", "memfd_secret"}, 0, "arm64"},
	{"MIPS", "arch/mips/kernel/syscalls/syscall_o32.tbl", []string{"o32"}, 4000, "mips"},
	{"MIPS64", "arch/mips/kernel/syscalls/syscall_n64.tbl", []string{"common", "n64"}, 5000, "mips64"},
	{"MIPS64N32", "arch/mips/kernel/syscalls/syscall_n32.tbl", []string{"n32"}, 6000, ""},
	{"PPC", "arch/powerpc/kernel/syscalls/syscall.tbl", []string{"common", "nospu", "32"}, 0, "ppc"},
	{"PPC64", "arch/powerpc/kernel/syscalls/syscall.tbl", []string{"common", "nospu", "64"}, 0, "ppc64"},
	{"S390", "arch/s390/kernel/syscalls/syscall.tbl", []string{"common", "32"}, 0, ""},
	{"S390X", "arch/s390/kernel/syscalls/syscall.tbl", []string{"common", "64"}, 0, "s390x"},
	{"PARISC", "arch/parisc/kernel/syscalls/syscall.tbl", []string{"common", "32"}, 0, ""},
	{"PARISC64", "arch/parisc/kernel/syscalls/syscall.tbl", []string{"common", "64"}, 0, ""},
	{"RISCV64", "scripts/syscall.tbl", []string{"common", "64", "riscv", "rlimit", "memfd_secret"}, 0, "riscv64"},
	{"LOONGARCH64", "scripts/syscall.tbl", []string{"common", "64"}, 0, "loong64"},
	{"M68K", "arch/m68k/kernel/syscalls/syscall.tbl", []string{"common"}, 0, ""},
	{"SH", "arch/sh/kernel/syscalls/syscall.tbl", []string{"common"}, 0, ""},
}

// armPrivate are the calls of arch/arm/include/uapi/asm/unistd.h: they are
// handled before the table is looked at, so the .tbl file does not list them.
var armPrivate = map[string]int{
	"breakpoint": 0x0f0001, "cacheflush": 0x0f0002, "usr26": 0x0f0003,
	"usr32": 0x0f0004, "set_tls": 0x0f0005, "get_tls": 0x0f0006,
}

func main() {
	log.SetFlags(0)
	linux := flag.String("linux", "", "kernel source tree")
	out := flag.String("o", "tables_gen.go", "file to write")
	flag.Parse()
	if *linux == "" {
		log.Fatal("tables: -linux DIR is needed")
	}
	sys := moduleDir("golang.org/x/sys")

	tables := make([]map[string]int, len(archs))
	for i, a := range archs {
		tables[i] = readTbl(filepath.Join(*linux, a.tbl), a)
		if a.ident == "ARM" {
			for name, nr := range armPrivate {
				tables[i][name] = nr
			}
		}
	}
	newer := readZsysnum(sys, "amd64")
	for i, a := range archs {
		if a.xsys != "" {
			merge(a, tables[i], readZsysnum(sys, a.xsys))
			continue
		}
		newest := 0 // the last unified call this kernel tree knows
		for _, nr := range tables[i] {
			if nr-a.base < 4096 {
				newest = max(newest, nr-a.base)
			}
		}
		for name, nr := range newer {
			if nr > newest && nr >= unified {
				tables[i][name] = nr + a.base
			}
		}
	}
	src, err := format.Source(render(tables))
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, src, 0o644); err != nil {
		log.Fatal(err)
	}
}

// merge adds what x/sys knows and the kernel tree does not, and stops when both
// give a name different numbers: then one of the two was misread.
func merge(a arch, table, more map[string]int) {
	for name, nr := range more {
		if old, ok := table[name]; ok && old != nr {
			log.Fatalf("%s: %s is %d in %s and %d in x/sys", a.ident, name, old, a.tbl, nr)
		}
		if _, ok := table[name]; !ok {
			log.Printf("%s: %s %d only in x/sys", a.ident, name, nr)
		}
		table[name] = nr
	}
}

var unusedName = regexp.MustCompile(`^(arch_specific_syscall|syscall_mask|reserved|unused)\d*$`)

func readTbl(file string, a arch) map[string]int {
	f, err := os.Open(file)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	table := map[string]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		field := strings.Fields(line)
		if len(field) < 3 || !slices.Contains(a.abis, field[1]) || unusedName.MatchString(field[2]) {
			continue
		}
		nr, err := strconv.Atoi(field[0])
		if err != nil {
			log.Fatalf("%s: %v", file, err)
		}
		table[field[2]] = nr + a.base
	}
	if len(table) < 250 {
		log.Fatalf("%s: only %d calls for %v", file, len(table), a.abis)
	}
	return table
}

var zsysnumLine = regexp.MustCompile(`^\s+SYS_(\w+)\s+= (\d+)$`)

func readZsysnum(dir, goarch string) map[string]int {
	b, err := os.ReadFile(filepath.Join(dir, "unix", "zsysnum_linux_"+goarch+".go"))
	if err != nil {
		log.Fatal(err)
	}
	table := map[string]int{}
	for _, line := range strings.Split(string(b), "\n") {
		if m := zsysnumLine.FindStringSubmatch(line); m != nil {
			name := strings.ToLower(m[1])
			if nr, _ := strconv.Atoi(m[2]); !unusedName.MatchString(name) {
				table[name] = nr
			}
		}
	}
	if len(table) < 250 {
		log.Fatalf("x/sys %s: only %d calls", goarch, len(table))
	}
	return table
}

func moduleDir(path string) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		log.Fatalf("go list -m %s: %v", path, err)
	}
	return strings.TrimSpace(string(out))
}

func render(tables []map[string]int) []byte {
	id := map[string]int{}
	for _, t := range tables {
		for name := range t {
			id[name] = 0
		}
	}
	names := make([]string, 0, len(id))
	for name := range id {
		names = append(names, name)
	}
	sort.Strings(names)

	var b bytes.Buffer
	b.WriteString("// Code generated by gen/tables.go; DO NOT EDIT.\n\npackage seccomp\n\n")
	fmt.Fprintf(&b, "// callNames holds the names of all system calls, sorted, one after the other.\nconst callNames = \"\" +\n")
	for i, name := range names {
		id[name] = i
		plus := " +"
		if i == len(names)-1 {
			plus = ""
		}
		fmt.Fprintf(&b, "\t%q%s\n", name, plus)
	}
	fmt.Fprintf(&b, "\n// callEnds[i] is where name i ends in callNames.\nvar callEnds = [...]uint16{")
	end := 0
	for i, name := range names {
		if end += len(name); end > 0xffff {
			log.Fatal("names do not fit 16-bit offsets")
		}
		newline(&b, i, 16)
		fmt.Fprintf(&b, "%d,", end)
	}
	b.WriteString("\n}\n")
	fmt.Fprintf(&b, "\nconst (\nidSocketcall = %d\nidIPC = %d\n)\n", id["socketcall"], id["ipc"])
	for i, a := range archs {
		fmt.Fprintf(&b, "\n// calls%s gives the number of each name in callNames, or -1.\nvar calls%s = [len(callEnds)]int32{", a.ident, a.ident)
		for j, name := range names {
			nr, ok := tables[i][name]
			if !ok {
				nr = -1
			}
			newline(&b, j, 16)
			fmt.Fprintf(&b, "%d,", nr)
		}
		b.WriteString("\n}\n")
	}
	return b.Bytes()
}

func newline(b *bytes.Buffer, i, per int) {
	if i%per == 0 {
		b.WriteString("\n\t")
	}
}
