package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// namedNamespaces has the network namespaces that ip-netns(8) names.
const namedNamespaces = "/run/netns"

// removeNetwork removes the network devices, the named network namespaces and the tables of nftables
// whose names begin as lab.yaml says.
func (w *Workspace) removeNetwork(ctx context.Context) error {
	prefix := w.Lab.Network
	if prefix == "" {
		return nil
	}
	names, err := listFiles(namedNamespaces)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		path := filepath.Join(namedNamespaces, name)
		_ = unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) // ip was killed before it mounted it
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := removeDevices(ctx, prefix); err != nil {
		return err
	}
	return removeTables(ctx, prefix)
}

func listFiles(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// removeDevices removes devices with the ip of iproute2 or of busybox: the learner created them with one.
func removeDevices(ctx context.Context, prefix string) error {
	devices, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, d := range devices {
		if !strings.HasPrefix(d.Name, prefix) {
			continue
		}
		out, err := exec.CommandContext(ctx, "ip", "link", "delete", d.Name).CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			out, err = exec.CommandContext(ctx, "busybox", "ip", "link", "delete", d.Name).CombinedOutput()
		}
		// The other end of a veth disappears with the first one.
		if _, gone := net.InterfaceByIndex(d.Index); err != nil && gone == nil {
			return fmt.Errorf("remove the network device %s: %w: %s", d.Name, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// removeTables removes tables of nftables, if there is a program for it.
func removeTables(ctx context.Context, prefix string) error {
	out, err := exec.CommandContext(ctx, "nft", "list", "tables").Output()
	if err != nil {
		return nil // no nft, or no nftables: then there are no tables either
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line) // table FAMILY NAME
		if len(fields) == 3 && strings.HasPrefix(fields[2], prefix) {
			out, err := exec.CommandContext(ctx, "nft", "delete", "table", fields[1], fields[2]).CombinedOutput()
			if err != nil {
				return fmt.Errorf("remove the nftables table %s: %w: %s", fields[2], err, strings.TrimSpace(string(out)))
			}
		}
	}
	return nil
}
