// Docker's seccomp filter as instructions: floor compiles nothing, so it gets the filter that runc
// (through libseccomp) installs in a container with the same config, read from the kernel with
// ptrace.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const ptraceSeccompGetFilter = 0x420c // PTRACE_SECCOMP_GET_FILTER, ptrace(2); needs CONFIG_CHECKPOINT_RESTORE and CAP_SYS_ADMIN

func installedFilter(dir string, b *bundle) (file string, err error) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(b.dir, "config.json"))
	if err != nil {
		return "", err
	}
	spec := new(specs.Spec)
	if err := json.Unmarshal(text, spec); err != nil {
		return "", err
	}
	spec.Process.Args = []string{"sleep", "60"}
	if err := b.write(spec); err != nil {
		return "", err
	}
	root, pidFile, id := filepath.Join(dir, "state-filter"), filepath.Join(dir, "pid"), fmt.Sprintf("minirun-bench-%d-filter", os.Getpid())
	defer func() {
		err = errors.Join(err, exec.Command(runc, "--root", root, "delete", "-f", id).Run(), os.WriteFile(filepath.Join(b.dir, "config.json"), text, 0o644))
	}()
	// Its messages go to a log file: the container would keep a pipe for them open, and Run would
	// wait for that.
	log := filepath.Join(dir, "filter.log")
	if err := exec.Command(runc, "--root", root, "--log", log, "run", "--detach", "--pid-file", pidFile, "--bundle", b.dir, id).Run(); err != nil {
		text, _ := os.ReadFile(log)
		return "", fmt.Errorf("runc run: %w: %s", err, text)
	}
	number, err := os.ReadFile(pidFile)
	if err != nil {
		return "", err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(number)))
	if err != nil {
		return "", err
	}
	program, err := readFilter(pid)
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "docker.bpf")
	return file, os.WriteFile(file, program, 0o644)
}

// readFilter returns the newest seccomp filter of a process as struct sock_filter[].
func readFilter(pid int) ([]byte, error) {
	runtime.LockOSThread() // ptrace identifies tracers by thread
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(pid); err != nil {
		return nil, fmt.Errorf("PTRACE_SEIZE: %w", err)
	}
	defer unix.PtraceDetach(pid)
	if err := unix.PtraceInterrupt(pid); err != nil {
		return nil, fmt.Errorf("PTRACE_INTERRUPT: %w", err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		var status unix.WaitStatus
		got, err := unix.Wait4(pid, &status, unix.WNOHANG|unix.WALL, nil)
		if got == pid && status.Stopped() {
			break
		}
		if err != nil && err != unix.EINTR || time.Now().After(deadline) {
			return nil, fmt.Errorf("the traced process did not stop: %v", err)
		}
	}
	program := make([]byte, 8*4096) // BPF_MAXINSNS instructions of 8 bytes
	n, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptraceSeccompGetFilter, uintptr(pid), 0, uintptr(unsafe.Pointer(&program[0])), 0, 0)
	if errno != 0 {
		return nil, fmt.Errorf("PTRACE_SECCOMP_GET_FILTER: %w", errno)
	}
	return program[:8*n], nil
}
