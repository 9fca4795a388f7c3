package trace

// This file formats what the explainer, the debugger and the tracer have in common.

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/stdio"
)

// resultText describes the result of a call: "0", "-1 ENOENT (no such file or
// directory), which is expected".
func resultText(p *plan.Plan, step int, result int64) string {
	if result >= 0 || result < -plan.MaxErrno {
		return strconv.FormatInt(result, 10)
	}
	errno := unix.Errno(-result)
	out := fmt.Sprintf("-1 %s (%s)", unix.ErrnoName(errno), errno.Error())
	if next, ok := p.After(step, result); ok && next == step+1 {
		out += ", which is expected"
	} else if ok {
		out += fmt.Sprintf(", so the plan continues at step %d", next)
	}
	return out
}

// requester names what requested a step or an action.
func requester(source string) string {
	if source == "" {
		return "minirun"
	}
	return "config.json: " + source
}

// A style is the colors of a terminal, or none.
type style struct{ dim, bold, good, bad, off string }

// newStyle returns the colors for a writer: none unless it is a terminal.
func newStyle(w io.Writer) style {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return style{}
	}
	if !stdio.Descriptor(f.Fd()).IsTerminal() {
		return style{}
	}
	return style{dim: "\x1b[2m", bold: "\x1b[1m", good: "\x1b[32m", bad: "\x1b[31m", off: "\x1b[0m"}
}

// isMinor reports whether a step is left out of a summary: it opens, closes or changes
// to a file that another step is about.
func isMinor(s *plan.Step) bool {
	switch s.Call {
	case plan.Close, plan.CloseRange, plan.Openat, plan.Openat2, plan.Fchdir, plan.Chdir, plan.Faccessat,
		plan.Faccessat2, plan.Fcntl, plan.Fstat,
		plan.Mkdirat, plan.OpenTree, plan.Fsopen, plan.Fsconfig, plan.Socket, plan.Dup3, plan.Fchmodat, plan.Fchownat:
		return true
	case plan.Prctl:
		return len(s.Args) > 0 && s.Args[0].Value != unix.PR_SET_NO_NEW_PRIVS && s.Args[0].Value != unix.PR_CAPBSET_DROP
	case plan.MountSetattr: // most of them prepare a mount that is not attached yet
		return s.Source != "root.readonly" && !strings.HasPrefix(s.Source, "linux.readonlyPaths")
	case plan.Read:
		return true // the parent's answer: the parent reports its actions itself
	case plan.Write: // to a descriptor that was not opened by a step: a message to minirun
		return s.Group == plan.Sync || s.Group != plan.Limits && len(s.Args) > 0 && s.Args[0].Kind == plan.Immediate
	}
	return false
}

// indent puts spaces before each line.
func indent(text string, n int) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+pad)
}

// truncate shortens a text to n characters.
func truncate(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n]) + "…"
	}
	return text
}
