// Package workspace is a learner's lab on this machine: the files to edit, the runtime's directories,
// the images, and everything that a reset removes.
//
//	learner.go    whose files they are
//	workspace.go  the places
//	start.go      the start state
//	bundle.go     generated bundles
//	reset.go      back to nothing, whenever something was killed
package workspace

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/lab/progress"
)

// A Learner is the user whose labs they are: under sudo the user who called it.
type Learner struct {
	Name     string
	UID, GID int
	Home     string
	ID       string // of the directories for containers and images: the user ID
}

// FindLearner returns the learner of this process.
func FindLearner() (*Learner, error) {
	uid := os.Geteuid()
	if caller := os.Getenv("SUDO_UID"); uid == 0 && caller != "" {
		n, err := strconv.Atoi(caller)
		if err != nil {
			return nil, fmt.Errorf("SUDO_UID %q is not a number", caller)
		}
		uid = n
	}
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	l := &Learner{Name: u.Username, UID: uid, GID: gid, Home: u.HomeDir, ID: strconv.Itoa(uid)}
	if home := os.Getenv("HOME"); uid == os.Geteuid() && home != "" {
		l.Home = home
	}
	if l.Home == "" {
		return nil, errors.New("the user has no home directory for the labs\nhint: set HOME")
	}
	return l, nil
}

// Labs returns the directory with the labs' files.
func (l *Learner) Labs() string { return filepath.Join(l.Home, "minirun-labs") }

// Progress returns the place of the progress file (XDG Base Directory Specification).
func (l *Learner) Progress() progress.Store {
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" || l.UID != os.Geteuid() || l.isTest() || !filepath.IsAbs(state) {
		state = filepath.Join(l.Home, ".local", "state")
	}
	machine, _ := os.ReadFile("/etc/machine-id") // without one proofs are weaker
	return progress.Store{Path: filepath.Join(state, "minirun", "labs.json"), UID: l.UID, GID: l.GID,
		Machine: strings.TrimSpace(string(machine))}
}

// testPrefix begins the ID of a learner of a test.
const testPrefix = "test-"

// ForTest returns a learner with the same user and a separate home, so that a test of labs touches
// nothing of the user's.
func (l *Learner) ForTest(home string) *Learner {
	return &Learner{Name: l.Name, UID: l.UID, GID: l.GID, Home: home, ID: testPrefix + filepath.Base(home)}
}

func (l *Learner) isTest() bool { return strings.HasPrefix(l.ID, testPrefix) }
