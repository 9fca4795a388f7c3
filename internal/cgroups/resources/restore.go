package resources

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/group"
)

// This file undoes an update that failed halfway: it writes the earlier contents of the
// files, as values, in an order that the kernel accepts.

// fileReader returns the content of a file next to that of v; ok is false if it does not
// exist or has nothing that can be read.
type fileReader func(v *Value, file string) (text string, ok bool)

// readFiles reads the files that these values will be written to.
func readFiles(g *group.Group, values []Value) (fileReader, error) {
	texts := map[string]string{} // by path
	for i := range values {
		v := &values[i]
		dir := v.directory(g)
		if dir == "" || v.File == DeviceProgram {
			continue
		}
		files := []string{v.File}
		if v.Or != nil {
			files = append(files, v.Or.File)
		}
		if v.Controller == "cpu" {
			files = append(files, idleFile, sharesFile(v))
		}
		for _, file := range files {
			text, err := cgroupfs.ReadText(dir + "/" + file)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EINVAL) {
				continue
			}
			if err != nil {
				return nil, err
			}
			texts[dir+"/"+file] = text
		}
	}
	return func(v *Value, file string) (string, bool) {
		text, ok := texts[v.directory(g)+"/"+file]
		return text, ok
	}, nil
}

const idleFile = "cpu.idle"

// sharesFile returns the name of the file with the shares, for a value of the cpu
// controller.
func sharesFile(v *Value) string {
	if v.V2 {
		return "cpu.weight"
	}
	return "cpu.shares"
}

// restoringValues returns the values that restore what the files contained before these
// values were written, last one first (pure).
func restoringValues(values []Value, before fileReader) (out []Value) {
	for i := range slices.Backward(values) {
		v := &values[i]
		written := v
		text, ok := before(v, v.File)
		if !ok && v.Or != nil {
			written = v.Or
			text, ok = before(v, written.File)
		}
		if !ok || v.Program != nil {
			continue
		}
		idle, _ := before(v, idleFile)
		if written.File == sharesFile(v) && idle == "1" {
			continue // an idle cgroup shows shares that it does not accept
		}
		old := Value{
			Controller: v.Controller, V2: v.V2, File: written.File, Value: oldValue(written, text),
			Source: v.Source, Verify: written.Verify, Unit: v.Unit,
		}
		// Of two values that depended on each other's order, the second may be
		// restored only after the first.
		old.SwapNext = i > 0 && values[i-1].SwapNext
		if strings.HasSuffix(old.Value, " default") {
			old.Verify = VerifyNone // the line is not shown in that case
		}
		out = append(out, old)
		if shares, ok := before(v, sharesFile(v)); ok && written.File == idleFile && idle == "0" {
			// Leaving idle gives a cgroup the default shares.
			out = append(out, Value{
				Controller: v.Controller, V2: v.V2, File: sharesFile(v), Value: shares, Source: v.Source, Verify: VerifyNone,
			})
		}
	}
	return out
}

// oldValue returns the value that restores the part of a file that v changes to what
// it was in text.
func oldValue(v *Value, text string) string {
	words := strings.Fields(v.Value)
	if v.File == "cgroup.subtree_control" {
		return oldControllers(words, strings.Fields(text))
	}
	switch v.Verify {
	case VerifyDefault:
		first, _, _ := strings.Cut(text, "\n")
		return strings.TrimPrefix(first, "default ")
	case VerifyOOM:
		for line := range strings.Lines(text) {
			if bit, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill_disable "); ok {
				return bit
			}
		}
		return "0"
	case VerifyLine:
		return oldLine(words, v.File, text)
	case VerifyNone: // an unknown file: a line begins with its device, or is the only one
		if len(words) > 1 {
			return oldLine(words, v.File, text)
		}
		text, _, _ = strings.Cut(text, "\n")
	}
	if text == "" {
		return "\n" // an empty write(2) does not reach the kernel
	}
	return text
}

// oldControllers reverts the controllers that changes enable or disable.
func oldControllers(changes, on []string) string {
	var out []string
	for _, c := range changes {
		name, sign := strings.TrimLeft(c, "+-"), "-"
		if slices.Contains(on, name) {
			sign = "+"
		}
		out = append(out, sign+name)
	}
	return strings.Join(out, " ")
}

// oldLine returns the line of a device or interface. One that is not shown has no
// limit, or the default weight.
func oldLine(words []string, file, text string) string {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == words[0] {
			return strings.TrimSpace(line)
		}
	}
	line := words[0]
	for _, w := range words[1:] {
		name, _, limit := strings.Cut(w, "=")
		switch {
		case limit:
			line += " " + name + "=max"
		case strings.Contains(file, "weight"):
			line += " default"
		default:
			line += " 0"
		}
	}
	return line
}

// Restore writes as many of the values that [Update] returned as possible.
func Restore(g *group.Group, old []Value) error {
	if len(old) == 0 {
		return nil
	}
	w := newWriter(g)
	defer w.close()
	rest := make([]*Value, len(old))
	for i := range old {
		rest[i] = &old[i]
	}
	var failed error
	for len(rest) > 0 {
		if isUnchanged(g, rest[0]) {
			rest = rest[1:]
			continue
		}
		n, err := w.writeNext(rest)
		if err != nil {
			var e *Error
			if errors.As(err, &e) {
				e.Update = true
			}
			failed = errors.Join(failed, err)
			n = 1
		}
		rest = rest[n:]
	}
	if failed != nil {
		return fmt.Errorf("restore the old limits: %w", failed)
	}
	return nil
}

// isUnchanged reports whether a file still has the old value: the write that failed,
// and those after it, changed nothing.
func isUnchanged(g *group.Group, old *Value) bool {
	dir := old.directory(g)
	if dir == "" {
		return false
	}
	text, err := cgroupfs.ReadText(dir + "/" + old.File)
	return err == nil && oldValue(old, text) == old.Value
}
