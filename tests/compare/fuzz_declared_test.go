// Deliberate differences from runc in random bundles. The declarations for all cases in
// declared_test.go also apply here.
package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// fuzzRun is the input of a declaration.
type fuzzRun struct {
	config map[string]any
	run    runOptions
	said   [2]string // the messages of runc and minirun if the program did not report
}

// text returns config.json.
func (r *fuzzRun) text() []byte {
	text, err := json.Marshal(r.config)
	if err != nil {
		panic(err) // the text is valid JSON
	}
	return text
}

// fuzzDeclared is one such difference: in bundles for which when returns true (nil: all), these
// fields may differ.
type fuzzDeclared struct {
	reason string
	when   func(r *fuzzRun) bool
	fields []allowed
}

// minirunRefuses declares bundles that runc runs, or rejects in a later command, by minirun's
// message. * matches any text.
func minirunRefuses(message, reason string) fuzzDeclared {
	return fuzzDeclared{reason, func(r *fuzzRun) bool { return saidLine(r.said[1], message) }, []allowed{{field: "outcome", want: "refused*"}}}
}

// runcRefuses declares bundles that minirun runs, by runc's message.
func runcRefuses(message, reason string) fuzzDeclared {
	return fuzzDeclared{reason, func(r *fuzzRun) bool { return saidLine(r.said[0], message) }, []allowed{{field: "outcome", want: "*"}}}
}

func saidLine(text, pattern string) bool {
	for line := range strings.Lines(text) {
		if glob("*"+pattern+"*", strings.TrimSpace(line)) {
			return true
		}
	}
	return false
}

func hasUserNamespace(r *fuzzRun) bool { return namespaceOf(r.config, "user") }

const (
	strict  = "the specification or its schema forbids the value; runc does not look, or leaves it to the kernel"
	ignored = "runc ignores it: minirun never ignores what is given"
)

var fuzzDeclarations = []fuzzDeclared{
	{"the parent makes the mounts that a user namespace may not, before the others, so the kernel lists them first", hasUserNamespace, []allowed{{field: "in.mount.*.filesystem", want: "*"}}},
	{unifiedPath, nil, []allowed{{field: "*.cgroup parents", want: "*"}}},
	{"a device outside /dev covers what the image or a volume has there; runc leaves the file", func(r *fuzzRun) bool { return deviceAt(r, "/data") },
		[]allowed{{field: "in.*./data", want: "*"}, {field: "in.mount./data.*", want: "*"}, {field: "in.mounts.order", want: "*"}}},
	{"without a mount namespace in config.json runc mounts on the host, and leaves it there", func(r *fuzzRun) bool { return !namespaceOf(r.config, "mount") },
		[]allowed{{field: "left.mounts", want: "*"}, {field: "deleted.mounts", want: "*"}, {field: "stderr.empty", want: "false"}, {field: "did.*", want: "*"}}},
	{"a rule for any type of device is about its numbers and its access; runc allows all devices", anyTypeRule,
		[]allowed{{field: "out.cgroup.devices.devices.list", want: "*"}, {field: "in.dev.*", want: "* open EPERM"}, {field: "in.path.*", want: "*"}}},
	{"recursive attributes hold for every mount; runc has them for bind mounts alone", func(r *fuzzRun) bool {
		return mountOptionGiven(r, "rro", "rnosuid", "rnodev", "rnoexec", "rnoatime", "rstrictatime", "rrelatime", "rnosymfollow")
	},
		[]allowed{{field: "in.mount.*.options", want: "*"}, {field: "in.readonly.*", want: "EROFS"}, {field: "in.statfs.*", want: "*"}}},
	{"a rule takes access away from all numbers that it names, as it does on cgroup v2; runc and the kernel's v1 from the rule for just these", denyRule,
		[]allowed{{field: "out.cgroup.devices.devices.list", want: "*"}, {field: "in.dev.*", want: "* open EPERM"}}},
	{openDefaults, func(r *fuzzRun) bool {
		return deviceAt(r, "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
	},
		[]allowed{{field: "out.cgroup.devices.devices.list", want: "*"}, {field: "in.dev./dev/*", want: "* open ok"}}},
	{"minirun warns of fields of other platforms", func(r *fuzzRun) bool {
		p := object(r.config["process"])
		return p["commandLine"] != nil || object(p["user"])["username"] != nil
	}, []allowed{{field: "stderr.empty", want: "false"}}},
	{"minirun makes the root unbindable after the mounts, so that they can be made", func(r *fuzzRun) bool {
		propagation, _ := object(r.config["linux"])["rootfsPropagation"].(string)
		return strings.HasSuffix(propagation, "unbindable")
	}, []allowed{{field: "outcome", want: "ran"}}},
	{"runc makes the IPC namespace before it is group 0 of the user namespace", hasUserNamespace, []allowed{{field: "in.path.*", want: "dir 1777 0:0"}}},
	{"in a user namespace the parent makes the devices of config.json; runc binds those that the host has", hasUserNamespace,
		[]allowed{{field: "in.mount./dev/*.root", want: "/*"}, {field: "in.dev./dev/*", want: "*"}, {field: "in.stat./dev/*", want: "*"}, {field: "in.mount./dev/*.super", want: "rw,mode=700*"}, {field: "in.mount./dev/*.options", want: "rw,nosuid,noexec,relatime"}}},
	{"of several options about access times the last one counts; runc gives the kernel all of them", func(r *fuzzRun) bool { return mountOptionGiven(r, "strictatime", "noatime", "relatime") },
		[]allowed{{field: "in.mount.*.options", want: "r*"}, {field: "in.statfs.*", want: "*"}}},
	{unifiedPath, nil, []allowed{{field: "left.cgroups", want: "cgroup : $SELF/*"}}},
	{"no capabilities are given, so there are none, as in crun; runc 1.5 leaves the program all that it has itself",
		func(r *fuzzRun) bool { return object(r.config["process"])["capabilities"] == nil }, []allowed{{field: "*.status.Cap*", want: "0000000000000000"}}},
	{"all permission bits of fileMode are kept; runc loses two of them", func(r *fuzzRun) bool { return bytes.Contains(r.text(), []byte(`"fileMode":4095`)) },
		[]allowed{{field: "in.dev.*", want: "* 7777 *"}, {field: "in.path.*", want: "* 7777 *"}}},
	{"a limit of TCP buffers is set where the kernel has it; runc warns that it ignores it", func(r *fuzzRun) bool {
		return object(object(object(r.config["linux"])["resources"])["memory"])["kernelTCP"] != nil
	}, []allowed{{field: "out.cgroup.memory.memory.kmem.tcp.limit_in_bytes", want: "*"}, {field: "stderr.empty", want: "true"}}},
	{"minirun warns of a version that is newer than its own", newerVersion, []allowed{{field: "stderr.empty", want: "false"}}},
	{"HOME is filled in as in any other environment", func(r *fuzzRun) bool { return len(list(object(r.config["process"])["env"])) == 0 },
		[]allowed{{field: "in.env.HOME", want: "*"}, {field: "in.env.order", want: "HOME"}}},

	minirunRefuses("linux.seccomp.defaultAction: must be an action", strict),
	minirunRefuses("linux.seccomp.architectures[*]: must be an architecture", strict),
	minirunRefuses("linux.seccomp.syscalls[*].errnoRet: must not be given for", "an errno has no meaning for the action; runc drops it"),
	minirunRefuses("linux.uidMappings: needs a user namespace", ignored),
	minirunRefuses("linux.gidMappings: needs a user namespace", ignored),
	minirunRefuses("linux.devices[*].path: must be the absolute path", strict),
	minirunRefuses("linux.readonlyPaths[*]: must be an absolute path", strict),
	minirunRefuses("linux.maskedPaths[*]: must be an absolute path", strict),
	minirunRefuses("linux.resources.devices[*].access: must be composed of r, w and m", strict),
	minirunRefuses("linux.cgroupsPath: must not contain ..", "a path with .. could leave the cgroup tree"),
	minirunRefuses("mounts[*].options[*]: must not be empty", strict),
	minirunRefuses("mounts[*].source: must name the file or directory to bind", "runc binds the bundle, which an absent source hardly asks for"),
	minirunRefuses("mounts[*].destination: must", strict),
	minirunRefuses("mounts[*]: mount cgroup on *: invalid argument", "an option that the hierarchies do not have; runc gives them none of the options"),
	minirunRefuses("linux.seccomp.syscalls[*].args[*].index: must be from 0 to 5", strict),
	minirunRefuses("process.consoleSize.*: must be given", strict),
	minirunRefuses("process.rlimits[*].type: must not be given twice", strict),
	minirunRefuses("ociVersion: must be", strict),
	minirunRefuses("reverts part of an earlier, wider rule, which the v1 devices controller cannot express", "a rule that cannot be kept is refused; runc takes a rule for any type as one for all devices"),
	minirunRefuses("linux.namespaces: must have a mount namespace", "what is about the container's mounts would be about the host's"),
	minirunRefuses("linux.resources.blockIO.weight: must be from 10 to 1000", strict),
	minirunRefuses("process.user.umask: must be from 0 to 511", strict),
	minirunRefuses("linux.devices[*].path: must not be the path of another device", strict),
	minirunRefuses("linux.devices[*].fileMode: must be permissions", strict),
	minirunRefuses("linux.devices[*]: open *: too many levels of symbolic links", "a device is never made where a link of the image leads"),
	minirunRefuses("linux.seccomp.syscalls[*].errnoRet: must be from 0 to", strict),
	minirunRefuses("linux.seccomp.defaultErrnoRet: must not be given for", "an errno has no meaning for the action; runc drops it"),
	minirunRefuses("linux.personality.flags[*]: must not be given", strict),

	runcRefuses("time namespace offsets specified, but time namespace isn't enabled", "an empty list of offsets asks for nothing"),
	runcRefuses("error reopening /dev/null inside container", "what the image or config.json puts in the place of /dev/null is not opened"),
	runcRefuses("bind mounts cannot have any filesystem-specific options applied", "minirun warns that the option has no effect, as runc did until 1.1"),
	runcRefuses("bad CPUAffinity.Final: values larger than 1023", "there are machines with more processors"),
	runcRefuses("has incorrect major:minor: 0:0", "a FIFO has no number: what is given for it means nothing"),
	runcRefuses("two checks on same syscall argument", "a limit of libseccomp's"),
	runcRefuses("defaults*: invalid argument", "defaults is fstab's word for no option at all"),
	runcRefuses("can't mask paths: open /dev/null: no such file", "a mask does not need the container's /dev/null"),
	runcRefuses("error running poststart hook", "runtime.md up to version 1.2: a poststart hook's failure is a warning"),
	runcRefuses("error running startContainer hook", "a hook that fails is an error: runc's run returns 0, as if the program had run"),
	runcRefuses("file: reopen fd *: read-only file system", "sysctls do not need a writable /proc in the container"),
	runcRefuses("error creating device nodes: mount src=", "in a user namespace the parent makes the devices; runc binds those that the host has"),
	runcRefuses("cannot punch hole in existing wildcard rule", "what the earlier rule does not allow need not be taken away"),
	runcRefuses("SIGABRT: abort", "a filter that refuses calls which the runtime needs ends runc with an abort"),
	runcRefuses("can't mask path *dstFd=/proc/thread-self/fd/*: no such file", "a container need not mount proc"),
	runcRefuses("unsafe procfs detected: incorrect procfs root filesystem type", "a container need not mount proc"),
	runcRefuses("open /proc/sys/kernel/cap_last_cap: no such file", "a container need not mount proc"),
}

// anyTypeRule reports whether a device rule after the first applies to any type, or the first rule
// has a number.
func anyTypeRule(r *fuzzRun) bool {
	for i, rule := range list(object(object(r.config["linux"])["resources"])["devices"]) {
		d := object(rule)
		if (d["type"] == nil || d["type"] == "a" || d["type"] == "") && (i > 0 || d["major"] != nil || d["minor"] != nil || d["access"] != "rwm") {
			return true
		}
	}
	return false
}

// denyRule reports whether a device rule denies some access to all numbers of a type.
func denyRule(r *fuzzRun) bool {
	for i, rule := range list(object(object(r.config["linux"])["resources"])["devices"]) {
		d := object(rule)
		if i > 0 && d["allow"] == false && (d["major"] == nil || d["minor"] == nil || number(d["major"]) == -1 || number(d["minor"]) == -1) {
			return true
		}
	}
	return false
}

// newerVersion reports whether the config has a minor version after 1.3.
func newerVersion(r *fuzzRun) bool {
	version, _ := r.config["ociVersion"].(string)
	var minor int
	_, err := fmt.Sscanf(version, "1.%d.", &minor)
	return err == nil && minor > 3
}

// number returns a JSON value as a number, or 0 if it is not one.
func number(value any) int64 {
	n, _ := value.(json.Number)
	i, _ := n.Int64()
	return i
}

// deviceAt reports whether config.json creates a device at one of some paths.
func deviceAt(r *fuzzRun, paths ...string) bool {
	for _, d := range list(object(r.config["linux"])["devices"]) {
		if path, ok := object(d)["path"].(string); ok && slices.Contains(paths, path) {
			return true
		}
	}
	return false
}

// masks declares the appearance of a masked file, for each one in config.json: it is masked at the
// path to which its symbolic link leads.
func masks(r *fuzzRun) (out []allowed) {
	for _, path := range list(object(r.config["linux"])["maskedPaths"]) {
		if text, ok := path.(string); ok && text != "" {
			name := strings.TrimPrefix(filepath.Base(text), "link-to-")
			out = append(out, allowed{"in.mount.*" + name + ".*", "*", hostNull}, allowed{"in.statfs.*" + name, "*", hostNull})
		}
	}
	return out
}

// cgroupOptions declares the options of cgroup mounts: runc ignores those of config.json for the
// hierarchies.
func cgroupOptions(r *fuzzRun) (out []allowed) {
	for _, m := range list(r.config["mounts"]) {
		if at, ok := object(m)["destination"].(string); ok && object(m)["type"] == "cgroup" {
			out = append(out, allowed{"in.readonly.*" + filepath.Base(at), "EROFS", rootAtCgroup})
			for _, field := range []string{"options", "source", "propagation"} {
				out = append(out, allowed{"in.mount.*" + filepath.Base(at) + "*." + field, "*", "the options of config.json hold for each hierarchy; runc has its own"})
			}
		}
	}
	return out
}

// coveredTmpfs declares mounts over a read-only tmpfs: when runc makes the tmpfs read-only at the
// end, it looks it up by path.
func coveredTmpfs(r *fuzzRun) (out []allowed) {
	readonly := map[string]bool{}
	for _, m := range list(r.config["mounts"]) {
		at, _ := object(m)["destination"].(string)
		at = filepath.Clean("/" + at)
		if readonly[at] {
			const reason = "ro is about the tmpfs, not about what is mounted over it"
			out = append(out, allowed{"in.readonly." + at, "ok", reason}, allowed{"in.mount." + at + ".options", "rw*", reason}, allowed{"in.statfs." + at, "*", reason})
		}
		readonly[at] = object(m)["type"] == "tmpfs" && slices.Contains(list(object(m)["options"]), any("ro"))
	}
	return out
}

// mountOptionGiven reports whether a mount has one of some options.
func mountOptionGiven(r *fuzzRun, options ...string) bool {
	for _, m := range list(r.config["mounts"]) {
		for _, option := range list(object(m)["options"]) {
			if text, ok := option.(string); ok && slices.Contains(options, text) {
				return true
			}
		}
	}
	return false
}

func declaredForFuzz(r *fuzzRun) (out []allowed) {
	out = slices.Concat(masks(r), cgroupOptions(r), coveredTmpfs(r))
	for _, d := range fuzzDeclarations {
		if d.when != nil && !d.when(r) {
			continue
		}
		for _, f := range d.fields {
			f.reason = d.reason
			out = append(out, f)
		}
	}
	return out
}
