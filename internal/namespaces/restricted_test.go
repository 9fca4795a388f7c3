package namespaces

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRefusedUserNamespaces(t *testing.T) {
	free := UserNamespaceSettings{Limit: "100", Debian: "1", Restricted: "0"}
	none := UserNamespaceSettings{Limit: "0", Debian: "1"}
	debian := UserNamespaceSettings{Limit: "100", Debian: "0"}
	ubuntu := UserNamespaceSettings{Limit: "100", Restricted: "1"}
	for _, c := range []struct {
		s             UserNamespaceSettings
		root, created bool
		errno         unix.Errno
		want          string
	}{
		{free, false, false, unix.EPERM, ""},
		{free, false, true, unix.EPERM, ""},
		{free, false, false, unix.ENOSPC, ""},
		{none, false, false, unix.ENOSPC, "sysctl user.max_user_namespaces=10000"},
		{none, true, false, unix.ENOSPC, "sysctl user.max_user_namespaces=10000"},
		{none, false, false, unix.EINVAL, ""},
		{debian, false, false, unix.EPERM, "sysctl kernel.unprivileged_userns_clone=1"},
		{debian, true, false, unix.EPERM, ""},
		{debian, false, true, unix.EPERM, ""},
		{ubuntu, false, true, unix.EPERM, "apparmor_restrict_unprivileged_userns=0"},
		{ubuntu, false, true, unix.EACCES, "apparmor_restrict_unprivileged_userns=0"},
		{ubuntu, true, true, unix.EPERM, ""},
		{ubuntu, false, true, unix.ENOENT, ""},
	} {
		if got := c.s.explain(c.root, c.created, c.errno); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%+v, root %t, created %t, %v: %q, want %q", c.s, c.root, c.created, c.errno, got, c.want)
		}
	}
}

func TestUserNamespaceSettingsAreNumbers(t *testing.T) {
	s := ReadUserNamespaceSettings()
	for _, value := range []string{s.Limit, s.Debian, s.Restricted} {
		if _, err := strconv.Atoi(value); value != "" && err != nil {
			t.Errorf("%q", value)
		}
	}
	if s.Limit == "" {
		t.Error("every kernel with user namespaces has a limit")
	}
}
