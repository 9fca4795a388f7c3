#!/bin/sh
# mine: a container runtime. mine run BUNDLE starts the container and waits until it ends.
# Complete the parts with TODO. To try it: cp mine.sh mine; sudo ./mine run bundle
set -eu

# flatten prints config.json as lines: the path of a value, a tab, the value. (Given.)
flatten() {
	grep -oE '"([^"\\]|\\.)*"|[][{}:,]|[^][{}:,"[:space:]]+' "$1" | awk '
	function path(  i, p) { p = k[1]; for (i = 2; i <= d; i++) p = p "." k[i]; return p }
	$0 == "{" || $0 == "[" { d++; list[d] = ($0 == "["); k[d] = list[d] ? 0 : ""; key = !list[d]; next }
	$0 == "}" || $0 == "]" { d--; key = 0; next }
	$0 == "," { if (list[d]) k[d]++; else key = 1; next }
	$0 == ":" { key = 0; next }
	{
		v = $0
		if (v ~ /^"/) {
			v = substr(v, 2, length(v) - 2)
			gsub(/\\"/, "\"", v); gsub(/\\u003c/, "<", v); gsub(/\\u003e/, ">", v); gsub(/\\u0026/, "\\&", v)
		}
		if (key) k[d] = v; else print path() "\t" v
	}'
}
# get prints the values whose path matches a pattern, one a line: get 'process.args.*'. (Given.)
get() {
	while IFS='	' read -r path value; do
		# shellcheck disable=SC2254 # it is a pattern
		case $path in $1) printf '%s\n' "$value" ;; esac
	done <<-END
		$config
	END
}

# mounts_of_config prints each mount as one line: DESTINATION|TYPE|SOURCE|OPTIONS. (Given.)
mounts_of_config() {
	printf '%s\n' "$config" | awk -F '\t' '
	split($1, p, ".") >= 3 && p[1] == "mounts" {
		i = p[2]; n = i + 1
		if (p[3] == "options") options[i] = options[i] (p[4] > 0 ? "," : "") $2; else value[i, p[3]] = $2
	}
	END {
		for (i = 0; i < n; i++)
			print value[i, "destination"] "|" value[i, "type"] "|" value[i, "source"] "|" options[i]
	}'
}

# namespaces prints the flags of unshare(1) for the new namespaces.
namespaces() {
	for kind in $(get 'linux.namespaces.*.type'); do
		case $kind in
		mount) echo --mount ;; # without this one, pivot_root would change the host
		# TODO (labs 1 and 2): the others
		esac
	done
}

# join_cgroup creates the cgroup with its limits, and moves this process into it.
join_cgroup() {
	cgroup=$(get linux.cgroupsPath)
	# TODO (lab 6): version 2 has one tree, /sys/fs/cgroup$cgroup; version 1 one for each controller,
	# /sys/fs/cgroup/memory$cgroup. Create it, write linux.resources.memory.limit into memory.max or
	# memory.limit_in_bytes, and join it: echo 0 >cgroup.procs (0 is the process that writes).
}

# mount_root makes the root directory a mount.
mount_root() {
	mount --rbind "$root" "$root"
	# TODO (lab 5): if annotations.dev.minirun.layers names layers, the lowest first, an overlay of them;
	# annotations.dev.minirun.upper is its upper directory
}

# mounts mounts what config.json lists, below the root.
mounts() {
	mounts_of_config | while IFS='|' read -r to type from options; do
		to=$root$to
		# TODO (lab 1): mount it. The type cgroup may be left out; bind mounts need mount --rbind.
	done
}

# devices creates the devices that every program expects.
devices() {
	[ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
	# TODO: zero, full, random, urandom, tty; the links fd, stdin, stdout, stderr
}

# enter makes the root directory the root of this mount namespace, and removes the host's from it.
enter() {
	cp "$(command -v busybox)" "$root/dev/busybox" # afterwards the host's programs cannot be reached
	cd "$root"
	# TODO (lab 4): pivot_root . . mounts the host's root over the new one: unmount it.
	# Then / is read-only if root.readonly ($1) is true.
	./dev/busybox rm dev/busybox
}

# inside runs in the new namespaces: it becomes the container.
inside() {
	root=$(get root.path)
	case $root in /*) ;; *) root=$bundle/$root ;; esac
	join_cgroup
	# TODO (lab 2): the host name
	mount_root
	mounts
	devices
	readonly=$(get root.readonly) cwd=$(get process.cwd) args=$(get 'process.args.*') env=$(get 'process.env.*')
	set --
	while IFS= read -r word; do set -- "$@" "$(printf '%b' "$word")"; done <<-END
		$args
	END
	enter "$readonly"
	cd "$cwd"
	while IFS= read -r variable; do export "$(printf '%b' "$variable")"; done <<-END
		$env
	END
	exec "$@"
}

bundle=$(cd "$2" && pwd)
config=$(flatten "$bundle/config.json")
case $1 in
run)
	flags=$(namespaces)
	case $flags in *--mount*) ;; *) echo 'mine: a mount namespace is missing: pivot_root would change the host' >&2; exit 1 ;; esac
	# shellcheck disable=SC2086 # several words
	exec unshare --fork --kill-child $flags env -i PATH="$PATH" sh "$0" inside "$bundle" ;;
inside) inside ;;
esac
