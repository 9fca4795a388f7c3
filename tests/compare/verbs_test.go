// The effect of a runtime on a running container: other commands, and what systemd reports about its
// scope.
package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// verbs runs additional command lines, in which ID is the container's, while the probe waits, or
// before the start. For each:
//
//	did.0 pause.exit      its exit status
//	did.0 pause.stdout    its output: for JSON the names, see keys; otherwise the text
//	did.0 pause.cgroup.*  the settings of the cgroup that it changed
//	did.0 pause.unit.*    the properties of the scope that it changed
func (r *run) verbs(when string, lines [][]string) {
	before := r.settings("")
	for i, words := range lines {
		prefix := fmt.Sprintf("%s.%d %s.", when, i, words[0])
		args := make([]string, len(words))
		for i, word := range words {
			args[i] = strings.ReplaceAll(strings.ReplaceAll(word, "ID", r.b.id), "BUNDLE", r.b.dir)
		}
		var stderr bytes.Buffer
		cmd := r.b.rt.command(nil, args...)
		cmd.Stderr = &stderr
		out, _ := cmd.Output()
		r.fields.set(prefix+"exit", exitWord(cmd))
		if stderr.Len() > 0 {
			r.b.t.Logf("%s: %s: %s", r.b.rt.name, words[0], strings.TrimSpace(stderr.String()))
		}
		if words[0] == "state" {
			r.n.state(r.fields, prefix+"state.", string(out))
		} else if !r.keys(prefix+"stdout", out) {
			r.fields.set(prefix+"stdout", r.n.text(processList.ReplaceAllString(processNumbers.ReplaceAllString(string(out), "PID "), "[PIDs]")))
		}
		after := r.settings("")
		for name, value := range after {
			if before[name] != value {
				r.fields.set(prefix+name, value)
			}
		}
		before = after
	}
}

// processNumbers matches the process IDs in the output of ps.
var (
	processNumbers = regexp.MustCompile(`(?m)^ *\d+ `)
	processList    = regexp.MustCompile(`^\[[\d,]+\]`)
)

// settings returns the current settings of the container's cgroup and scope.
func (r *run) settings(prefix string) Fields {
	fields := Fields{}
	r.n.cgroups(fields, prefix, fmt.Sprintf("/proc/%d/", r.n.pid))
	r.n.unit(fields, r.n.pid)
	for name := range fields {
		if strings.HasSuffix(name, ".processes") || strings.Contains(name, ".sub-group ") {
			delete(fields, name) // those of an exec may not have been removed yet
		}
	}
	return fields
}

// keys adds a field for each name in a JSON object, with its value if it is a limit and its type
// otherwise: usage changes all the time.
func (r *run) keys(prefix string, text []byte) bool {
	var object map[string]any
	if json.Unmarshal(text, &object) != nil {
		return false
	}
	r.flatten(prefix, object)
	return true
}

func (r *run) flatten(name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		if strings.HasSuffix(name, "throttling") {
			return // counters: runc omits those that are 0
		}
		for key, inner := range v {
			r.flatten(name+"."+key, inner)
		}
	case []any:
		r.fields.set(name, "list")
	case float64:
		if strings.Contains(strings.ToLower(name), "limit") {
			r.fields.set(name, fmt.Sprintf("%.0f", v))
		} else {
			r.fields.set(name, "number")
		}
	default:
		r.fields.set(name, r.n.text(fmt.Sprint(v)))
	}
}

// properties lists the properties of a scope that a runtime sets, or that a user would check.
const properties = "Slice,Delegate,DefaultDependencies,DevicePolicy,MemoryMax,MemoryLow,MemorySwapMax,MemoryAccounting,CPUAccounting,IOAccounting,TasksAccounting," +
	"CPUWeight,CPUQuotaPerSecUSec,CPUQuotaPeriodUSec,TasksMax,AllowedCPUs,AllowedMemoryNodes,IOWeight,TimeoutStopUSec,CollectMode,KillMode,ActiveState,SubState,Transient,OOMPolicy"

// unit adds the properties of a container's scope, if its cgroup is one.
func (n *normaliser) unit(fields Fields, pid int) {
	_, path, _ := strings.Cut(strings.TrimSpace(readOr(fmt.Sprintf("/proc/%d/cgroup", pid))), "::")
	parts := strings.Split(path, "/")
	name := parts[len(parts)-1]
	if !strings.HasSuffix(name, ".scope") || !strings.Contains(name, box.tag) {
		return
	}
	words := []string{"systemctl", "show", "--property=" + properties, "--", name}
	if n.rt.user != 0 {
		words = append(n.rt.demotion(), append([]string{"systemctl", "--user"}, words[1:]...)...)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, n.rt.env...)
	out, err := cmd.Output()
	if err != nil {
		fields.set("unit.error", err)
	}
	fields.set("unit.name", n.text(name))
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			fields.set("unit."+name, n.text(value))
		}
	}
}
