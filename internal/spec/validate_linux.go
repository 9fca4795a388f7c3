package spec

// This file validates linux, except linux.resources and linux.seccomp, which have
// separate files.

import (
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec/strictjson"
)

func validateLinux(p *problems, s *specs.Spec) {
	l := s.Linux
	validateNamespaces(p, l)
	validateUserNamespace(p, l)
	validateTimeOffsets(p, l)
	validateSysctl(p, s)
	validateCgroupsPath(p, l.CgroupsPath)
	if l.Resources != nil {
		validateResources(p, "linux.resources.", l.Resources)
	}
	validateDevices(p, l.Devices)
	validateNetDevices(p, l)
	if l.Seccomp != nil {
		validateSeccomp(p, l.Seccomp)
	}
	if _, ok := Propagation(l.RootfsPropagation); !ok {
		p.Bad("linux.rootfsPropagation", "must be shared, slave, private or unbindable", quote(l.RootfsPropagation))
	}
	validatePaths(p, "linux.maskedPaths", l.MaskedPaths, l)
	validatePaths(p, "linux.readonlyPaths", l.ReadonlyPaths, l)
	if checkLine(p, "linux.mountLabel", l.MountLabel) && strings.ContainsAny(l.MountLabel, `"\`) {
		// It is put between quotes in the data of mount(2).
		p.Bad("linux.mountLabel", "must not contain quotes or backslashes", quote(l.MountLabel))
	}
	if l.IntelRdt != nil {
		validateIntelRdt(p, l.IntelRdt)
	}
	if l.MemoryPolicy != nil {
		validateMemoryPolicy(p, l.MemoryPolicy)
	}
	if l.Personality != nil {
		if _, ok := Personality(l.Personality.Domain); !ok {
			p.Bad("linux.personality.domain", "must be LINUX or LINUX32", quote(string(l.Personality.Domain)))
		}
		for i, f := range l.Personality.Flags {
			p.Bad(entry("linux.personality.flags", i), "must not be given: the specification defines no flag",
				quote(string(f)))
		}
	}
}

func validateNamespaces(p *problems, l *specs.Linux) {
	var seen strictjson.KeySet
	for i, ns := range l.Namespaces {
		prefix := entry("linux.namespaces", i)
		if _, ok := NamespaceFlag(ns.Type); !ok {
			p.Bad(prefix+".type", "must be one of "+strings.Join(NamespaceNames(), ", "), quote(string(ns.Type)))
		}
		if !seen.Add(string(ns.Type)) {
			p.Bad(prefix+".type", "must not be given twice", quote(string(ns.Type)))
		}
		if ns.Path != "" && !path.IsAbs(ns.Path) {
			p.Bad(prefix+".path", "must be an absolute path", quote(ns.Path))
		}
		checkText(p, prefix+".path", ns.Path)
	}
}

// validateUserNamespace checks that a new user namespace has mappings, with an ID 0
// that sets up the container, and that nothing else has. An engine may give the
// mappings of a namespace that is joined; the code that joins it must compare them.
func validateUserNamespace(p *problems, l *specs.Linux) {
	ns := namespace(l, specs.UserNamespace)
	for _, f := range []struct {
		path     string
		mappings []specs.LinuxIDMapping
	}{{"linux.uidMappings", l.UIDMappings}, {"linux.gidMappings", l.GIDMappings}} {
		validateMappings(p, f.path, f.mappings)
		given := len(f.mappings) > 0
		switch {
		case ns == nil && given:
			p.Bad(f.path, "needs a user namespace in linux.namespaces", "")
		case ns == nil:
		case ns.Path != "" && given:
			p.Note(f.path, "cannot change the mapping of the joined user namespace at "+ns.Path+
				", and must be the same")
		case ns.Path != "":
		case !given:
			p.Bad(f.path, "must be given for a new user namespace", "")
		case !mapped(f.mappings, 0):
			p.Bad(f.path, "must map id 0 of the container", "")
		}
	}
}

func validateTimeOffsets(p *problems, l *specs.Linux) {
	if len(l.TimeOffsets) == 0 {
		return
	}
	if ns := namespace(l, specs.TimeNamespace); ns == nil || ns.Path != "" {
		p.Bad("linux.timeOffsets", "needs a new time namespace in linux.namespaces", "")
	}
	for _, clock := range sortedKeys(l.TimeOffsets) {
		if clock != "monotonic" && clock != "boottime" {
			p.Bad(Key("linux.timeOffsets", clock), "must be for monotonic or boottime", quote(clock))
		}
		if n := l.TimeOffsets[clock].Nanosecs; n > 999_999_999 {
			p.Bad(Key("linux.timeOffsets", clock)+".nanosecs", "must be from 0 to 999999999", utoa(n))
		}
	}
}

func validateCgroupsPath(p *problems, s string) {
	checkLine(p, "linux.cgroupsPath", s)
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			p.Bad("linux.cgroupsPath", "must not contain ..", quote(s))
			return
		}
	}
}

// validateDevices checks the devices, and that no two different ones have the same
// path.
func validateDevices(p *problems, devices []specs.LinuxDevice) {
	byPath := make(map[string]int, len(devices))
	for i := range devices {
		d, prefix := &devices[i], entry("linux.devices", i)
		validateDevice(p, prefix, d)
		j, taken := byPath[path.Clean(d.Path)]
		if !taken {
			byPath[path.Clean(d.Path)] = i
		} else if o := &devices[j]; o.Type != d.Type || o.Major != d.Major || o.Minor != d.Minor {
			p.Bad(prefix+".path", "must not be the path of another device, "+entry("linux.devices", j), quote(d.Path))
		}
	}
}

// validateDevice checks one device. mknod(2) packs 12 bits of major and 20 bits of
// minor.
func validateDevice(p *problems, prefix string, d *specs.LinuxDevice) {
	if !path.IsAbs(d.Path) || path.Clean(d.Path) == "/" {
		p.Bad(prefix+".path", "must be the absolute path of a device", quote(d.Path))
	}
	checkPath(p, prefix+".path", d.Path)
	var format uint32 // S_IFMT of the device
	switch d.Type {
	case "c", "u":
		format = 0o020000
	case "b":
		format = 0o060000
	case "p":
		format = 0o010000
	default:
		p.Bad(prefix+".type", "must be c, b, u or p", quote(d.Type))
	}
	for _, field := range []string{".major", ".minor"} {
		if d.Type != "p" && p.Omitted(prefix+field) {
			p.Bad(prefix+field, "must be given, unless type is p", "")
		}
	}
	if d.Major < 0 || d.Major > 1<<12-1 {
		p.Bad(prefix+".major", "must be from 0 to 4095", itoa(d.Major))
	}
	if d.Minor < 0 || d.Minor > 1<<20-1 {
		p.Bad(prefix+".minor", "must be from 0 to 1048575", itoa(d.Minor))
	}
	if d.FileMode != nil {
		// Engines take the mode from stat(2), some with the file type bits.
		if m := uint32(*d.FileMode); m > 0o7777 && (format == 0 || m&^0o7777 != format) {
			p.Bad(prefix+".fileMode", "must be permissions, from 0 to 4095 (octal 7777)", utoa(m))
		}
	}
	if d.UID != nil {
		validateID(p, prefix+".uid", *d.UID)
	}
	if d.GID != nil {
		validateID(p, prefix+".gid", *d.GID)
	}
}

func validateNetDevices(p *problems, l *specs.Linux) {
	if len(l.NetDevices) == 0 {
		return
	}
	if namespace(l, specs.NetworkNamespace) == nil {
		p.Bad("linux.netDevices", "needs a network namespace in linux.namespaces", "")
	}
	var taken strictjson.KeySet
	for _, host := range sortedKeys(l.NetDevices) {
		prefix, name := Key("linux.netDevices", host), l.NetDevices[host].Name
		if !interfaceName(host) {
			p.Bad(prefix, "must be the name of a network device", quote(host))
		}
		if name == "" {
			name = host
		} else if !interfaceName(strings.Replace(name, "%d", "0", 1)) || len(name) > maxInterfaceName {
			p.Bad(prefix+".name", "must be the name of a network device, or one with %d for a number", quote(name))
		}
		if !taken.Add(name) && !strings.Contains(name, "%d") {
			p.Bad(prefix+".name", "must not be the name of two devices in the container", quote(name))
		}
	}
}

const maxInterfaceName = 15 // IFNAMSIZ without the NUL

// interfaceName applies the kernel's rules for names of network devices.
func interfaceName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > maxInterfaceName {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c == '/' || c == ':' || c == '%' || c == 0x7f {
			return false
		}
	}
	return true
}

func validatePaths(p *problems, list string, paths []string, l *specs.Linux) {
	for i, s := range paths {
		switch {
		case !path.IsAbs(s):
			p.Bad(entry(list, i), "must be an absolute path", quote(s))
		case path.Clean(s) == "/" && list == "linux.maskedPaths":
			p.Bad(entry(list, i), "must not be the root: the whole container would be hidden", quote(s))
		}
		checkText(p, entry(list, i), s)
	}
	if len(paths) > 0 && namespace(l, specs.MountNamespace) == nil {
		p.Bad(list, "needs a mount namespace in linux.namespaces", "")
	}
}

func validateIntelRdt(p *problems, r *specs.LinuxIntelRdt) {
	const prefix = "linux.intelRdt."
	if r.ClosID != "/" && (r.ClosID == "." || r.ClosID == ".." || strings.Contains(r.ClosID, "/")) {
		p.Bad(prefix+"closID", "must be / or the name of a directory", quote(r.ClosID))
	}
	if r.ClosID == "info" || r.ClosID == "mon_groups" || r.ClosID == "mon_data" {
		p.Bad(prefix+"closID", "must not be a name that the kernel uses in resctrl", quote(r.ClosID))
	}
	checkLine(p, prefix+"closID", r.ClosID)
	checkLine(p, prefix+"l3CacheSchema", r.L3CacheSchema)
	if checkLine(p, prefix+"memBwSchema", r.MemBwSchema) && r.MemBwSchema != "" &&
		!strings.HasPrefix(r.MemBwSchema, "MB:") {
		p.Bad(prefix+"memBwSchema", "must start with MB:", quote(r.MemBwSchema))
	}
	for i, line := range r.Schemata {
		if checkLine(p, entry(prefix+"schemata", i), line) && !strings.Contains(line, ":") {
			p.Bad(entry(prefix+"schemata", i), "must be a line of a schemata file such as L3:0=f", quote(line))
		}
	}
}

// validateMemoryPolicy applies the rules of set_mempolicy(2).
func validateMemoryPolicy(p *problems, m *specs.LinuxMemoryPolicy) {
	const prefix = "linux.memoryPolicy."
	if _, ok := MemoryPolicyMode(m.Mode); !ok {
		p.Bad(prefix+"mode", "must be a mode of set_mempolicy(2) such as MPOL_BIND", quote(string(m.Mode)))
		return
	}
	noNodes := m.Mode == specs.MpolDefault || m.Mode == specs.MpolLocal
	switch {
	case m.Nodes != "" && noNodes:
		p.Bad(prefix+"nodes", "must be empty for "+string(m.Mode), quote(m.Nodes))
	case m.Nodes != "":
		checkList(p, prefix+"nodes", m.Nodes, "node")
	case !noNodes && m.Mode != specs.MpolPreferred:
		p.Bad(prefix+"nodes", "must name at least one node for "+string(m.Mode), "")
	}
	validateMemoryPolicyFlags(p, prefix+"flags", m)
}

func validateMemoryPolicyFlags(p *problems, list string, m *specs.LinuxMemoryPolicy) {
	var nodes specs.MemoryPolicyFlagType // the flag that determines the meaning of nodes
	for i, f := range m.Flags {
		switch f {
		case specs.MpolFNumaBalancing:
			if m.Mode != specs.MpolBind && m.Mode != specs.MpolPreferredMany {
				p.Bad(entry(list, i), "must not be given for "+string(m.Mode)+
					", only for MPOL_BIND and MPOL_PREFERRED_MANY", quote(string(f)))
			}
		case specs.MpolFStaticNodes, specs.MpolFRelativeNodes:
			switch {
			case m.Nodes == "":
				p.Bad(entry(list, i), "must not be given without nodes", quote(string(f)))
			case nodes != "" && nodes != f:
				p.Bad(entry(list, i), "must not be combined with "+string(nodes), quote(string(f)))
			}
			nodes = f
		default:
			p.Bad(entry(list, i), "must be a flag of set_mempolicy(2) such as MPOL_F_STATIC_NODES", quote(string(f)))
		}
	}
}
