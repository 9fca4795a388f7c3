package image

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"syscall"

	"github.com/moby/sys/user"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// maxUsers bounds what is read of an image's /etc/passwd and /etc/group: they are
// whatever the image's author wanted them to be.
const maxUsers = 1 << 20

// LookUp finds the user USER[:GROUP] in the image's own /etc/passwd and
// /etc/group. "" is root, with root's groups there, as in Docker.
func LookUp(s Stack, who string) (specs.User, error) {
	passwd, err := s.ReadFile("/etc/passwd", maxUsers)
	if err != nil {
		return specs.User{}, fmt.Errorf("user %q: %w", who, err)
	}
	group, err := s.ReadFile("/etc/group", maxUsers)
	if err != nil {
		return specs.User{}, fmt.Errorf("user %q: %w", who, err)
	}
	found, err := user.GetExecUser(who, &user.ExecUser{}, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return specs.User{}, fmt.Errorf("user %q: %w: it is looked up in the image's /etc/passwd and /etc/group", who, err)
	}
	out := specs.User{UID: uint32(found.Uid), GID: uint32(found.Gid)}
	for _, g := range found.Sgids {
		if g < 0 || g > math.MaxInt32 {
			return specs.User{}, fmt.Errorf("user %q: /etc/group in the image gives it the group %d", who, g)
		}
		out.AdditionalGids = append(out.AdditionalGids, uint32(g))
	}
	return out, nil
}

func deviceOf(info fs.FileInfo) (uint64, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Rdev, true
}
