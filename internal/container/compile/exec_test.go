package compile

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// TestExecTrustsNothingInside: a process started by exec becomes non-dumpable before it joins. From
// then on, it opens nothing in the container's /proc and follows no magic links.
func TestExecTrustsNothingInside(t *testing.T) {
	for _, c := range execCases {
		t.Run(c.name, func(t *testing.T) {
			in := execInputsOf(t, c.config, c.change)
			p := Exec(in)
			hidden, joined := in.Process.Rootless, false
			for i := range p.Steps {
				s := &p.Steps[i]
				switch s.Call {
				case plan.Prctl:
					if s.Args[0].Value == unix.PR_SET_DUMPABLE && !in.Process.Rootless {
						hidden = s.Args[1].Value == 0
					}
				case plan.Setns:
					joined = true
					if !hidden {
						t.Errorf("step %d (%s) is before the process is hidden", i, s.Name)
					}
				case plan.Openat:
					if joined {
						t.Errorf("step %d (%s) opens a path without openat2's confinement", i, s.Name)
					}
				case plan.Openat2:
					how := p.Data[s.Args[2].Value-plan.DataBase:]
					if !joined || binary.LittleEndian.Uint64(how[16:])&unix.RESOLVE_NO_MAGICLINKS == 0 {
						t.Errorf("step %d (%s) may follow a magic link", i, s.Name)
					}
					if path := cString(p, s.Args[1]); strings.HasPrefix(path, "/proc") {
						t.Errorf("step %d (%s) believes the container's %s", i, s.Name, path)
					}
				}
			}
			if !joined {
				t.Error("no namespace is joined")
			}
		})
	}
}
