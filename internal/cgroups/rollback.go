// This file decides how to undo an update that failed halfway: the earlier contents of
// the files, as values to write, in an order that the kernel accepts.

package cgroups

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A fileReader returns the content of a file of the group; ok is false if it does not
// exist or has nothing that can be read.
type fileReader func(controller string, v2 bool, file string) (text string, ok bool)

// readFiles reads the files that these values will be written to.
func (g *Group) readFiles(values []Value) (fileReader, error) {
	type key struct {
		controller, file string
		v2               bool
	}
	texts := map[key]string{}
	read := func(controller string, v2 bool, file string) error {
		d := g.dir(controller, v2)
		if d == nil || file == DeviceProgram {
			return nil
		}
		text, err := readText(d.path + "/" + file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EINVAL) {
			return nil
		}
		texts[key{controller, file, v2}] = text
		return err
	}
	for i := range values {
		v := &values[i]
		files := []string{v.File}
		if v.Or != nil {
			files = append(files, v.Or.File)
		}
		if v.Controller == "cpu" {
			files = append(files, idleFile, sharesFile(v.V2))
		}
		for _, file := range files {
			if err := read(v.Controller, v.V2, file); err != nil {
				return nil, err
			}
		}
	}
	return func(controller string, v2 bool, file string) (string, bool) {
		text, ok := texts[key{controller, file, v2}]
		return text, ok
	}, nil
}

const idleFile = "cpu.idle"

func sharesFile(v2 bool) string {
	if v2 {
		return "cpu.weight"
	}
	return "cpu.shares"
}

// restoring returns the values that restore what the files contained before these
// values were written, last one first (pure).
func restoring(values []Value, before fileReader) (out []Value) {
	for i, v := range slices.Backward(values) {
		written := v
		text, ok := before(v.Controller, v.V2, v.File)
		if !ok && v.Or != nil {
			written = *v.Or
			text, ok = before(v.Controller, v.V2, written.File)
		}
		if !ok || v.Program != nil {
			continue
		}
		idle, _ := before(v.Controller, v.V2, idleFile)
		if written.File == sharesFile(v.V2) && idle == "1" {
			continue // an idle cgroup shows shares that it does not accept
		}
		old := Value{Controller: v.Controller, V2: v.V2, File: written.File, Value: oldValue(&written, text), Source: v.Source, Verify: written.Verify, Unit: v.Unit}
		// Of two values that depended on each other's order, the second may be
		// restored only after the first.
		old.SwapNext = i > 0 && values[i-1].SwapNext
		if strings.HasSuffix(old.Value, " default") {
			old.Verify = VerifyNone // the line is not shown in that case
		}
		out = append(out, old)
		if shares, ok := before(v.Controller, v.V2, sharesFile(v.V2)); ok && written.File == idleFile && idle == "0" {
			// Leaving idle gives a cgroup the default shares.
			out = append(out, Value{Controller: v.Controller, V2: v.V2, File: sharesFile(v.V2), Value: shares, Source: v.Source, Verify: VerifyNone})
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

// restore writes as many of the old values as possible.
func (g *Group) restore(old []Value) error {
	if len(old) == 0 {
		return nil
	}
	w := writer{g: g, page: uint64(os.Getpagesize()), fd: -1}
	defer w.close()
	var failed error
	for left := old; len(left) > 0; {
		pointers := make([]*Value, len(left))
		for i := range left {
			pointers[i] = &left[i]
		}
		if g.holdsStill(&left[0]) {
			left = left[1:]
			continue
		}
		n, err := w.put(pointers)
		if err != nil {
			var e *Error
			if errors.As(err, &e) {
				e.Update = true
			}
			failed = errors.Join(failed, err)
			n = 1
		}
		left = left[n:]
	}
	return failed
}

// holdsStill reports whether a file still has the old value: the write that failed,
// and those after it, changed nothing.
func (g *Group) holdsStill(old *Value) bool {
	d := g.dir(old.Controller, old.V2)
	if d == nil {
		return false
	}
	text, err := readText(d.path + "/" + old.File)
	return err == nil && oldValue(old, text) == old.Value
}
