// Package processtable shows a container's processes with ps(1), which knows more about processes,
// and more options, than users want to learn twice.
package processtable

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/bootstrap"
)

// Text returns the output of ps(1) for processes. args are ps's own options,
// "-ef" if there are none; its output must have a column PID.
func Text(pids []int, args []string) (string, error) {
	if len(args) == 0 {
		args = []string{"-ef"}
	}
	output, err := runPS(args)
	if err != nil {
		return "", err
	}
	return selectRows(output, pids)
}

func runPS(args []string) (string, error) {
	var output, complaint bytes.Buffer
	cmd := exec.Command("ps", args...)
	cmd.Stdout, cmd.Stderr = &output, &complaint
	runtime.LockOSThread()
	bootstrap.KeepSlack()
	err := cmd.Run()
	runtime.UnlockOSThread()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("ps: %w\nhint: install the package procps, or list only process IDs with: "+
			"minirun ps --format json ID", err)
	}
	if err != nil {
		return "", fmt.Errorf("ps %s: %w: %s", strings.Join(args, " "), err,
			strings.TrimSpace(complaint.String()+output.String()))
	}
	return output.String(), nil
}

// selectRows keeps the heading of ps's output and the lines of these processes
// (pure).
func selectRows(output string, pids []int) (string, error) {
	heading, rest, _ := strings.Cut(output, "\n")
	column := slices.Index(strings.Fields(heading), "PID")
	if column < 0 {
		return "", errors.New("ps: its output has no column PID to identify the container's processes: add it to the " +
			"options, as in -o pid,args")
	}
	table := heading + "\n"
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if len(fields) <= column {
			continue
		}
		pid, err := strconv.Atoi(fields[column])
		if err != nil {
			return "", fmt.Errorf("ps: column PID of %q: %w", strings.TrimSpace(line), err)
		}
		if slices.Contains(pids, pid) {
			table += strings.TrimSuffix(line, "\n") + "\n"
		}
	}
	return table, nil
}
