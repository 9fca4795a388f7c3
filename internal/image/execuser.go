package image

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// This file looks users up as Docker does (github.com/moby/sys/user, GetExecUser), but parses
// numbers strictly. Docker truncates a 64-bit ID to 32 bits and takes one that is not a number as
// 0: an image's entry "app:x:4294967296:…" or "app:x:root:…" would be root (CVE-2024-40635).

const (
	// maxGivenID is the largest ID that can be given as a number, as in Docker.
	maxGivenID = math.MaxInt32
	// maxID is the largest valid ID: 4294967295 means "no change" to setresuid(2), and the process
	// would stay root.
	maxID = math.MaxUint32 - 1
)

// A userName is a user or group as it was given: a number or a name.
type userName struct {
	text    string
	id      uint32
	numeric bool
}

func parseUserName(text string) (userName, error) {
	if strings.Trim(strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+"), "0123456789") != "" || text == "" {
		return userName{text: text}, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > maxGivenID {
		return userName{}, fmt.Errorf("%s: IDs must be from 0 to %d", text, maxGivenID)
	}
	return userName{text, uint32(n), true}, nil
}

// An account is an entry of /etc/passwd or /etc/group.
type account struct {
	name    string
	ids     []uint32 // uid and gid, or gid
	members []string
}

// parseAccounts parses /etc/passwd, or /etc/group if group is set. A malformed entry is an error
// only if wanted returns true for it, since the others are not used.
func parseAccounts(data []byte, group bool, wanted func(account) bool) (out []account, err error) {
	ids, file := 2, "/etc/passwd"
	if group {
		ids, file = 1, "/etc/group"
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		fields := strings.Split(line, ":")
		a := account{name: fields[0]}
		if a.name == "" {
			continue
		}
		var bad error
		for i := range ids {
			var n uint32
			if len(fields) < 3+i {
				bad = errors.New("has too few fields")
			} else if n, bad = parseEntryID(fields[2+i]); bad == nil {
				a.ids = append(a.ids, n)
			}
			if bad != nil {
				break
			}
		}
		if group && len(fields) > 3 {
			a.members = strings.Split(fields[3], ",")
		}
		switch {
		case !wanted(a):
		case bad != nil:
			return nil, fmt.Errorf("its entry %q in %s %w", line, file, bad)
		default:
			out = append(out, a)
		}
	}
	return out, nil
}

func parseEntryID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > maxID {
		return 0, fmt.Errorf("has the ID %q, which must be a number from 0 to %d", text, maxID)
	}
	return uint32(n), nil
}

func (u userName) matches(a account) bool {
	if u.numeric {
		return len(a.ids) > 0 && a.ids[0] == u.id
	}
	return a.name == u.text
}

// execUser finds the user USER[:GROUP] in the contents of /etc/passwd and /etc/group. The primary
// group is also one of the additional groups. Otherwise a process could drop it and then access
// files whose mode excludes the group (CVE-2022-36109, CVE-2023-25173).
func execUser(who string, passwd, group []byte) (specs.User, error) {
	userText, groupText, _ := strings.Cut(who, ":")
	wanted, err := parseUserName(userText)
	if err != nil {
		return specs.User{}, err
	}
	if userText == "" {
		wanted = userName{numeric: true}
	}
	entries, err := parseAccounts(passwd, false, wanted.matches)
	if err != nil {
		return specs.User{}, err
	}
	out, name := specs.User{UID: wanted.id}, ""
	if len(entries) > 0 { // the first one counts
		name, out.UID, out.GID = entries[0].name, entries[0].ids[0], entries[0].ids[1]
	} else if !wanted.numeric {
		return specs.User{}, errors.New("no matching entries in passwd file")
	}
	if groupText != "" {
		out.GID, err = execGroup(groupText, group)
		out.AdditionalGids = []uint32{out.GID}
		return out, err
	}
	out.AdditionalGids = []uint32{out.GID}
	if name == "" {
		return out, nil
	}
	memberships, err := parseAccounts(group, true, func(a account) bool { return slices.Contains(a.members, name) })
	for _, g := range memberships {
		if !slices.Contains(out.AdditionalGids, g.ids[0]) {
			out.AdditionalGids = append(out.AdditionalGids, g.ids[0])
		}
	}
	return out, err
}

// execGroup finds a group given by name or number.
func execGroup(text string, group []byte) (uint32, error) {
	wanted, err := parseUserName(text)
	if err != nil {
		return 0, err
	}
	entries, err := parseAccounts(group, true, wanted.matches)
	switch {
	case err != nil:
		return 0, err
	case len(entries) > 0:
		return entries[0].ids[0], nil
	case !wanted.numeric:
		return 0, fmt.Errorf("group %q: no matching entries in group file", text)
	}
	return wanted.id, nil
}
