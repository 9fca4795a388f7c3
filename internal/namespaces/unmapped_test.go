package namespaces

import (
	"strings"
	"testing"
)

// TestMissingIDsAreExplained: the cause and the command depend on what the user already has, and a new
// range overlaps no other.
func TestMissingIDsAreExplained(t *testing.T) {
	const others = "other:100000:65536\nlast:300000:1000\nbroken\n"
	const own = others + "me:400000:100\n"
	for _, c := range []struct {
		ids         missingIDs
		cause, hint string
	}{
		{missingIDs{name: "me", uid: 1000, isLogin: true, hasPrograms: true},
			"user me has no range of IDs in /etc/subuid and /etc/subgid",
			"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 me"},
		{missingIDs{name: "me", uid: 1000, isLogin: true, hasPrograms: true, subuid: others, subgid: others},
			"has no range", "sudo usermod --add-subuids 301000-366535 --add-subgids 301000-366535 me"},
		{missingIDs{name: "me", uid: 1000, isLogin: true, hasPrograms: true, subuid: own, subgid: others},
			"has no range", "--add-subuids 400100-465635"},
		{missingIDs{name: "me", uid: 1000, isLogin: true, hasPrograms: true, subuid: own, subgid: own},
			"the ranges of user me in /etc/subuid and /etc/subgid are too small", "--add-subuids 400100-465635"},
		{missingIDs{name: "me", uid: 1000, isLogin: true, subuid: own, subgid: own},
			"newuidmap and newgidmap, which map the ranges in /etc/subuid, are not installed",
			"install them (Debian: sudo apt-get install uidmap)"},
		{missingIDs{name: "me", uid: 1000, isLogin: true},
			"has no range", "install newuidmap and newgidmap (Debian: sudo apt-get install uidmap); then sudo usermod "},
		{missingIDs{name: "54321", hasPrograms: true},
			"user 54321 has no range", "add the line 54321:100000:65536 to /etc/subuid and /etc/subgid"},
	} {
		cause, hint, _ := strings.Cut(c.ids.explain(), "\nhint: ")
		if !strings.Contains(cause, c.cause) || !strings.Contains(hint, c.hint) || strings.Contains(hint, "\n") {
			t.Errorf("%+v: %s, hint: %s", c.ids, cause, hint)
		}
	}
}
