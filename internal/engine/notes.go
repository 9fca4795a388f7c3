package engine

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/spec"
)

// A detached container's output is in its log. The warnings of the monitor, which are not output of
// the container, are its notes. Those from before the container started also go to the command that
// starts it.

// maxNotes limits the size of the file: a container that restarts forever may warn forever.
const maxNotes = 1 << 20

// note adds a warning to the notes of a container.
func (e *Engine) note(id string, what any) {
	f, err := os.OpenFile(e.file(id, notesFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return // the container is gone, or the disk is full: nothing else reads them
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() < maxNotes {
		text := strings.ReplaceAll(fmt.Sprint(what), "\n", "\n\t")
		fmt.Fprintf(f, "%s %s\n", time.Now().UTC().Format(time.RFC3339), text)
	}
}

func isFile(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// A Remark is a line of inspect about a container.
type Remark struct{ Name, Text string }

// Remarks returns what the status of a container does not say.
func (l *Listed) Remarks() (all []Remark) {
	if l.Restart.When != "" {
		all = append(all, Remark{"restart", fmt.Sprintf("%s; restarted %d times", l.Restart, l.Restarts)})
	}
	if l.Pid != 0 && !l.Attended {
		all = append(all,
			Remark{"monitor", "killed: nothing keeps its log, checks its health, restarts it or records its end"},
			Remark{"", "hint: start it with a new one with: minirun restart " + l.Container})
	}
	for _, e := range l.Networks {
		all = append(all, Remark{"network", e.String()})
	}
	if ports := l.PortList(); len(ports) > 0 {
		all = append(all, Remark{"ports", strings.Join(ports, ", ")})
	}
	if l.Pid == 0 && l.End != nil && l.End.OutOfMemory {
		all = append(all, Remark{"memory", l.End.MemoryText()})
	}
	if l.Notes != "" {
		all = append(all, Remark{"warnings", "minirun's own, not the program's, are in " + l.Notes})
	}
	return all
}

// isDebug reports whether a warning is only for --debug.
func isDebug(what any) bool {
	w, ok := what.(spec.Warning)
	return ok && w.Debug
}
