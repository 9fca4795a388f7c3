package explain

import (
	"cmp"
	"slices"
)

// A Start is what `run` of the image executes.
type Start struct {
	Argv       []string `json:"argv"`
	Entrypoint []string `json:"entrypoint"`
	Cmd        []string `json:"cmd"`
	User       string   `json:"user"`
	WorkingDir string   `json:"working_dir"`
	StopSignal string   `json:"stop_signal"`
	Rule       string   `json:"rule"`           // how argv is built from the two
	Form       string   `json:"form"`           // "exec", "shell", or "" for no command
	Means      string   `json:"means"`          // what the form means for signals
	Trap       string   `json:"trap,omitempty"` // a likely mistake
}

func describeStart(r *Report) Start {
	c := &r.Config.Config
	s := Start{
		Argv: cloneList(r.Argv), Entrypoint: cloneList(c.Entrypoint), Cmd: cloneList(c.Cmd),
		User: cmp.Or(c.User, "root"), WorkingDir: cmp.Or(c.WorkingDir, "/"),
		StopSignal: cmp.Or(c.StopSignal, "SIGTERM"),
	}
	switch entry, cmd := len(s.Entrypoint) > 0, len(s.Cmd) > 0; {
	case !entry && !cmd:
		s.Rule = "The image has no ENTRYPOINT and no CMD: run needs a program as an argument."
	case !entry:
		s.Rule = "CMD is the command, because there is no ENTRYPOINT. Arguments to run replace all of it."
	case !cmd:
		s.Rule = "ENTRYPOINT is the program. Arguments to run are appended."
	default:
		s.Rule = "ENTRYPOINT is the program, and CMD its default arguments. Arguments to run replace CMD."
	}
	if len(s.Argv) == 0 {
		return s
	}
	s.Form, s.Means = "exec", "Exec form: the program is process 1 and receives the signals."
	if isShellForm(s.Argv, c.Shell) {
		s.Form = "shell"
		s.Means = "Shell form: " + formatList(s.Argv[:2]) +
			" runs the command. The shell is process 1 and may not forward signals " +
			"to the program. Use the exec form, [\"program\", \"argument\"], or start the command with exec."
	}
	switch {
	case isShellForm(s.Entrypoint, c.Shell) && len(s.Cmd) > 0:
		s.Trap = "ENTRYPOINT is in shell form, so CMD becomes $0, $1, … of the shell and does not reach the program."
	case len(s.Entrypoint) > 0 && isShellForm(s.Cmd, c.Shell):
		s.Trap = "CMD is in shell form, so ENTRYPOINT receives " + formatList(s.Cmd[:2]) +
			" and the command as arguments."
	}
	return s
}

// isShellForm reports whether a list is the result of the shell form: the shell, plus one string.
func isShellForm(argv, shell []string) bool {
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	return len(shell) > 1 && len(argv) > len(shell) && slices.Equal(argv[:len(shell)], shell)
}

func cloneList(list []string) []string { return append([]string{}, list...) }
