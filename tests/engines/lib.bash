# lib.bash: what the scripts for the engines share: checks, private directories, the image, and the end.
#
# Each script runs in its own mount, PID, network, UTS and IPC namespaces (tests/engines/run makes them). The kernel ends every
# process and mount of the engine with the script, whatever happens. /run, /var/lib/ENGINE and so on are directories below
# $DIR, so that an engine of the machine itself is never touched. Only cgroups are the machine's: all containers have theirs
# below $CGROUP, which `run` removes.
#
#	RUNTIME  path of the OCI runtime       DIR     this engine's directory, on a disk file system
#	CGROUP   /minirun-engines-PID          TOOLS   directory of programs that `run` has built
#	IMAGE    localhost/busybox:latest      LOGS    directory of log files
#	ENGINE_PATH  directories with engine programs, which are searched before PATH

set -u
IMAGE=localhost/busybox:latest
LOGS=$DIR/logs
SLOW=${SLOW:-1} # on a machine that is so many times slower, all waiting is longer
PATIENCE=$((90 * SLOW)) # seconds that one command may take
passed=0 failed=0 skipped=0
cleanups=()

ok() { passed=$((passed + 1)); printf 'ok    %s: %s\n' "$ENGINE" "$1"; }
skip() { skipped=$((skipped + 1)); printf 'skip  %s: %s (%s)\n' "$ENGINE" "$1" "$2"; }

# fail NAME LINE...: the lines say what was wanted and what was seen.
fail() {
	failed=$((failed + 1))
	printf 'FAIL  %s: %s\n' "$ENGINE" "$1"
	shift
	printf '%s\n' "$@" | sed 's/^/      /'
}

# check [-s STATUS] [-o GLOB] [-e GLOB] [-w SECONDS] NAME COMMAND...
# COMMAND is to exit with STATUS (0; `!` is any but 0) and to print text that matches GLOB as a whole on standard output (-o)
# and on standard error (-e). With -w it is tried again until it does, for that many seconds. A pseudo-terminal's carriage
# returns, and its echo of the end of input (^@), are dropped.
check() {
	local status=0 out='*' err='*' seconds=0 option OPTIND=1
	while getopts s:o:e:w: option; do
		case $option in
		s) status=$OPTARG ;;
		o) out=$OPTARG ;;
		e) err=$OPTARG ;;
		w) seconds=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	local name=$1 deadline=$((SECONDS + seconds * SLOW)) got seen_out seen_err
	shift
	while :; do
		timeout -k 5 "$PATIENCE" "$@" >"$DIR/out" 2>"$DIR/err" </dev/null
		got=$?
		seen_out=$(tr -d '\r\0' <"$DIR/out" | sed 's/\^@//g')
		seen_err=$(tr -d '\r\0' <"$DIR/err")
		# shellcheck disable=SC2053 # the patterns are globs
		if { [ "$got" = "$status" ] || { [ "$status" = ! ] && [ "$got" != 0 ] && [ "$got" != 124 ]; }; } &&
			[[ $seen_out == $out && $seen_err == $err ]]; then
			ok "$name"
			return 0
		fi
		[ "$SECONDS" -lt "$deadline" ] || break
		sleep 0.3
	done
	fail "$name" "command: $*" "status:  $got, wanted $status" "stdout:  $seen_out" "wanted:  $out" "stderr:  $seen_err" "wanted:  $err"
	return 1
}

# until_true SECONDS COMMAND...: waits quietly for COMMAND to succeed, at most so long.
until_true() {
	local deadline=$((SECONDS + $1 * SLOW))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.2
	done
}

# wrapper NAME TEXT: a command on PATH that is the shell text, so that checks can name it plainly and `timeout` can run it.
wrapper() {
	printf '#!/bin/sh\n%s\n' "$2" >"$DIR/bin/$1"
	chmod 755 "$DIR/bin/$1"
}

# daemon NAME COMMAND...: starts it in the background with its output in $LOGS/NAME.log and leaves its number in $DAEMON.
daemon() {
	local name=$1
	shift
	# shellcheck disable=SC2034 # the scripts use it
	"$@" </dev/null >>"$LOGS/$name.log" 2>&1 &
	DAEMON=$!
}

# serves SECONDS COMMAND...: waits for COMMAND to succeed, but no longer than the last daemon is there.
serves() {
	local seconds=$1
	shift
	until_true "$seconds" sh -c '"$@" || ! kill -0 "$0"' "$DAEMON" "$@" && "$@" >/dev/null 2>&1
}

# bye PID: asks a daemon to end, and waits.
bye() {
	kill "$1" 2>/dev/null || return 0
	until_true 20 not_there "$1" || kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null || true
}
not_there() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }

# private DIRECTORY...: puts an empty directory of ours over each, in this mount namespace.
private() {
	local path
	for path in "$@"; do
		mkdir -p "$path" "$DIR/over$path"
		mount --bind "$DIR/over$path" "$path"
	done
}

# tty COMMAND LINE: runs it in a pseudo-terminal of 40 rows and 100 columns.
wrapper_tty() {
	wrapper tty-run 'exec script -qec "stty rows 40 cols 100; $*" /dev/null'
}

# rootfs makes $DIR/rootfs and $DIR/rootfs.tar: busybox and the few files that programs expect.
rootfs() {
	local at=$DIR/rootfs
	mkdir -p "$at"/{bin,dev,etc,home/user,proc,root,run,sys,tmp,var/tmp}
	chmod 1777 "$at/tmp" "$at/var/tmp"
	chown 1000:1000 "$at/home/user"
	cp /bin/busybox "$at/bin/busybox"
	chroot "$at" /bin/busybox --install -s /bin
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n' >"$at/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\nextra:x:2000:user\n' >"$at/etc/group"
	tar -C "$at" -cf "$DIR/rootfs.tar" .
}

# oci_image ARCHIVE NAME [CMD]: packs rootfs.tar as an OCI image archive (image-spec: image-layout.md, config.md, manifest.md).
# CMD is a JSON array, by default ["sh"].
oci_image() {
	local blobs=$DIR/oci/blobs/sha256 layer config manifest
	rm -rf "$DIR/oci"
	mkdir -p "$blobs"
	layer=$(blob "$DIR/rootfs.tar")
	printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin:/usr/bin:/sbin"],"Cmd":%s,"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$(architecture)" "${3-[\"sh\"]}" "$layer" >"$DIR/oci/config"
	config=$(blob "$DIR/oci/config")
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%d}]}' \
		"$config" "$(stat -c %s "$blobs/$config")" "$layer" "$(stat -c %s "$blobs/$layer")" >"$DIR/oci/manifest"
	manifest=$(blob "$DIR/oci/manifest")
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"annotations":{"org.opencontainers.image.ref.name":"latest","io.containerd.image.name":"%s"}}]}' \
		"$manifest" "$(stat -c %s "$blobs/$manifest")" "$2" >"$DIR/oci/index.json"
	printf '{"imageLayoutVersion":"1.0.0"}' >"$DIR/oci/oci-layout"
	tar -C "$DIR/oci" -cf "$1" oci-layout index.json blobs
}
blob() {
	local sum
	sum=$(sha256sum <"$1")
	cp "$1" "$DIR/oci/blobs/sha256/${sum%% *}"
	printf %s "${sum%% *}"
}
architecture() { case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac; }

# cgroup CONTROLLER: where its hierarchy is mounted: its own on cgroup v1, the one of all on v2.
cgroup() {
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo /sys/fs/cgroup; else echo "/sys/fs/cgroup/$1"; fi
}

# namespace TYPE: the number of this script's own.
namespace() { stat -Lc %i "/proc/self/ns/$1"; }

# A privileged container asks for every capability that the engine knows. runc refuses what the machine does not have, so
# there such checks are skipped.
ALL_CAPABILITIES='' NOT_ALL_CAPABILITIES='this machine gives no process all capabilities, see CapBnd in /proc/self/status'
if (((0x$(awk '/CapBnd/ {print $2}' /proc/self/status) & 0x1ffffffffff) == (1 << $(cat /proc/sys/kernel/cap_last_cap) + 1) - 1)); then
	ALL_CAPABILITIES=yes
fi

# need PROGRAM...: ends the script with one skip if a program is missing.
need() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null && continue
		skip "everything" "there is no $program; tests/engines/run --install installs Debian's packages, tests/engines/modules/build builds programs for ENGINE_PATH"
		exit 0
	done
}

# nothing_left PROGRAMS: the last checks of a script, after its containers are gone: no state, cgroup, process or mount of
# them. PROGRAMS is an extended regular expression of command lines that may still be there, the engine's own, and
# OTHERS_CGROUPS one of cgroups that the engine, not the runtime, has left.
OTHERS_CGROUPS=-
nothing_left() {
	local found allowed=$1
	found=$(find /run /var/lib/containers /var/run -path '*/runtime-*/*/*/state.json' -o -path '*/moby/*/state.json' -o -path "*/${RUNTIME##*/}/*/*" -name state.json 2>/dev/null | head -5)
	none "no state directory is left" "$found"
	found=$(find /sys/fs/cgroup -path "*$CGROUP/*" -type d 2>/dev/null | grep -E '[0-9a-f]{32}|/t-' | grep -vE -e "$OTHERS_CGROUPS" | head -5)
	none "no cgroup is left" "$found"
	# ps prints the name in brackets while a process, such as the head of this pipeline, executes or exits.
	found=$(ps -eo pid=,ppid=,stat=,args= | awk '$1 != 1' | grep -Ev "$allowed|nothing_left|(^| )\[?(ps|awk|grep|bash|sh|head|sleep|timeout)\]?( |$)" | head -5)
	none "no process is left" "$found"
	found=$(awk '{print $5}' /proc/self/mountinfo | grep -v '^/dev/shm$' | grep -E '/(merged|rootfs|shm|secrets)$' | head -5)
	none "no mount is left" "$found"
}
none() { if [ -z "$2" ]; then ok "$1"; else fail "$1" "found: $2"; fi; }

# at_end COMMAND...: to be done when the script ends, the last first.
at_end() { cleanups+=("$*"); }

finish() {
	local i
	for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do eval "${cleanups[i]}" >/dev/null 2>&1; done
	printf '%d %d %d\n' "$passed" "$failed" "$skipped" >"$DIR/counts"
}

mkdir -p "$DIR/bin" "$LOGS"
PATH=$DIR/bin:${ENGINE_PATH:+$ENGINE_PATH:}/usr/bin:/bin:/usr/sbin:/sbin
trap finish EXIT
trap 'exit 130' INT TERM HUP
ip link set lo up 2>/dev/null # a user has it up, and may not
wrapper_tty
