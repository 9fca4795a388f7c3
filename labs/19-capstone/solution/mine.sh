#!/bin/sh
# mine: a container runtime. mine run BUNDLE starts the container and waits until it ends.
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

# namespaces prints the flags of unshare for the new namespaces.
namespaces() {
	for kind in $(get 'linux.namespaces.*.type'); do
		case $kind in
		mount) echo --mount ;; pid) echo --pid ;; uts) echo --uts ;; ipc) echo --ipc ;;
		network) echo --net ;; cgroup) echo --cgroup ;; user) echo --user ;;
		esac
	done
}

# limit FILE VALUE writes a limit, if the kernel has the file and config.json the value.
limit() { if [ -n "$2" ] && [ -e "$1" ]; then echo "$2" >"$1"; fi; }

# join_cgroup creates the cgroup with its limits, and moves this process into it.
join_cgroup() {
	cgroup=$(get linux.cgroupsPath) memory=$(get linux.resources.memory.limit) pids=$(get linux.resources.pids.limit)
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then # version 2: one tree
		dir=/sys/fs/cgroup
		for name in $(echo "$cgroup" | tr / ' '); do
			for c in memory pids cpu; do echo "+$c" >"$dir/cgroup.subtree_control" 2>/dev/null || true; done
			dir=$dir/$name
			mkdir -p "$dir"
		done
		limit "$dir/memory.max" "$memory"
		limit "$dir/memory.swap.max" "${memory:+0}"
		limit "$dir/pids.max" "$pids"
		echo 0 >"$dir/cgroup.procs" # 0: the process that writes
		return
	fi
	for c in memory pids; do # version 1: a tree for each controller
		dir=/sys/fs/cgroup/$c$cgroup
		mkdir -p "$dir"
		limit "$dir/memory.limit_in_bytes" "$memory"
		limit "$dir/memory.memsw.limit_in_bytes" "$memory"
		limit "$dir/pids.max" "$pids"
		echo 0 >"$dir/cgroup.procs"
	done
}

# mount_root makes the root directory a mount: of its layers, or of itself.
mount_root() {
	layers=$(get annotations.dev.minirun.layers | tr -d '[]\\"' | tr , ' ') lower=
	if [ -z "$layers" ]; then
		mount --rbind "$root" "$root"
		return
	fi
	for name in $layers; do lower=$bundle/$name${lower:+:$lower}; done # overlay wants the highest one first
	upper=$bundle/$(get annotations.dev.minirun.upper)
	mkdir -p "$upper" "$upper.work"
	mount -t overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$upper.work" overlay "$root"
}

# mounts mounts what config.json lists, below the root.
mounts() {
	mounts_of_config | while IFS='|' read -r to type from options; do
		to=$root$to
		case ,$options, in
		*,bind,* | *,rbind,*)
			if [ -d "$from" ]; then mkdir -p "$to"; else mkdir -p "${to%/*}" && touch "$to"; fi
			mount --rbind "$from" "$to"
			mount -o "remount,bind,$options" "$to"
			continue ;;
		esac
		[ -d "$to" ] || mkdir -p "$to"
		[ "$type" = cgroup ] || mount -t "$type" -o "${options:-defaults}" "$from" "$to"
	done
}

# devices creates the devices and links that every program expects.
devices() {
	cd /dev
	cp -af null zero full random urandom tty "$root/dev/"
	ln -sfn /proc/self/fd "$root/dev/fd"
	for fd in 0:stdin 1:stdout 2:stderr; do ln -sfn "fd/${fd%:*}" "$root/dev/${fd#*:}"; done
}

# enter makes the root directory the root of this mount namespace, and removes the host's from it.
enter() {
	cp "$(command -v busybox)" "$root/dev/busybox" # after pivot_root the host's programs cannot be reached
	cd "$root"
	pivot_root . .
	/dev/busybox umount -l .
	cd /
	[ "$1" != true ] || /dev/busybox mount -o remount,bind,ro /
	/dev/busybox rm /dev/busybox
}

# inside runs in the new namespaces: it becomes the container.
inside() {
	root=$(get root.path)
	case $root in /*) ;; *) root=$bundle/$root ;; esac
	join_cgroup
	name=$(get hostname)
	case " $(namespaces) " in *--uts*) [ -z "$name" ] || echo "$name" >/proc/sys/kernel/hostname ;; esac
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
