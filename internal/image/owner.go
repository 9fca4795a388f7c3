package image

import (
	"fmt"
	"strings"
)

const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// An Owner is USER[:GROUP] as used by COPY --chown and WORKDIR.
type Owner struct {
	UID, GID uint32

	// Unknown is the error for a name that is missing from an /etc/passwd or /etc/group that
	// exists. An unknown user is treated as root, and an unknown group as the user's group.
	Unknown error
}

// LookUpOwner finds the owner USER[:GROUP] in the image's /etc/passwd and /etc/group. Unlike a user
// for RUN, a number without a group is also used as the group, and names do not require the files:
// without /etc/passwd every user is root, and without /etc/group every group is the user's.
func LookUpOwner(s Stack, who string) (Owner, error) {
	userText, groupText, _ := strings.Cut(who, ":")
	var out Owner
	user, err := parseUserName(orRoot(userText))
	if err != nil {
		return out, fmt.Errorf("user %q: %w", who, err)
	}
	if user.numeric {
		out.UID, out.GID = user.id, user.id
	} else if err := out.find(s, passwdFile, user); err != nil {
		return out, fmt.Errorf("user %q: %w", who, err)
	}
	if groupText == "" {
		return out, nil
	}
	group, err := parseUserName(groupText)
	if err != nil {
		return out, fmt.Errorf("group %q: %w", groupText, err)
	}
	if group.numeric {
		out.GID = group.id
	} else if err := out.find(s, groupFile, group); err != nil {
		return out, fmt.Errorf("group %q: %w", groupText, err)
	}
	return out, nil
}

func orRoot(user string) string {
	if user == "" {
		return "0"
	}
	return user
}

// find takes the IDs from the entry of a name. In an empty image only root has a name.
func (o *Owner) find(s Stack, file string, name userName) error {
	data, err := s.ReadFile(file, maxUsers)
	if err != nil {
		return err
	}
	group := file == groupFile
	entries, err := parseAccounts(data, group, name.matches)
	switch {
	case err != nil:
		return err
	case len(s) == 0 && name.text == "root":
		entries = []account{{ids: []uint32{0, 0}}}
	case len(s) == 0:
		return fmt.Errorf("the image is empty and has no %s (use a numeric ID)", file)
	case len(entries) == 0:
		o.noteUnknown(s, file, name)
		return nil
	}
	ids := entries[0].ids
	if !group {
		o.UID = ids[0]
	}
	o.GID = ids[len(ids)-1]
	return nil
}

// noteUnknown records that a name has no entry, if the file that could contain it exists.
func (o *Owner) noteUnknown(s Stack, file string, name userName) {
	if _, _, err := s.Resolve(file); err != nil || o.Unknown != nil {
		return
	}
	kind, short := "user", "passwd"
	if file == groupFile {
		kind, short = "group", "group"
	}
	o.Unknown = fmt.Errorf("%s %q: no matching entries in %s file (the image's %s)", kind, name.text, short, file)
}
