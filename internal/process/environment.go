package process

import (
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/plan"
)

// HomeSize is the size of the buffer for "HOME=…", which the parent may answer at
// Ready.
const HomeSize = 4096

// addEnvironment returns process.env, plus HOME if it has none: the parent looks it up in
// the container's /etc/passwd and sends it at Ready, into the room that the last
// pointer refers to.
func (c *compiler) addEnvironment() (env, home plan.Arg) {
	c.b.In(plan.Exec, "process.env")
	list := Environment(c.p.Env)
	if c.in.Listen > 0 {
		list = append(list, "LISTEN_FDS="+strconv.Itoa(c.in.Listen), "LISTEN_PID=1")
	}
	if HasHome(c.p.Env) {
		return c.b.Strs(list), c.b.Room(8)
	}
	home = c.b.Room(HomeSize)
	return c.b.Strs(list, home), home
}

// Environment returns env with each name once, at the position and with the value of
// its last entry, as in runc. An empty HOME counts as unset.
func Environment(env []string) []string {
	out := make([]string, 0, len(env)+3)
	last := make(map[string]int, len(env))
	for i, e := range env {
		name, _, _ := strings.Cut(e, "=")
		last[name] = i
	}
	for i, e := range env {
		if name, _, _ := strings.Cut(e, "="); last[name] == i && e != "HOME=" {
			out = append(out, e)
		}
	}
	return out
}

// HasHome reports whether env sets HOME to a non-empty value.
func HasHome(env []string) bool {
	home := ""
	for _, e := range env { // the last one counts
		if v, ok := strings.CutPrefix(e, "HOME="); ok {
			home = v
		}
	}
	return home != ""
}
