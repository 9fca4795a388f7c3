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

	"github.com/minirun/minirun/internal/cgroups/resources"
)

// Patience is how long a systemd job may take. It writes to disks and waits for other
// units; without a limit, a systemd that hangs would hang every engine.
const Patience = 30 * time.Second

// A Request is what minirun-systemd reads from its standard input.
type Request struct {
	Do    Verb          `json:"do"`
	Unit  Unit          `json:"unit"`
	Limit time.Duration `json:"limit"` // how long systemd may take

	ID          string            `json:"id,omitempty"`          // Start
	Pid         int               `json:"pid,omitempty"`         // Start, Attach
	Values      []resources.Value `json:"values,omitempty"`      // Start, Set: the values written to the cgroup
	Annotations map[string]string `json:"annotations,omitempty"` // Start: those of config.json
	Below       string            `json:"below,omitempty"`       // Attach: a cgroup below the unit's, "/sub"
}

// A Verb is the action requested.
type Verb string

// The verbs of minirun-systemd.
const (
	ControlGroup Verb = "control-group" // print the manager's own cgroup
	Start        Verb = "start"         // create the unit, with a process in it
	Set          Verb = "set"           // change limits
	Stop         Verb = "stop"          // stop the unit, if it exists
	Attach       Verb = "attach"        // move a process into the unit
)

// Program is the name of the helper program.
const Program = "minirun-systemd"

// ExitConfig is the exit status of the program for an error in config.json.
const ExitConfig = 2

// A ConfigError is an error in config.json that the program found. Its text names the place.
type ConfigError struct{ text string }

func (e *ConfigError) Error() string { return e.text }

// Locate adds the place in config.json that an error of Do concerns, unless the error names another one.
func Locate(err error) error {
	if located := new(ConfigError); errors.As(err, &located) {
		return err
	}
	return fmt.Errorf("config.json: linux.cgroupsPath: %w", err)
}

// Do runs minirun-systemd with a request and returns what it prints. The program is
// killed when the context ends, when its time is up, or when this process exits.
func Do(ctx context.Context, r *Request) (string, error) {
	if r.Limit == 0 {
		r.Limit = Patience
	}
	program, err := findProgram()
	if err != nil {
		return "", err
	}
	input, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	// Its own timeout should end it first: it knows what it is waiting for.
	ctx, cancel := context.WithTimeout(ctx, r.Limit+2*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(stderr.String()); text != "" {
			if cmd.ProcessState.ExitCode() == ExitConfig {
				return "", &ConfigError{text}
			}
			return "", errors.New(text)
		}
		return "", fmt.Errorf("%s: %w", program, err)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// findProgram looks for the program in the directory of this one, as both are installed
// together.
func findProgram() (string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("--systemd-cgroup: %w", err)
	}
	program := filepath.Join(filepath.Dir(self), Program)
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("--systemd-cgroup: %w: it must be next to minirun\nhint: make install puts both there", err)
	}
	return program, nil
}
