package namespaces

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// This file handles IDs that a user namespace does not map. The kernel returns EINVAL
// for them, from chown(2) and setresuid(2) as well as for the mount option gid=,
// without further detail.

// Maps reports whether a user namespace with these mappings has an ID.
func Maps(maps []specs.LinuxIDMapping, id uint32) bool {
	for _, m := range maps {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return true
		}
	}
	return false
}

// Adapt checks that a user namespace with these mappings has the user and the group of
// a process, and drops the additional groups that it does not have: those come from
// the image, which does not know the namespace.
func Adapt(who *specs.User, uids, gids []specs.LinuxIDMapping) error {
	if !Maps(uids, who.UID) {
		return fmt.Errorf("user %d: %s", who.UID, Unmapped("uid", who.UID, uids))
	}
	if !Maps(gids, who.GID) {
		return fmt.Errorf("group %d: %s", who.GID, Unmapped("gid", who.GID, uids))
	}
	who.AdditionalGids = slices.DeleteFunc(slices.Clone(who.AdditionalGids),
		func(gid uint32) bool { return !Maps(gids, gid) })
	return nil
}

// OwnerError describes the failure to change a file's owner, and explains it if the
// cause is a missing mapping.
func OwnerError(uid, gid int, err error) error {
	err = fmt.Errorf("chown to %d:%d: %w", uid, gid, err)
	if !errors.Is(err, unix.EINVAL) || !InUserNamespace() {
		return err
	}
	uids, gids, mapErr := Current()
	if mapErr != nil {
		return err
	}
	var missing []string
	if uid >= 0 && !Maps(uids, uint32(uid)) {
		missing = append(missing, "uid "+strconv.Itoa(uid))
	}
	if gid >= 0 && !Maps(gids, uint32(gid)) {
		missing = append(missing, "gid "+strconv.Itoa(gid))
	}
	if len(missing) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", err, unmappedHint(strings.Join(missing, " and "), hostUser(uids)))
}

// Unmapped explains why a process cannot become a user or group: the mappings are
// those of its user namespace, nil if it is that of this process.
func Unmapped(kind string, id uint32, uids []specs.LinuxIDMapping) string {
	if len(uids) == 0 {
		uids, _, _ = Current()
	}
	return unmappedHint(kind+" "+strconv.FormatUint(uint64(id), 10), hostUser(uids))
}

func unmappedHint(ids, name string) string {
	text := "the user namespace does not map " + ids + "\nhint: map more IDs with lines such as " + name +
		":100000:65536 in /etc/subuid and /etc/subgid"
	if !canMapRanges() {
		text += ", and install newuidmap and newgidmap (Debian: package uidmap)"
	}
	return text
}

// hostUser returns the user that is root in a user namespace, as in /etc/subuid.
func hostUser(uids []specs.LinuxIDMapping) string {
	for _, m := range uids {
		if m.ContainerID != 0 || m.HostID == 0 {
			continue
		}
		if u, err := user.LookupUid(int(m.HostID)); err == nil {
			return u.Name
		}
		return strconv.FormatUint(uint64(m.HostID), 10)
	}
	return "USER"
}

// canMapRanges reports whether the programs that let a user map more than one ID are
// installed.
func canMapRanges() bool {
	_, uidErr := exec.LookPath("newuidmap")
	_, gidErr := exec.LookPath("newgidmap")
	return uidErr == nil && gidErr == nil
}
