// Fields: the results of one run of one bundle, as text by dotted name, without everything that
// differs from run to run.
//
//	in.*     what the probe saw inside          hook.K.*  what the hook recorded as seen by K
//	out.*    what the kernel reported outside   exit, stdout.*, stderr.*, left.*, …  the behaviour of the runtime
package compare

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
)

type Fields map[string]string

func (f Fields) set(name string, value any) { f[name] = fmt.Sprint(value) }

// normaliser knows the names and numbers of one run.
type normaliser struct {
	rt       *ociRuntime
	replacer *strings.Replacer
	joined   map[string]string // namespace identity → name of the namespace that the case prepared
	own      map[string]string // namespace kind → identity in the container's first process
	pipes    map[string]string
	pid      int // of the container's first process, 0 if unknown
}

func newNormaliser(b *bundle) *normaliser {
	return &normaliser{
		rt:     b.rt,
		joined: b.joined,
		own:    map[string]string{},
		pipes:  map[string]string{},
		replacer: strings.NewReplacer(
			b.dir, "$BUNDLE", b.rt.stateRoot, "$STATE", box.dir, "$BOX", b.id, "$ID", box.tag, "$TAG", box.cgroup, "$SELF",
			// Bind mounts show the path within the tmpfs as their root.
			strings.TrimPrefix(b.dir, box.dir), "$BUNDLE",
		),
	}
}

func (n *normaliser) text(s string) string { return n.replacer.Replace(s) }

var objectNumber = regexp.MustCompile(`^(pipe|socket|anon_inode|mnt|net|ipc|uts|pid|user|cgroup|time):\[\d+\]$`)

// descriptor numbers pipes and sockets in the order in which they are first seen: two descriptors of
// one pipe can still be recognized as the same pipe.
func (n *normaliser) descriptor(target string) string {
	m := objectNumber.FindStringSubmatch(target)
	if m == nil {
		return n.text(target)
	}
	if n.pipes[target] == "" {
		n.pipes[target] = fmt.Sprintf("%s #%d", m[1], len(n.pipes)+1)
	}
	return n.pipes[target]
}

// namespace returns whether a namespace is the host's, the container's or a prepared one.
func (n *normaliser) namespace(kind, identity string) string {
	base := strings.TrimSuffix(kind, "_for_children")
	switch {
	case identity == n.rt.hostNamespace(kind):
		return "host"
	case n.joined[identity] != "":
		return "joined " + n.joined[identity]
	case n.own[base] == identity:
		return "container"
	case !strings.Contains(identity, ":["):
		return identity
	}
	return "own"
}

// report adds a probe's report under a prefix.
func (n *normaliser) report(fields Fields, prefix string, raw map[string]string) {
	for name, value := range raw {
		switch {
		case name == "mountinfo":
			if raw["ns.mnt"] == n.rt.hostNamespace("mnt") {
				fields.set(prefix+"mounts.order", "the host's table")
				continue
			}
			n.mounts(fields, prefix, value)
		case strings.HasPrefix(name, "ns."):
			fields.set(prefix+name, n.namespace(strings.TrimPrefix(name, "ns."), value))
		case name == "hook.state":
			n.state(fields, prefix+"state.", value)
		case strings.HasPrefix(name, "sched.deadline"):
			// The first number is the scheduler's slice for ordinary policies, which the container
			// does not set.
			fields.set(prefix+name, value[strings.IndexByte(value, ' ')+1:])
		}
	}
	// In numerical order, so that the numbering does not depend on the order of the map.
	for _, fd := range strings.Fields(raw["fd.open"]) {
		name := "fd." + fd + ".target"
		fields.set(prefix+name, n.descriptor(raw[name]))
	}
	for name, value := range raw {
		if _, done := fields[prefix+name]; !done && name != "mountinfo" && name != "hook.state" {
			fields.set(prefix+name, n.text(value))
		}
	}
}

// state adds a container's state (state.json of the specification) with a comparable process ID.
func (n *normaliser) state(fields Fields, prefix, text string) {
	var state struct {
		OCIVersion  string            `json:"ociVersion"`
		ID          string            `json:"id"`
		Status      string            `json:"status"`
		Pid         int               `json:"pid"`
		Bundle      string            `json:"bundle"`
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		fields.set(prefix+"error", fmt.Sprintf("%v: %q", err, text))
		return
	}
	pid := "other"
	switch state.Pid {
	case 0:
		pid = "0"
	case n.pid:
		pid = "the container's first process"
	}
	fields.set(prefix+"ociVersion", state.OCIVersion)
	fields.set(prefix+"id", n.text(state.ID))
	fields.set(prefix+"status", state.Status)
	fields.set(prefix+"pid", pid)
	fields.set(prefix+"bundle", n.text(state.Bundle))
	fields.set(prefix+"annotations", state.Annotations)
}

// mount is one line of /proc/PID/mountinfo.
type mount struct {
	id, parent, device, root, point, options, propagation, fstype, source, super string
}

func parseMountinfo(text string) (mounts []mount) {
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		left, right, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(left), strings.SplitN(right, " ", 3)
		if !ok || len(f) < 6 || len(g) < 3 {
			continue
		}
		mounts = append(mounts, mount{f[0], f[1], f[2], f[3], f[4], f[5], strings.Join(f[6:], " "), g[0], g[1], g[2]})
	}
	return mounts
}

var peerGroup = regexp.MustCompile(`:\d+`)

// mounts adds one set of fields for each mount, by mountpoint (a second mount on the same mountpoint
// is #2), and their order.
func (n *normaliser) mounts(fields Fields, prefix, text string) {
	pointOf := map[string]string{}
	firstOn := map[string]string{} // device → mountpoint: shows which mounts belong to one file system
	table := parseMountinfo(text)
	for _, m := range table {
		pointOf[m.id] = m.point
	}
	var order []string
	for _, m := range table {
		key := m.point
		for i := 2; fields[prefix+"mount."+key+".fstype"] != ""; i++ {
			key = fmt.Sprintf("%s#%d", m.point, i)
		}
		order = append(order, key)
		parent := pointOf[m.parent]
		if parent == "" {
			parent = "none here"
		}
		if firstOn[m.device] == "" {
			firstOn[m.device] = key
		}
		key = prefix + "mount." + n.text(key)
		fields.set(key+".parent", n.text(parent))
		fields.set(key+".filesystem", n.text(firstOn[m.device]))
		fields.set(key+".root", n.text(m.root))
		fields.set(key+".options", m.options)
		fields.set(key+".propagation", peerGroup.ReplaceAllString(m.propagation, ""))
		fields.set(key+".fstype", m.fstype)
		fields.set(key+".source", n.text(m.source))
		fields.set(key+".super", n.text(m.super))
	}
	fields.set(prefix+"mounts.order", n.text(strings.Join(order, " ")))
}

// hooks adds the records that the probe wrote as a hook, in the order in which they were written.
func (n *normaliser) hooks(fields Fields, file string) error {
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	var order []string
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if line == "" {
			continue
		}
		var raw map[string]string
		if err := json.Unmarshal([]byte(line), &raw); err != nil {
			return fmt.Errorf("%s: line %d: %w", file, i+1, err)
		}
		kind := raw["hook.kind"]
		if kind == "startContainer" {
			// The container runs these itself, so they race with the hooks that the runtime runs
			// after starting it.
			after := false
			for _, earlier := range order {
				after = after || earlier == "createContainer"
			}
			fields.set("hooks.startContainer after", map[bool]string{true: "createContainer", false: "nothing"}[after])
		} else {
			order = append(order, kind)
		}
		n.pipes = map[string]string{}
		n.report(fields, "hook."+kind+".", raw)
	}
	if len(order) > 0 {
		fields.set("hooks.order", strings.Join(order, " "))
	}
	return nil
}
