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

// insteadOf returns the equivalent of an annotation that crun acts on and minirun does not, or "".
func insteadOf(annotation string) string {
	switch annotation {
	case "run.oci.seccomp.receiver", "run.oci.seccomp.plugins":
		return "use linux.seccomp.listenerPath"
	case "run.oci.seccomp_bpf_data":
		return "use linux.seccomp"
	case "run.oci.pidfd_receiver":
		return "use --pidfd-socket"
	case "run.oci.timens_offset":
		return "use linux.timeOffsets"
	case "run.oci.mount_context_type":
		return "mounts get the label with context="
	case "run.oci.systemd.force_cgroup_v1":
		return "mount the hierarchy with a bind mount"
	case "run.oci.systemd.subgroup", "run.oci.delegate-cgroup":
		return "the container is in the scope itself"
	case "run.oci.handler", "module.wasm.image/variant":
		return "the program runs unchanged"
	}
	return ""
}

// noteCrunAnnotations warns about annotations that have no effect. They are not
// errors: the specification requires a runtime to ignore unknown ones, and so do runc
// and crun.
func noteCrunAnnotations(p *problems, s *specs.Spec) {
	for _, k := range sortedKeys(s.Annotations) {
		instead := insteadOf(k)
		if instead != "" && s.Annotations[k] != "" { // an empty value turns the extension off
			p.Warn(Key("annotations", k), "is an extension of crun that has no effect: "+instead)
		}
	}
	if AnnotationSet(s.Annotations, AnnotationKeepGroups) && s.Process != nil &&
		len(s.Process.User.AdditionalGids) > 0 {
		p.Warn("process.user.additionalGids", "has no effect: the annotation "+AnnotationKeepGroups+
			" keeps the caller's groups")
	}
}
