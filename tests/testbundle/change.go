package testbundle

import "github.com/opencontainers/runtime-spec/specs-go"

// Functions that modify a spec, for New.

// Without removes a namespace.
func Without(kind specs.LinuxNamespaceType) func(*specs.Spec) {
	return func(s *specs.Spec) {
		var kept []specs.LinuxNamespace
		for _, n := range s.Linux.Namespaces {
			if n.Type != kind {
				kept = append(kept, n)
			}
		}
		s.Linux.Namespaces = kept
	}
}

// With adds a namespace, or gives an existing entry a path.
func With(kind specs.LinuxNamespaceType, path string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		Without(kind)(s)
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind, Path: path})
	}
}

// Maps maps 65536 IDs: users to 100000 and groups to 200000 on the host.
func Maps(s *specs.Spec) {
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 65536}}
}

// UserNS gives the container a user namespace.
func UserNS(s *specs.Spec) {
	With(specs.UserNamespace, "")(s)
	Maps(s)
}

// Caps gives the container the capabilities that f sets, and no others.
func Caps(f func(*specs.LinuxCapabilities)) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Process.Capabilities = &specs.LinuxCapabilities{}
		f(s.Process.Capabilities)
	}
}

// Can gives a root container these capabilities, and no others.
func Can(names ...string) func(*specs.Spec) {
	return Caps(func(c *specs.LinuxCapabilities) { c.Bounding, c.Permitted, c.Effective = names, names, names })
}

// User sets the IDs of the process.
func User(uid, gid uint32, more ...uint32) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Process.User = specs.User{UID: uid, GID: gid, AdditionalGids: more} }
}

// AddMount adds a mount after the default ones.
func AddMount(m specs.Mount) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) }
}

// NoMount removes the mounts for whose destination f returns true.
func NoMount(f func(destination string) bool) func(*specs.Spec) {
	return func(s *specs.Spec) {
		var kept []specs.Mount
		for _, m := range s.Mounts {
			if !f(m.Destination) {
				kept = append(kept, m)
			}
		}
		s.Mounts = kept
	}
}
