package bootstrap

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// Image returns the sealed memfd that Start executes, or a file that replaces it.
func Image(p *plan.Plan) (*os.File, error) { return namedImage(p, imageName) }

// InitImage returns an image that a process executes to become the container's init, which
// is no longer a plan in the sense of InPlan.
func InitImage(p *plan.Plan) (*os.File, error) { return namedImage(p, "minirun-init") }

func namedImage(p *plan.Plan, name string) (*os.File, error) {
	data, err := p.Encode()
	if err != nil {
		return nil, err
	}
	code := headers(loopCode(), len(data))
	fd, err := createMemfd(name)
	if err != nil {
		f, instead := tmpfsImage(name, code, data)
		if instead != nil {
			return nil, fmt.Errorf("memfd_create: %w; without it: %w%s", err, instead, memfdHint(err))
		}
		return f, nil
	}
	f := os.NewFile(uintptr(fd), "plan")
	if err := writeSealed(fd, code, data); err != nil {
		f.Close()
		return nil, fmt.Errorf("write the plan's image: %w", err)
	}
	return f, nil
}

// memfdHint returns a hint for a user who may not mount a tmpfs instead.
func memfdHint(err error) string {
	if errors.Is(err, unix.EACCES) {
		return "\nhint: vm.memfd_noexec is 2 here: set it to 1: sysctl vm.memfd_noexec=1"
	}
	return "\nhint: allow memfd_create in the seccomp filter of the container or service that minirun runs in"
}

// imageName appears in /proc/PID/exe of a process that runs its plan.
const imageName = "minirun-plan"

func createMemfd(name string) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // MFD_EXEC is new in Linux 6.3, and was the default before
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	return fd, err
}

func writeSealed(fd int, code, data []byte) error {
	if err := writeImage(fd, code, data); err != nil {
		return err
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|
		unix.F_SEAL_WRITE)
	return err
}

func writeImage(fd int, code, data []byte) error {
	if _, err := unix.Pwrite(fd, code, 0); err != nil {
		return err
	}
	for off := 0; off < len(data); {
		n, err := unix.Pwrite(fd, data[off:], int64(align+off))
		if err != nil {
			return err
		}
		off += n
	}
	return nil
}
