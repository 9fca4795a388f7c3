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

// unmappedHint explains that IDs are not mapped, and how to give the user more.
func unmappedHint(ids, name string) string {
	h := missingIDs{name: name, subuid: readText("/etc/subuid"), subgid: readText("/etc/subgid"),
		hasPrograms: canMapRanges()}
	if u, err := user.LookupUser(name); err == nil {
		h.isLogin, h.uid = true, u.Uid
	}
	return "the user namespace does not map " + ids + ": " + h.explain()
}

// missingIDs is what decides how a user gets more IDs.
type missingIDs struct {
	name           string
	uid            int
	isLogin        bool // the name is in /etc/passwd, so usermod(8) knows it
	subuid, subgid string
	hasPrograms    bool // newuidmap and newgidmap are installed
}

// explain returns the cause, and a hint with what to do (pure).
func (h missingIDs) explain() string {
	uids, gids := subordinateIDs(h.subuid, h.name, h.uid), subordinateIDs(h.subgid, h.name, h.uid)
	var cause, advice string
	switch {
	case len(uids) == 0 || len(gids) == 0:
		cause = "user " + h.name + " has no range of IDs in /etc/subuid and /etc/subgid"
	case !h.hasPrograms:
		return "newuidmap and newgidmap, which map the ranges in /etc/subuid, are not installed\n" +
			"hint: install them (Debian: sudo apt-get install uidmap)"
	default:
		cause = "the ranges of user " + h.name + " in /etc/subuid and /etc/subgid are too small"
	}
	if !h.hasPrograms {
		advice = "install newuidmap and newgidmap (Debian: sudo apt-get install uidmap); then "
	}
	first := nextRange(h.subuid, h.subgid)
	if h.isLogin {
		ids := fmt.Sprintf("%d-%d", first, first+rangeSize-1)
		return cause + "\nhint: " + advice + "sudo usermod --add-subuids " + ids + " --add-subgids " + ids + " " + h.name
	}
	return fmt.Sprintf("%s\nhint: %sadd the line %s:%d:%d to /etc/subuid and /etc/subgid", cause, advice, h.name, first,
		rangeSize)
}

const (
	rangeSize  = 65536
	firstRange = 100000 // as useradd(8) assigns them
)

// nextRange returns the first ID after all ranges in texts such as /etc/subuid.
func nextRange(texts ...string) int {
	next := firstRange
	for _, text := range texts {
		for line := range strings.Lines(text) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) != 3 {
				continue
			}
			first, err := strconv.Atoi(f[1])
			size, err2 := strconv.Atoi(f[2])
			if end := first + size; err == nil && err2 == nil && size > 0 && end < 1<<31 {
				next = max(next, end)
			}
		}
	}
	return next
}

// unknownUser stands for a user that cannot be found.
const unknownUser = "USER"

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
	return unknownUser
}

// canMapRanges reports whether the programs that let a user map more than one ID are
// installed.
func canMapRanges() bool {
	_, uidErr := exec.LookPath("newuidmap")
	_, gidErr := exec.LookPath("newgidmap")
	return uidErr == nil && gidErr == nil
}
