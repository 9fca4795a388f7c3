// oracle_test.go compares the programs with those that libseccomp generates from the same profiles,
// used in the same way as in runc and crun.

package seccomp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var buildOracle = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "oracle")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "oracle")
	out, err := exec.Command("gcc", "-O1", "-Wall", "-o", bin, "testdata/oracle.c", "-lseccomp").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("gcc testdata/oracle.c -lseccomp: %w: %s", err, out)
	}
	return bin, err
})

func oracle(t testing.TB) string {
	t.Helper()
	bin, err := buildOracle()
	if err != nil {
		t.Skipf("no oracle (apt install gcc libseccomp-dev): %v", err)
	}
	t.Cleanup(func() {})
	return bin
}

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child(os.Getenv(childEnv))
	}
	code := m.Run()
	if bin, err := buildOracle(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// oracleToken returns libseccomp's token; x32 has its own.
func oracleToken(a *arch) uint32 {
	if a.name == specs.ArchX32 {
		return 0x4000003e
	}
	return a.audit
}

// unknownToOracle reports whether libseccomp supports an architecture only since 2.6.
func unknownToOracle(a specs.Arch) bool {
	return a == specs.ArchLOONGARCH64 || a == specs.ArchM68K || a == specs.ArchSH || a == specs.ArchSHEB
}

// askOracle returns libseccomp's program and its error messages.
func askOracle(t testing.TB, p *specs.LinuxSeccomp, native specs.Arch) ([]unix.SockFilter, string) {
	t.Helper()
	ops := map[specs.LinuxSeccompOperator]int{specs.OpNotEqual: 1, specs.OpLessThan: 2, specs.OpLessEqual: 3,
		specs.OpEqualTo:      4,
		specs.OpGreaterEqual: 5, specs.OpGreaterThan: 6, specs.OpMaskedEqual: 7}
	var in bytes.Buffer
	def := actionValue(p.DefaultAction, p.DefaultErrnoRet)
	fmt.Fprintf(&in, "init %x\n", def)
	if native != specs.ArchX86_64 {
		fmt.Fprintf(&in, "foreign\narch %x\n", oracleToken(archNamed(native)))
	}
	added := []specs.Arch{native}
	for _, a := range p.Architectures {
		if !slices.Contains(added, a) {
			fmt.Fprintf(&in, "arch %x\n", oracleToken(archNamed(a)))
			added = append(added, a)
		}
	}
	for _, s := range p.Syscalls {
		ret := actionValue(s.Action, s.ErrnoRet)
		if ret == def {
			continue // as runc and crun
		}
		for _, n := range s.Names {
			for _, g := range groups(s.Args) {
				fmt.Fprintf(&in, "rule %x %s %d", ret, n, len(g))
				for _, a := range g {
					fmt.Fprintf(&in, " %d %d %x %x", a.Index, ops[a.Op], a.Value, a.ValueTwo)
				}
				in.WriteByte('\n')
			}
		}
	}
	// Some rule sets make libseccomp 2.5.4 loop forever.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, oracle(t))
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("oracle: %v %s", err, &complaints)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if !archNamed(native).isLittleEndian() {
		order = binary.BigEndian
	}
	f := make([]unix.SockFilter, out.Len()/8)
	for i := range f {
		b := out.Bytes()[i*8:]
		f[i] = unix.SockFilter{Code: order.Uint16(b), Jt: b[2], Jf: b[3], K: order.Uint32(b[4:])}
	}
	return f, complaints.String()
}

// oracleNumbers contains the numbers that libseccomp knows for an architecture.
var oracleNumbers = map[*arch]map[uint32]bool{}

func knownToOracle(t testing.TB, a *arch) map[uint32]bool {
	if oracleNumbers[a] == nil {
		oracleNumbers[a] = map[uint32]bool{}
		for _, n := range readOracleNames(t, a, false) {
			oracleNumbers[a][n] = true
		}
	}
	return oracleNumbers[a]
}

// readOracleNames omits, unless all is set, the names that libseccomp can return for a number but
// rejects in a rule.
func readOracleNames(t testing.TB, a *arch, all bool) map[string]uint32 {
	out, err := exec.Command(oracle(t), fmt.Sprintf("%x", oracleToken(a))).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]uint32{}
	for line := range strings.Lines(string(out)) {
		var name string
		var nr uint32
		if _, err := fmt.Sscanf(line, "%s %d", &name, &nr); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(line, "?\n") && !all {
			continue
		}
		if a.name == specs.ArchX32 {
			nr |= x32Bit
		}
		names[name] = nr
	}
	return names
}

// TestOracleTables: every number that libseccomp knows is also in the tables of this package.
func TestOracleTables(t *testing.T) {
	for i := range archs {
		a := &archs[i]
		if unknownToOracle(a.name) {
			continue
		}
		names := readOracleNames(t, a, true)
		if len(names) < 250 {
			t.Errorf("%s: libseccomp gives %d names", a.name, len(names))
		}
		for name, nr := range names {
			id := callID(name, 0)
			if a.name == specs.ArchPARISC64 && name == "_llseek" {
				continue // the kernel only has it on 32 bits
			}
			if id < 0 || uint32(a.calls[id]) != nr {
				got := int32(-1)
				if id >= 0 {
					got = a.calls[id]
				}
				t.Errorf("%s: %s is %d in libseccomp, %d here (which calls that number %q)", a.name, name, nr, got,
					nameOfNumber(a, nr))
			}
		}
	}
}

// newerThanOracle reports whether the tables of this package name a number that is not in
// libseccomp's, or is wrong there.
func newerThanOracle(t testing.TB, d *callData) bool {
	for i := range archs {
		if a := &archs[i]; a.audit == d.audit && !unknownToOracle(a.name) {
			name := nameOfNumber(a, d.nr)
			if name != "" && !knownToOracle(t, a)[d.nr] {
				return true
			}
			// It applies rules for one of these to the other.
			if name == "sys_debug_setcontext" || name == "switch_endian" {
				return true
			}
			// It confuses a call of 32-bit parisc with one of 64-bit parisc.
			if a.name == specs.ArchPARISC64 && d.nr == 140 {
				return true
			}
		}
	}
	return false
}

func TestOracle(t *testing.T) {
	oracle(t)
	total, skipped := 0, 0
	for i, c := range oracleCases(t) {
		t.Run(c.name, func(t *testing.T) {
			want, complaints := askOracle(t, c.profile, c.native)
			if complaints != "" {
				t.Logf("libseccomp refuses %s", complaints)
			}
			got, err := compile(c.profile, c.native, options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := valid(got.Filter); err != nil {
				t.Fatal(err)
			}
			s := newSampler(c.profile, c.native, uint64(i))
			for range 25000 {
				d := s.call()
				if newerThanOracle(t, &d) {
					skipped++
					continue
				}
				total++
				w, _ := run(want, &d)
				g, _ := run(got.Filter, &d)
				if !archNamed(c.native).isLittleEndian() && g == bits.ReverseBytes32(w) {
					continue // libseccomp does not byte-swap some verdicts for the other byte order
				}
				if g != w {
					t.Fatalf("%+x (%s): %s, libseccomp %s\n%s", d, callNamed(d.audit, d.nr), verdictName(g),
						verdictName(w), "")
				}
			}
		})
	}
	t.Logf("%d calls compared, %d left out because libseccomp does not know their number", total, skipped)
}
