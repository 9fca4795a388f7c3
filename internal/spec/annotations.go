package spec

// This file lists the annotations with which crun extends the specification, as far as
// minirun supports them (crun(1), "Extensions to OCI").

import "github.com/opencontainers/runtime-spec/specs-go"

const (
	// AnnotationKeepGroups keeps the additional groups of minirun's caller for the
	// process. Podman sets it for --group-add keep-groups: an unprivileged user cannot
	// name these groups in a user namespace.
	AnnotationKeepGroups = "run.oci.keep_original_groups"
	// AnnotationFailUnknownCall makes an unknown name in linux.seccomp an error.
	// Otherwise it is skipped.
	AnnotationFailUnknownCall = "run.oci.seccomp_fail_unknown_syscall"
)

// AnnotationSet reports whether an annotation that is a switch in crun is on: any
// value other than 0 turns it on.
func AnnotationSet(annotations map[string]string, name string) bool {
	value, ok := annotations[name]
	return ok && value != "0"
}

// unsupported are the annotations that crun acts on and minirun does not, with the
// equivalent field or flag.
var unsupported = map[string]string{
	"run.oci.seccomp.receiver":        "use linux.seccomp.listenerPath",
	"run.oci.seccomp.plugins":         "use linux.seccomp.listenerPath",
	"run.oci.seccomp_bpf_data":        "use linux.seccomp",
	"run.oci.pidfd_receiver":          "use --pidfd-socket",
	"run.oci.timens_offset":           "use linux.timeOffsets",
	"run.oci.mount_context_type":      "mounts get the label with context=",
	"run.oci.systemd.force_cgroup_v1": "mount the hierarchy with a bind mount",
	"run.oci.systemd.subgroup":        "the container is in the scope itself",
	"run.oci.delegate-cgroup":         "the container is in the scope itself",
	"run.oci.handler":                 "the program runs unchanged",
	"module.wasm.image/variant":       "the program runs unchanged",
}

// noteCrunAnnotations warns about annotations that have no effect. They are not
// errors: the specification requires a runtime to ignore unknown ones, and so do runc
// and crun.
func noteCrunAnnotations(p *problems, s *specs.Spec) {
	for _, k := range sortedKeys(s.Annotations) {
		instead, ok := unsupported[k]
		if ok && s.Annotations[k] != "" { // an empty value turns the extension off
			p.Warn(Key("annotations", k), "is an extension of crun that has no effect: "+instead)
		}
	}
	if AnnotationSet(s.Annotations, AnnotationKeepGroups) && s.Process != nil &&
		len(s.Process.User.AdditionalGids) > 0 {
		p.Warn("process.user.additionalGids", "has no effect: the annotation "+AnnotationKeepGroups+
			" keeps the caller's groups")
	}
}
