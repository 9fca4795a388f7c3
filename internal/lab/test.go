package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/workspace"
)

// Test proves that a lab works: its start state fails, its reference solution passes, each wrong
// solution and each spoof fails at the checks that it names, and reset restores the start state.
func (s *Session) Test(ctx context.Context, l *course.Lab, out io.Writer) (failed error) {
	wrong, err := l.Wrong()
	if err != nil {
		return err
	}
	s, remove, err := s.scratch()
	if err != nil {
		return err
	}
	defer remove()
	variants := append([]course.Variant{{Dir: "start"}, l.Solution()}, wrong...)
	for _, v := range variants {
		err := s.testVariant(ctx, l, v)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s, %s: %w", l.Dir, v.Dir, err))
			fmt.Fprintf(out, "FAIL  %-16s %-28s %v\n", l.Dir, v.Dir, strings.ReplaceAll(err.Error(), "\n", "\n      "))
			continue
		}
		fmt.Fprintf(out, "ok    %-16s %s\n", l.Dir, v.Dir)
	}
	f, err := s.Store.Read()
	if err != nil {
		return err
	}
	if p := f.Labs[l.Dir]; p != nil {
		failed = errors.Join(failed, s.Workspace(l, p.Values).Leave(context.WithoutCancel(ctx)))
	}
	return failed
}

// testVariant starts a lab, does what a variant does, and compares the checks that fail.
func (s *Session) testVariant(ctx context.Context, l *course.Lab, v course.Variant) error {
	w, err := s.Start(ctx, l)
	if err != nil {
		return err
	}
	output := ""
	if v.Dir != "start" {
		output, err = perform(ctx, w, v)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, output)
		}
	}
	r, err := s.Check(ctx, w)
	if err != nil {
		return err
	}
	var failing, skipped []string
	for _, one := range r.Results {
		switch {
		case one.Failure != nil:
			failing = append(failing, one.ID)
		case one.Skipped.Format != "": // it cannot be asked on this machine
			skipped = append(skipped, one.ID)
		}
	}
	switch {
	case v.Dir == "solution" && len(failing) > 0:
		return fmt.Errorf("fails: %s\n%s%s", failing, describe(r), output)
	case v.Dir == "start" && len(failing) == 0:
		return errors.New("the start state passes")
	}
	for _, id := range v.Fails {
		if !slices.Contains(failing, id) && !slices.Contains(skipped, id) {
			return fmt.Errorf("check %s holds, but must fail (failing: %s)\n%s%s", id, failing, describe(r), output)
		}
	}
	return nil
}

// perform copies a variant's files and runs its script.
func perform(ctx context.Context, w *workspace.Workspace, v course.Variant) (output string, err error) {
	if err := w.Apply(v); err != nil || !v.Script {
		return "", err
	}
	script, err := w.Script(v)
	if err != nil {
		return "", err
	}
	output, err = w.Run(ctx, script)
	if err != nil {
		return output, fmt.Errorf("%s/do.sh: %w", v.Dir, err)
	}
	return output, nil
}

// describe returns the failed checks for a person who writes a lab.
func describe(r *Report) string {
	var b strings.Builder
	for _, one := range r.Results {
		if f := one.Failure; f != nil {
			fmt.Fprintf(&b, "%s: expected %s, found %s\n", one.ID, fmt.Sprintf(f.Expected.Format, f.Expected.Args...),
				fmt.Sprintf(f.Found.Format, f.Found.Args...))
		}
	}
	return b.String()
}
