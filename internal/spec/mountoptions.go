package spec

// This file parses mounts[].options: the flag of mount(2), attribute of
// mount_setattr(2) or behavior of the runtime that each option stands for (config.md,
// "Linux mount options"; mount(8), "Filesystem-independent mount options").

import (
	"strings"

	"golang.org/x/sys/unix"
)

// MountOptions is mounts[i].options in kernel terms (mount(2), mount_setattr(2)).
//
// Of options that exclude each other (ro and rw, noatime and relatime and strictatime,
// rro and rrw) the last one wins.
type MountOptions struct {
	// Flags are the MS_* flags for mount(2): MS_RDONLY, MS_NOSUID, MS_BIND, MS_REC,
	// MS_REMOUNT, … but no propagation flags.
	Flags uintptr
	// ClearFlags are the MS_* flags that an option turns off: rw clears MS_RDONLY,
	// suid MS_NOSUID, atime MS_NOATIME. For a new file system that is the default
	// anyway; it matters for a bind mount, which starts with the flags of its source.
	ClearFlags uintptr
	// Propagation are the propagation changes in the order given, each MS_SHARED,
	// MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE, with MS_REC for the options with r. Each
	// is a separate mount(2) call, after the mount.
	Propagation []uintptr
	// RecSet and RecClr are MOUNT_ATTR_* for mount_setattr(2) with AT_RECURSIVE. An
	// access time choice has all of MOUNT_ATTR__ATIME in RecClr, as the call requires.
	RecSet, RecClr uint64
	// Data are the remaining options, in order, for the file system to interpret:
	// joined by commas they are the data argument of mount(2). One entry may contain
	// commas.
	Data []string
	// TmpCopyUp fills a tmpfs with the content of its mount point (tmpcopyup).
	TmpCopyUp bool
	// IDMap requests an id-mapped mount (idmap or ridmap), RIDMap for all mounts below
	// it too (ridmap).
	IDMap, RIDMap bool
	// CopySymlink recreates a bind mount's source that is a symbolic link, instead of
	// mounting its target. SourceNoFollow mounts the link itself, DestNoFollow mounts
	// on a destination that is a link, instead of its target (crun(1)).
	CopySymlink, SourceNoFollow, DestNoFollow bool
}

// ParseMountOptions translates the options of one mount. An option that depends on the
// file system is added to Data. The error, an *Error with a path such as options[2], is
// for an option that no file system accepts: an empty one or one with a NUL byte.
func ParseMountOptions(options []string) (MountOptions, error) {
	var o MountOptions
	for i, word := range options {
		if word == "" {
			return MountOptions{}, &Error{Path: entry("options", i), Want: "must not be empty"}
		}
		if strings.IndexByte(word, 0) >= 0 {
			return MountOptions{}, &Error{Path: entry("options", i), Want: "must not contain a NUL byte",
				Got: quote(word)}
		}
		if !o.flag(word) && !o.propagation(word) && !o.recursive(word) && !o.special(word) {
			o.Data = append(o.Data, word)
		}
	}
	return o, nil
}

// atimeFlags exclude each other. mount(2) resolves a combination by its own order
// (MS_STRICTATIME overrides MS_NOATIME); here the last option wins.
const atimeFlags = unix.MS_NOATIME | unix.MS_RELATIME | unix.MS_STRICTATIME

// flag handles the options that are one flag of mount(2), set or cleared.
func (o *MountOptions) flag(word string) bool {
	set, clear := mountFlag(word)
	if set == 0 && clear == 0 {
		return false
	}
	if set&atimeFlags != 0 {
		o.Flags &^= atimeFlags
	}
	o.Flags = o.Flags&^clear | set
	o.ClearFlags = o.ClearFlags&^set | clear
	return true
}

// mountFlag returns the flag of mount(2) that an option sets, or the one it clears.
func mountFlag(word string) (set, clear uintptr) {
	switch word {
	case "acl":
		return unix.MS_POSIXACL, 0
	case "async":
		return 0, unix.MS_SYNCHRONOUS
	case "atime":
		return 0, unix.MS_NOATIME
	case "bind":
		return unix.MS_BIND, 0
	case "dev":
		return 0, unix.MS_NODEV
	case "diratime":
		return 0, unix.MS_NODIRATIME
	case "dirsync":
		return unix.MS_DIRSYNC, 0
	case "exec":
		return 0, unix.MS_NOEXEC
	case "iversion":
		return unix.MS_I_VERSION, 0
	case "lazytime":
		return unix.MS_LAZYTIME, 0
	case "loud":
		return 0, unix.MS_SILENT
	case "mand":
		return unix.MS_MANDLOCK, 0
	case "noacl":
		return 0, unix.MS_POSIXACL
	case "noatime":
		return unix.MS_NOATIME, 0
	case "nodev":
		return unix.MS_NODEV, 0
	case "nodiratime":
		return unix.MS_NODIRATIME, 0
	case "noexec":
		return unix.MS_NOEXEC, 0
	case "noiversion":
		return 0, unix.MS_I_VERSION
	case "nolazytime":
		return 0, unix.MS_LAZYTIME
	case "nomand":
		return 0, unix.MS_MANDLOCK
	case "norelatime":
		return 0, unix.MS_RELATIME
	case "nostrictatime":
		return 0, unix.MS_STRICTATIME
	case "nosuid":
		return unix.MS_NOSUID, 0
	case "nosymfollow":
		return unix.MS_NOSYMFOLLOW, 0
	case "rbind":
		return unix.MS_BIND | unix.MS_REC, 0
	case "relatime":
		return unix.MS_RELATIME, 0
	case "remount":
		return unix.MS_REMOUNT, 0
	case "ro":
		return unix.MS_RDONLY, 0
	case "rw":
		return 0, unix.MS_RDONLY
	case "silent":
		return unix.MS_SILENT, 0
	case "strictatime":
		return unix.MS_STRICTATIME, 0
	case "suid":
		return 0, unix.MS_NOSUID
	case "symfollow":
		return 0, unix.MS_NOSYMFOLLOW
	case "sync":
		return unix.MS_SYNCHRONOUS, 0
	}
	return 0, 0
}

// propagation handles the options for shared subtrees. All of them are kept: a mount
// can be made a slave and then shared, which is a separate state.
func (o *MountOptions) propagation(word string) bool {
	var f uintptr
	switch word {
	case "shared":
		f = unix.MS_SHARED
	case "slave":
		f = unix.MS_SLAVE
	case "private":
		f = unix.MS_PRIVATE
	case "unbindable":
		f = unix.MS_UNBINDABLE
	case "rshared":
		f = unix.MS_SHARED | unix.MS_REC
	case "rslave":
		f = unix.MS_SLAVE | unix.MS_REC
	case "rprivate":
		f = unix.MS_PRIVATE | unix.MS_REC
	case "runbindable":
		f = unix.MS_UNBINDABLE | unix.MS_REC
	default:
		return false
	}
	o.Propagation = append(o.Propagation, f)
	return true
}

// recursive handles the options for mount_setattr(2) with AT_RECURSIVE.
func (o *MountOptions) recursive(word string) bool {
	switch word {
	case "rro":
		o.setAttr(unix.MOUNT_ATTR_RDONLY)
	case "rrw":
		o.clearAttr(unix.MOUNT_ATTR_RDONLY)
	case "rnosuid":
		o.setAttr(unix.MOUNT_ATTR_NOSUID)
	case "rsuid":
		o.clearAttr(unix.MOUNT_ATTR_NOSUID)
	case "rnodev":
		o.setAttr(unix.MOUNT_ATTR_NODEV)
	case "rdev":
		o.clearAttr(unix.MOUNT_ATTR_NODEV)
	case "rnoexec":
		o.setAttr(unix.MOUNT_ATTR_NOEXEC)
	case "rexec":
		o.clearAttr(unix.MOUNT_ATTR_NOEXEC)
	case "rnodiratime":
		o.setAttr(unix.MOUNT_ATTR_NODIRATIME)
	case "rdiratime":
		o.clearAttr(unix.MOUNT_ATTR_NODIRATIME)
	case "rnosymfollow":
		o.setAttr(unix.MOUNT_ATTR_NOSYMFOLLOW)
	case "rsymfollow":
		o.clearAttr(unix.MOUNT_ATTR_NOSYMFOLLOW)
	case "rnoatime":
		o.setAtime(unix.MOUNT_ATTR_NOATIME)
	case "rstrictatime":
		o.setAtime(unix.MOUNT_ATTR_STRICTATIME)
	case "rrelatime", "ratime", "rnostrictatime", "rnorelatime":
		// The access time is a choice of three, not a set of bits: clearing one means
		// choosing relatime, the kernel's default, also for rnorelatime, as in runc.
		o.setAtime(unix.MOUNT_ATTR_RELATIME)
	default:
		return false
	}
	return true
}

func (o *MountOptions) setAttr(a uint64)   { o.RecSet |= a; o.RecClr &^= a }
func (o *MountOptions) clearAttr(a uint64) { o.RecSet &^= a; o.RecClr |= a }

func (o *MountOptions) setAtime(a uint64) {
	o.RecSet = o.RecSet&^unix.MOUNT_ATTR__ATIME | a
	o.RecClr |= unix.MOUNT_ATTR__ATIME
}

// special handles the options that only the runtime understands.
func (o *MountOptions) special(word string) bool {
	switch word {
	case "defaults": // rw, suid, dev, exec, async: the defaults of a mount
	case "tmpcopyup":
		o.TmpCopyUp = true
	case "copy-symlink":
		o.CopySymlink = true
	case "src-nofollow":
		o.SourceNoFollow = true
	case "dest-nofollow":
		o.DestNoFollow = true
	case "idmap":
		o.IDMap, o.RIDMap = true, false
	case "ridmap":
		o.IDMap, o.RIDMap = true, true
	default:
		return false
	}
	return true
}

// MountOptionNames lists the options known here, sorted. Others are accepted too and
// passed to the file system.
func MountOptionNames() []string {
	return []string{
		"acl", "async", "atime", "bind", "copy-symlink", "defaults", "dest-nofollow", "dev", "diratime", "dirsync",
		"exec",
		"idmap", "iversion", "lazytime", "loud", "mand", "noacl", "noatime", "nodev",
		"nodiratime", "noexec", "noiversion", "nolazytime", "nomand", "norelatime",
		"nostrictatime", "nosuid", "nosymfollow", "private", "ratime", "rbind", "rdev",
		"rdiratime", "relatime", "remount", "rexec", "ridmap", "rnoatime", "rnodev",
		"rnodiratime", "rnoexec", "rnorelatime", "rnostrictatime", "rnosuid",
		"rnosymfollow", "ro", "rprivate", "rrelatime", "rro", "rrw", "rshared", "rslave",
		"rstrictatime", "rsuid", "rsymfollow", "runbindable", "rw", "shared", "silent",
		"slave", "src-nofollow", "strictatime", "suid", "symfollow", "sync", "tmpcopyup", "unbindable",
	}
}
