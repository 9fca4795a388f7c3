package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/record"
)

// A ListEntry is a container as shown by `list`: the fields of its state, in the order of
// runc's JSON, and the user who created it.
type ListEntry struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"`
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     string            `json:"created"` // RFC 3339 with nanoseconds
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
}

// List lists the containers in a state directory by ID. One that cannot be read is
// reported to warn and skipped; one that is deleted meanwhile is skipped. The error
// wraps os.ErrNotExist if the state directory does not exist.
func List(root string, warn func(any)) ([]ListEntry, error) {
	entries, err := os.ReadDir(root) // sorted
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var all []ListEntry
	for _, e := range entries {
		if !e.IsDir() || record.CheckID(e.Name()) != nil {
			continue
		}
		one, err := describe(root, e.Name())
		switch {
		case err == nil:
			all = append(all, *one)
		case !errors.Is(err, record.ErrNotExist):
			warn(fmt.Errorf("skipped: %w", err))
		}
	}
	return all, nil
}

func describe(root, id string) (*ListEntry, error) {
	state, err := State(root, id)
	if err != nil {
		return nil, err
	}
	owner, err := findOwner(filepath.Join(root, id))
	if err != nil {
		return nil, err
	}
	return &ListEntry{
		Version: state.Version, ID: state.ID, Pid: state.Pid, Status: string(state.Status), Bundle: state.Bundle,
		Rootfs: state.Rootfs, Created: state.Created.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"),
		Annotations: state.Annotations, Owner: owner,
	}, nil
}

// findOwner returns the name of a file's owner, or #UID if it has none.
func findOwner(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return "", fmt.Errorf("%w: %s", record.ErrNotExist, path)
		}
		return "", &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if u, err := user.LookupUid(int(st.Uid)); err == nil {
		return u.Name, nil
	}
	return "#" + strconv.FormatUint(uint64(st.Uid), 10), nil
}
