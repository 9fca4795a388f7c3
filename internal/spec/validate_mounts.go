package spec

// This file validates mounts and ID mappings.

import (
	"math"
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func validateMount(p *problems, prefix string, m *specs.Mount, l *specs.Linux) {
	switch {
	case m.Destination == "":
		p.Bad(prefix+".destination", "must be an absolute path", `""`)
	case path.Clean("/"+m.Destination) == "/":
		p.Bad(prefix+".destination", "must not be the root: that is root.path", quote(m.Destination))
	case !path.IsAbs(m.Destination):
		p.Warn(prefix+".destination", quote(m.Destination)+
			" is interpreted as relative to /; relative destinations are deprecated")
	}
	checkPath(p, prefix+".destination", m.Destination)
	checkText(p, prefix+".type", m.Type)
	checkText(p, prefix+".source", m.Source)
	o, err := ParseMountOptions(m.Options)
	if err != nil {
		e := err.(*Error)
		e.Path = prefix + "." + e.Path
		p.Add(e)
		return
	}
	bind := o.Flags&unix.MS_BIND != 0
	switch {
	case bind && m.Source == "" && o.Flags&unix.MS_REMOUNT == 0:
		p.Bad(prefix+".source", "must name the file or directory to bind", "")
	case bind && len(o.Data) > 0:
		p.Warn(prefix+".options", quote(o.Data[0])+" has no effect on a bind mount")
	case !bind && m.Type == "bind":
		p.Bad(prefix+".options", "must have bind or rbind: the type of a bind mount has no meaning", "")
	case !bind && m.Type == "" && o.Flags&unix.MS_REMOUNT == 0:
		p.Bad(prefix+".type", "must be given, unless options have bind or rbind", "")
	}
	if !bind && (m.Type == "cgroup" || m.Type == "cgroup2") && path.Clean("/"+m.Destination) == "/dev" {
		p.Bad(prefix+".destination", "must not be /dev: no devices can be made in a cgroup file system", "")
	}
	if o.TmpCopyUp && (m.Type != "tmpfs" || bind) {
		p.Bad(prefix+".options", "must not have tmpcopyup: only a tmpfs can be filled", "")
	}
	validateLinkOptions(p, prefix, &o, bind)
	validateMountMappings(p, prefix, m, &o, bind, l)
}

// validateLinkOptions checks the options about symbolic links.
func validateLinkOptions(p *problems, prefix string, o *MountOptions, bind bool) {
	switch {
	case !o.CopySymlink && !o.SourceNoFollow && !o.DestNoFollow:
	case !bind || o.Flags&unix.MS_REMOUNT != 0:
		p.Bad(prefix+".options", "must not have copy-symlink, src-nofollow or dest-nofollow: "+
			"they are only for bind mounts", "")
	case o.CopySymlink && (o.SourceNoFollow || o.DestNoFollow):
		p.Bad(prefix+".options", "must not have copy-symlink together with src-nofollow or dest-nofollow: "+
			"a link is either copied or mounted", "")
	}
}

// validateMountMappings checks id-mapped mounts (mount_setattr(2), MOUNT_ATTR_IDMAP).
func validateMountMappings(p *problems, prefix string, m *specs.Mount, o *MountOptions, bind bool, l *specs.Linux) {
	uids, gids := len(m.UIDMappings) > 0, len(m.GIDMappings) > 0
	switch {
	case uids && !gids:
		p.Bad(prefix+".gidMappings", "must be given along with uidMappings", "")
	case gids && !uids:
		p.Bad(prefix+".uidMappings", "must be given along with gidMappings", "")
	case (uids || o.IDMap) && !bind:
		field := ".options"
		if uids {
			field = ".uidMappings"
		}
		p.Bad(prefix+field, "can only map IDs of a bind mount", "")
	case o.IDMap && !uids && namespace(l, specs.UserNamespace) == nil:
		p.Bad(prefix+".uidMappings", "must be given for idmap, "+
			"because the container has no user namespace to take a mapping from", "")
	case uids && !o.IDMap:
		p.Warn(prefix+".options", "should have idmap or ridmap; the mappings are applied only to this mount")
	}
	validateMappings(p, prefix+".uidMappings", m.UIDMappings)
	validateMappings(p, prefix+".gidMappings", m.GIDMappings)
}

// maxMappings is the maximum number of lines in /proc/PID/uid_map
// (user_namespaces(7)).
const maxMappings = 340

// validateMappings applies the rules of user_namespaces(7) for uid_map and gid_map:
// no empty range, none beyond 2^32-2, no overlap on either side.
func validateMappings(p *problems, list string, mappings []specs.LinuxIDMapping) {
	if len(mappings) > maxMappings {
		p.Bad(list, "must not have more than "+itoa(maxMappings)+" entries, the limit of the kernel",
			itoa(len(mappings)))
		return
	}
	for i, m := range mappings {
		if m.Size == 0 {
			p.Bad(entry(list, i)+".size", "must be greater than 0", "0")
			continue
		}
		if uint64(m.ContainerID)+uint64(m.Size) > math.MaxUint32 {
			p.Bad(entry(list, i)+".size", "must not reach beyond id 4294967294 in the container", utoa(m.Size))
		}
		if uint64(m.HostID)+uint64(m.Size) > math.MaxUint32 {
			p.Bad(entry(list, i)+".size", "must not reach beyond id 4294967294 on the host", utoa(m.Size))
		}
		for j, o := range mappings[:i] {
			if overlap(m.ContainerID, m.Size, o.ContainerID, o.Size) {
				p.Bad(entry(list, i)+".containerID", "must not overlap with "+entry(list, j), utoa(m.ContainerID))
			}
			if overlap(m.HostID, m.Size, o.HostID, o.Size) {
				p.Bad(entry(list, i)+".hostID", "must not overlap with "+entry(list, j), utoa(m.HostID))
			}
		}
	}
}

func overlap(a, aSize, b, bSize uint32) bool {
	return uint64(a) < uint64(b)+uint64(bSize) && uint64(b) < uint64(a)+uint64(aSize)
}

// mapped reports whether an ID of the container is mapped to one on the host.
func mapped(mappings []specs.LinuxIDMapping, id uint32) bool {
	for _, m := range mappings {
		if id >= m.ContainerID && uint64(id) < uint64(m.ContainerID)+uint64(m.Size) {
			return true
		}
	}
	return false
}
