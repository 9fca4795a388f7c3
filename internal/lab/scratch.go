package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/course"
)

// scratchPrefix begins the name of a home directory for a test of labs or a check of a runtime.
const scratchPrefix = "minirun-lab-"

// scratch returns a session of the same user with a separate home, and a function that removes it. The
// home is locked: if it is not, its process was killed.
func (s *Session) scratch() (*Session, func(), error) {
	home, err := os.MkdirTemp("", scratchPrefix)
	if err != nil {
		return nil, nil, err
	}
	err = errors.Join(os.Chmod(home, 0o755), os.Chown(home, s.Learner.UID, s.Learner.GID))
	var lock *os.File
	if err == nil {
		lock, err = s.lockScratch(home)
	}
	if err != nil {
		_ = os.RemoveAll(home)
		return nil, nil, err
	}
	remove := func() {
		_ = os.RemoveAll(home)
		_ = lock.Close()
	}
	return s.in(home), remove, nil
}

// in returns the session of the same user with another home.
func (s *Session) in(home string) *Session {
	learner := s.Learner.ForTest(home)
	return &Session{Course: s.Course, Learner: learner, Store: learner.Progress(), Minirun: s.Minirun, Chooser: s.Chooser}
}

// errInUse is the error of lockScratch if a process uses the directory, or it belongs to another user.
var errInUse = errors.New("the directory is in use")

// lockScratch locks a home directory of the user for as long as the file is open.
func (s *Session) lockScratch(home string) (*os.File, error) {
	fd, err := unix.Open(home, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: home, Err: err}
	}
	f := os.NewFile(uintptr(fd), home)
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && int(st.Uid) != s.Learner.UID {
		err = errInUse
	}
	if err == nil && unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		err = errInUse
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// RemoveAbandoned removes what tests and checks of the user have left that were killed.
func (s *Session) RemoveAbandoned(ctx context.Context) error {
	homes, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*"))
	if err != nil {
		return err
	}
	for _, home := range homes {
		lock, err := s.lockScratch(home)
		if err != nil { // in use, another user's, or not a directory
			continue
		}
		err = s.in(home).removeLabs(ctx)
		if err == nil {
			err = os.RemoveAll(home)
		}
		_ = lock.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// removeLabs removes everything of all labs that were started, with the learner's files.
func (s *Session) removeLabs(ctx context.Context) error {
	f, err := s.Store.Read()
	if err != nil {
		return nil // it was killed before it wrote it
	}
	for dir, p := range f.Labs {
		l, err := s.Course.Find(dir)
		if err != nil { // a teacher's
			l = &course.Lab{Dir: dir}
		}
		if err := s.Workspace(l, p.Values).Remove(ctx); err != nil {
			return err
		}
	}
	return nil
}
