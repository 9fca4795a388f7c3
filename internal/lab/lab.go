// Package lab is `minirun lab`: it starts labs, has the kernel asked what they demand, and keeps the
// learner's progress. What a lab is comes from package course, where it is from package workspace, and
// what is asked from package predicate.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/predicate"
	"github.com/minirun/minirun/internal/lab/progress"
	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/lab/workspace"
)

// A Session is one learner with a course.
type Session struct {
	Course  *course.Course
	Learner *workspace.Learner
	Store   progress.Store
	Minirun string // path of the runtime
	Chooser course.Chooser
}

// ErrNotStarted is the cause if a lab is checked, solved or entered that was not started.
var ErrNotStarted = errors.New("the lab is not started")

func notStarted(l *course.Lab) error {
	return fmt.Errorf("lab %s: %w\nhint: minirun lab start %[1]s", l.Number, ErrNotStarted)
}

// NewSession returns the session of the learner of this process.
func NewSession(c *course.Course, minirun string) (*Session, error) {
	l, err := workspace.FindLearner()
	if err != nil {
		return nil, err
	}
	return &Session{Course: c, Learner: l, Store: l.Progress(), Minirun: minirun}, nil
}

// Workspace returns the place of a lab with the learner's values.
func (s *Session) Workspace(l *course.Lab, values map[string]string) *workspace.Workspace {
	return &workspace.Workspace{Lab: l, Learner: s.Learner, Values: values, Minirun: s.Minirun}
}

// Started returns the place of a lab that was started, with its progress.
func (s *Session) Started(l *course.Lab) (*workspace.Workspace, *progress.Lab, error) {
	f, err := s.Store.Read()
	if err != nil {
		return nil, nil, err
	}
	p := f.Labs[l.Dir]
	if p == nil {
		return nil, nil, notStarted(l)
	}
	return s.Workspace(l, p.Values), p, nil
}

// Start brings a lab into its start state. The progress is written first: if this process is killed,
// the next start or reset knows the values. A lab that was started before keeps them.
func (s *Session) Start(ctx context.Context, l *course.Lab) (*workspace.Workspace, error) {
	var values map[string]string
	err := s.Store.Change(func(f *progress.File) error {
		f.Current = l.Dir
		p := f.Labs[l.Dir]
		if p == nil {
			chosen, err := s.Chooser.Choose(l)
			if err != nil {
				return err
			}
			p = &progress.Lab{Started: time.Now().UTC().Truncate(time.Second), Values: chosen}
			s.Store.Mark(l.Dir, p, progress.Started, time.Now())
			f.Labs[l.Dir] = p
		}
		values = p.Values
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("write the progress: %w", err)
	}
	w := s.Workspace(l, values)
	return w, w.Start(ctx)
}

// A Result is the answer to one check.
type Result struct {
	ID      string
	Kind    string
	Failure *scene.Failure // nil: it holds, or was not asked
	Skipped words.Text     // why it was not asked
}

// A Report has the answers to all checks of a lab.
type Report struct {
	Results []Result
	Values  map[string]string // those of the lab that was checked
}

// Passed reports whether all checks hold.
func (r *Report) Passed() bool {
	for _, one := range r.Results {
		if one.Failure != nil {
			return false
		}
	}
	return true
}

// Check asks everything that a lab demands.
func (s *Session) Check(ctx context.Context, w *workspace.Workspace) (*Report, error) {
	checks, err := predicate.Parse(w.Lab, w.Values)
	if err != nil {
		return nil, fmt.Errorf("lab.yaml: %w", err)
	}
	at, err := w.Scene(nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(at.Work) }()
	r := &Report{Values: w.Values}
	for _, c := range checks {
		result, err := ask(ctx, c, at)
		if err != nil {
			return nil, err
		}
		r.Results = append(r.Results, result)
	}
	return r, ctx.Err()
}

// ask asks one check.
func ask(ctx context.Context, c predicate.Check, at *scene.Scene) (Result, error) {
	failure, err := c.Predicate.Holds(ctx, at)
	var skipped *scene.Skipped
	switch {
	case errors.As(err, &skipped):
		return Result{ID: c.ID, Kind: c.Kind, Skipped: skipped.Reason}, nil
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH): // it ended while it was looked at
		failure = &scene.Failure{Expected: words.New("a container that runs while it is checked"),
			Found: words.New("%v", err), Look: "./minirun list; ./minirun ps -a"}
	case err != nil:
		return Result{}, fmt.Errorf("check %s (%s): %w", c.ID, c.Kind, err)
	}
	return Result{ID: c.ID, Kind: c.Kind, Failure: failure}, nil
}

// Record keeps that a lab was checked, and with success that it is passed. A lab whose solution was
// shown stays seen.
func (s *Session) Record(l *course.Lab, r *Report) error {
	return s.Edit(l, func(p *progress.Lab) {
		p.Checks++
		if r.Passed() && (p.State == progress.Started || !s.Store.Genuine(l.Dir, p)) {
			s.Store.Mark(l.Dir, p, progress.Passed, time.Now())
		}
	})
}

// Edit changes the progress of a lab that was started.
func (s *Session) Edit(l *course.Lab, change func(p *progress.Lab)) error {
	return s.Store.Change(func(f *progress.File) error {
		p := f.Labs[l.Dir]
		if p == nil {
			return notStarted(l)
		}
		change(p)
		return nil
	})
}

// Current returns the lab that was started last, nil if none was.
func (s *Session) Current() (*course.Lab, error) {
	f, err := s.Store.Read()
	if err != nil || f.Current == "" {
		return nil, err
	}
	l, err := s.Course.Find(f.Current)
	if errors.Is(err, course.ErrNoLab) { // of another version
		return nil, nil
	}
	return l, err
}
