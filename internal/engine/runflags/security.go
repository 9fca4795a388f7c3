package runflags

import (
	"os"
	"strings"

	"github.com/minirun/minirun/internal/apparmor"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine/config"
)

// security returns the values of --security-opt. NAME:VALUE is the older form of NAME=VALUE.
func (r *reader) security() (s config.Security) {
	for _, o := range r.list("security-opt") {
		name, value, has := strings.Cut(o, "=")
		if !has {
			name, value, has = strings.Cut(o, ":")
		}
		switch {
		case name == "no-new-privileges" && (!has || value == "true"):
			s.NoNewPrivileges = true
		case name == "no-new-privileges" && value == "false":
			s.NoNewPrivileges = false
		case name == "seccomp" && value != "":
			s.Seccomp = value
			if value != "unconfined" && value != "builtin" {
				r.checkReadable(o, value)
			}
		case name == "apparmor" && value != "":
			s.AppArmor = value
			if value != "unconfined" && !apparmor.Enabled() {
				r.fail("security-opt", o, "this kernel does not use AppArmor")
			}
		case name == "systempaths" && value == "unconfined":
			s.Unmasked = true
		case name == "label" && value == "disable": // minirun sets no label
		case name == "label" && has:
			r.fail("security-opt", o, "minirun does not choose SELinux labels\n"+
				"hint: use a bundle, and set process.selinuxLabel in config.json")
		default:
			r.fail("security-opt", o, "must be no-new-privileges, seccomp=unconfined|FILE, apparmor=PROFILE or "+
				"systempaths=unconfined")
		}
	}
	return s
}

func (r *reader) checkReadable(option, path string) {
	f, err := os.Open(path)
	if err != nil {
		r.fail("security-opt", option, "%v", err)
		return
	}
	f.Close()
}

// namespaces returns which namespaces the container shares.
func (r *reader) namespaces() config.Namespaces {
	n := config.Namespaces{IPC: r.text("ipc"), PID: r.text("pid"), UTS: r.text("uts"), Cgroup: r.text("cgroupns")}
	for _, c := range []struct {
		flag, value, want string
		allowed           []string
		joins             bool
	}{
		{"ipc", n.IPC, "private, none or host\nhint: a volume on /dev/shm shares memory between containers",
			[]string{"private", "none", "host"}, false},
		{"pid", n.PID, "host or container:NAME", []string{"host"}, true},
		{"uts", n.UTS, "host", []string{"host"}, false},
		{"cgroupns", n.Cgroup, "private or host", []string{"private", "host"}, false},
		{"userns", r.text("userns"), "host, since minirun maps users only without root", []string{"host"}, false},
	} {
		if c.value != "" && !isAllowed(c.value, c.allowed, c.joins) {
			r.fail(c.flag, c.value, "must be %s", c.want)
		}
	}
	return n
}

func isAllowed(value string, allowed []string, joins bool) bool {
	for _, a := range allowed {
		if a == value {
			return true
		}
	}
	name, ok := strings.CutPrefix(value, "container:")
	return ok && joins && record.CheckID(name) == nil
}
