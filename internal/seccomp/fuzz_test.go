package seccomp

import (
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// FuzzCompile takes any JSON as a profile. Compile must not panic. Its result must be a filter that
// the kernel accepts and that implements the profile.
func FuzzCompile(f *testing.F) {
	add := func(p *specs.LinuxSeccomp, native byte) {
		b, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, native)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		add(randomProfile(r, i%2 == 0), byte(i))
	}
	for _, c := range oracleCases(f) {
		if len(c.profile.Syscalls) < 12 {
			for i := range archs {
				if archs[i].name == c.native {
					add(c.profile, byte(i))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, profile []byte, native byte) {
		p := &specs.LinuxSeccomp{}
		if json.Unmarshal(profile, p) != nil {
			return
		}
		name := archs[int(native)%len(archs)].name
		prog, err := Compile(p, name)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "linux.seccomp") {
				t.Fatalf("no JSON path in %q", err)
			}
			return
		}
		if again, _ := Compile(p, name); disassemble(again.Filter) != disassemble(prog.Filter) {
			t.Fatal("two programs for one profile")
		}
		h := fnv.New64()
		h.Write(profile)
		compareReference(t, p, name, prog.Filter, h.Sum64(), 60)
	})
}
