package systemd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups"
)

// Patience is how long systemd may take for a job. It writes to disks and waits
// for others; without an end, a systemd that hangs would hang every engine.
const Patience = 30 * time.Second

// A Request is what minirun-systemd reads on its standard input.
type Request struct {
	Do    Verb          `json:"do"`
	Unit  Unit          `json:"unit"`
	Limit time.Duration `json:"limit"` // how long systemd may take

	ID          string            `json:"id,omitempty"`          // Start
	Pid         int               `json:"pid,omitempty"`         // Start, Attach
	Values      []cgroups.Value   `json:"values,omitempty"`      // Start, Set: what is written into the cgroup
	Annotations map[string]string `json:"annotations,omitempty"` // Start: config.json's
	Below       string            `json:"below,omitempty"`       // Attach: a cgroup below the unit's, "/sub"
}

// A Verb is what is to be done.
type Verb string

// The verbs of minirun-systemd.
const (
	ControlGroup Verb = "control-group" // print the manager's own cgroup
	Start        Verb = "start"         // make the unit, with a process in it
	Set          Verb = "set"           // change limits
	Stop         Verb = "stop"          // end the unit, if it is there
	Attach       Verb = "attach"        // move a process into the unit
)

// Program is the name of the program that does it.
const Program = "minirun-systemd"

// Do has minirun-systemd do something, and returns what it prints. It ends with
// the context, with its time, and with this process.
func Do(ctx context.Context, r *Request) (string, error) {
	if r.Limit == 0 {
		r.Limit = Patience
	}
	program, err := find()
	if err != nil {
		return "", err
	}
	input, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	// Its own clock is the one that should end it: it knows what it waits for.
	ctx, cancel := context.WithTimeout(ctx, r.Limit+2*time.Second)
	defer cancel()
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(complaint.String()); text != "" {
			return "", errors.New(text)
		}
		return "", fmt.Errorf("%s: %w", program, err)
	}
	return strings.TrimSpace(out.String()), nil
}

// find looks for the program beside this one, as both are installed together.
func find() (string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("--systemd-cgroup: %w", err)
	}
	program := filepath.Join(filepath.Dir(self), Program)
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("--systemd-cgroup: %w: it belongs beside minirun: make install puts both there", err)
	}
	return program, nil
}
