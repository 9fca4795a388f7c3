# a process of the host on the bundle's root and in its cgroup: no runtime created it, and it has no mark
path=$(sed -n 's/.*"cgroupsPath": "\(.*\)".*/\1/p' waiting/config.json)
for tree in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/pids; do
	[ -e "$tree/cgroup.procs" ] && mkdir -p "$tree$path" && sh -c "echo \$\$ > $tree$path/cgroup.procs &&
		exec unshare --kill-child --fork --pid --mount --root $PWD/waiting/rootfs sleep 1000" &
done
sleep 0.3
