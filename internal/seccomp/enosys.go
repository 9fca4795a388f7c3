// enosys.go makes calls that are newer than the profile fail with ENOSYS.
//
// A C library tries a new call first and falls back to an old one when the kernel
// returns ENOSYS. A profile written before the call existed does not list it, so its
// default action (EPERM, or death) would break programs that are not even aware of
// seccomp. runc returns ENOSYS for every number above the highest one that the profile
// names on the architecture, and engines rely on it.
//
// As in runc, this is done only for default actions that refuse a call: KILL, TRAP and
// ERRNO. runc 1.1 leaves gaps, which this pass does not: runc looks only at the listed
// architectures, so an empty list omits the native one; and ARM's private calls, whose
// numbers are far above all others, hide the new ones from it.

package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// enosys is returned for calls that the profile cannot know.
const enosys = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.ENOSYS)

func addENOSYS(tables []table, defaultRet uint32) {
	switch defaultRet & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_KILL_THREAD, unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_TRAP, unix.SECCOMP_RET_ERRNO:
	default:
		return
	}
	for i := range tables {
		t := &tables[i]
		if t.newest < 0 {
			continue // no call is listed: the profile does not cover this architecture
		}
		at := len(t.spans)
		for at > 0 && t.arch.isPrivate(t.spans[at-1].first) {
			at--
		}
		_, last := t.arch.numbers()
		if at < len(t.spans) {
			last = armPrivate - 1
		}
		t.spans = slices.Insert(t.spans, at, span{uint32(t.newest + 1), last, outcome{ret: enosys}})
	}
}
