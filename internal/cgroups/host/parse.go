package host

import "strings"

// parseProcCgroup parses /proc/self/cgroup (cgroups(7)), lines of ID:CONTROLLERS:PATH:
// v1 is the path by v1 controller, v2 the one in the v2 tree, "" if there is none.
func parseProcCgroup(table string) (v1 map[string]string, v2 string) {
	v1 = map[string]string{}
	for line := range strings.Lines(table) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(fields) < 3:
		case fields[1] == "":
			v2 = fields[2]
		default:
			for controller := range strings.SplitSeq(fields[1], ",") {
				v1[controller] = fields[2]
			}
		}
	}
	return v1, v2
}

// parseMountinfo finds the cgroup mounts in a mount table (proc_pid_mountinfo(5)).
// current and currentV2 are the cgroups of this process, as from [parseProcCgroup]. A
// hierarchy can be mounted more than once: the first mount is the usual one.
func parseMountinfo(table string, current map[string]string, currentV2 string) *Host {
	h := &Host{Mode: V1}
	for line := range strings.Lines(table) {
		left, right, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		if !ok || !strings.HasPrefix(right, "cgroup") {
			continue
		}
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 6 || len(r) < 3 {
			continue
		}
		t := Hierarchy{Root: unescape(l[3]), Mount: unescape(l[4])}
		if r[0] == "cgroup2" {
			// Only the tree next to the v1 hierarchies: a private mount of cgroup2
			// elsewhere, made by a container or a tool, is not the host's.
			if h.V2 == nil && strings.HasPrefix(t.Mount, mountRoot+"/") {
				t.Current = currentV2
				h.V2, h.Mode = &t, Hybrid
			}
			continue
		}
		for option := range strings.SplitSeq(r[2], ",") {
			if path, ok := current[option]; ok && !h.HasV1(option) {
				t.Controllers = append(t.Controllers, option)
				t.Current = path
			}
		}
		if len(t.Controllers) > 0 {
			h.V1 = append(h.V1, t)
		}
	}
	return h
}

// unescape decodes the \ooo escapes of mountinfo (space, tab, newline, \).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
