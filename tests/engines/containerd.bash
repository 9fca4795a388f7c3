# containerd.bash: containers under containerd, by its own client ctr.
# shellcheck source=lib.bash
. "$HERE/lib.bash"
# shellcheck source=containerd-config.bash
. "$HERE/containerd-config.bash"
need containerd ctr containerd-shim-runc-v2

private /run /var/lib/containerd /etc/containerd
rootfs
containerd_config >"$DIR/config.toml"
# crun ID [OPTION...] -- PROGRAM...: ctr run with the runtime, a cgroup and the image.
cat >"$DIR/bin/crun" <<-SCRIPT
	#!/bin/bash
	id=\$1 options=()
	shift
	while [ "\$1" != -- ]; do options+=("\$1"); shift; done
	shift
	exec ctr run --runc-binary $RUNTIME --cgroup $CGROUP/\$id "\${options[@]}" $IMAGE "\$id" "\$@"
SCRIPT
chmod 755 "$DIR/bin/crun"
daemon containerd containerd --config "$DIR/config.toml"
CONTAINERD=$DAEMON
serves 30 ctr version || { fail "containerd starts" "$(tail "$LOGS/containerd.log")"; exit 1; }

sleeper='trap "exit 7" TERM; echo up; while :; do sleep 0.1; done'
oci_image "$DIR/image.tar" $IMAGE
check "image import" ctr image import "$DIR/image.tar"

check -o hello "run prints what the process prints" crun t-a --rm -- echo hello
check -o '' -e '*oops' "run keeps standard error apart" crun t-a --rm -- sh -c 'echo oops >&2'
check -s 42 "run exits as the process does" crun t-a --rm -- sh -c 'exit 42'
check -s ! -e '*nowhere*' "a program that is not there" crun t-a --rm -- nowhere
check -o $'*/dev/pts/0\n40 100' "run --tty gives a terminal with its size" tty-run "crun t-a --rm -t -- sh -c 'tty; sleep 0.5; stty size'"
check -o '/tmp x' "run --cwd, --env" crun t-a --rm --cwd /tmp --env A=x -- sh -c 'echo $PWD $A'
check -s ! -e '*ead-only*' "run --read-only" crun t-a --rm --read-only -- touch /x
check "run --memory-limit" crun t-mem --detach --memory-limit 33554432 -- sleep 1000
check -o 33554432 "the limit is in force" sh -c "cat $(cgroup memory)$CGROUP/t-mem/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup$CGROUP/t-mem/memory.max"
check "and gone with the container" sh -c "ctr task delete --force t-mem; ctr container delete t-mem && ! test -e $(cgroup memory)$CGROUP/t-mem"
mkdir -p "$DIR/volume"; echo shared >"$DIR/volume/file"
check -o shared "run --mount" crun t-a --rm --mount "type=bind,src=$DIR/volume,dst=/v,options=rbind:ro" -- cat /v/file
check -o 2 "run --seccomp" crun t-a --rm --seccomp -- awk '/Seccomp:/ {print $2}' /proc/self/status
check -o "$(namespace net)" "run --net-host" crun t-a --rm --net-host -- stat -Lc %i /proc/self/ns/net
ip netns add t-joined
check -o "$(stat -Lc %i /run/netns/t-joined)" "run --with-ns joins a namespace" crun t-a --rm --with-ns network:/run/netns/t-joined -- stat -Lc %i /proc/self/ns/net
ip netns del t-joined
check -o 0x1000 "run --cap-add" crun t-a --rm --cap-drop CAP_CHOWN --cap-add CAP_NET_ADMIN -- sh -c 'printf 0x%x $((0x$(awk "/CapEff/ {print \$2}" /proc/self/status) & 0x1001))'

check "run --detach" crun t-one --detach --pid-file "$DIR/pid" -- sh -c "$sleeper"
check -o '*t-one*RUNNING*' "task ls: it is running" ctr task ls
check "the pid file has its number" sh -c "grep -q trap /proc/\$(cat $DIR/pid)/cmdline"
check -o '*[0-9]*' "task ps lists its processes" ctr task ps t-one
check -o '*t-one*pids*' "task metrics" ctr task metrics t-one
check -o inside "task exec prints what its process prints" ctr task exec --exec-id e1 t-one echo inside
check -s 9 "task exec exits as its process does" ctr task exec --exec-id e2 t-one sh -c 'exit 9'
check -s 137 "task exec: killed by a signal" ctr task exec --exec-id e3 t-one sh -c 'kill -9 $$'
check -s ! -e '*nowhere*' "task exec of a program that is not there" ctr task exec --exec-id e4 t-one nowhere
check -o '1000 /tmp' "task exec --user --cwd" ctr task exec --exec-id e5 --user 1000 --cwd /tmp t-one sh -c 'echo $(id -u) $PWD'
check -o $'*/dev/pts/*\n40 100' "task exec --tty gives a terminal with its size" tty-run "ctr task exec --exec-id e6 -t t-one sh -c 'tty; sleep 0.5; stty size'"
check -o fed "task exec passes standard input" sh -c "echo fed | ctr task exec --exec-id e7 t-one cat"
check -o 20 "twenty execs at once" sh -c 'for i in $(seq 20); do ctr task exec --exec-id p$i t-one echo x & done | wc -l; wait'
check "task pause" ctr task pause t-one
check -o '*t-one*PAUSED*' "task ls: it is paused" ctr task ls
check -s ! "task exec into a paused container fails" ctr task exec --exec-id e8 t-one true
check "task resume" ctr task resume t-one
check -o '*t-one*RUNNING*' "task ls: it is running again" ctr task ls
check "task exec works after resume" ctr task exec --exec-id e9 t-one true
check "task kill with SIGTERM" ctr task kill --signal SIGTERM t-one
check -w 5 -o '*t-one*STOPPED*' "task ls: it is stopped" ctr task ls
check -e '*exit code 7*' "task delete tells the status that the process chose" ctr task delete t-one
check "task start again" sh -c 'ctr task start --detach t-one && ctr task ls | grep -q "t-one.*RUNNING"'
check -e '*exit code 137*' "task delete --force of a running task" ctr task delete --force t-one
check "container delete" ctr container delete t-one

check "run --detach of a process that ignores SIGTERM, with children" crun t-deaf --detach -- sh -c 'trap : TERM; sleep 1000 & while :; do sleep 0.1; done'
check "task kill --all with SIGKILL" ctr task kill --all --signal SIGKILL t-deaf
check -w 5 -o '*t-deaf*STOPPED*' "task ls: it is stopped" ctr task ls
check -e '*exit code 137*' "task delete" ctr task delete t-deaf
check "container delete" ctr container delete t-deaf

check "run --detach, before containerd is killed" crun t-live --detach -- sh -c "$sleeper"
kill -9 "$CONTAINERD"; wait "$CONTAINERD" 2>/dev/null
daemon containerd containerd --config "$DIR/config.toml"
CONTAINERD=$DAEMON
serves 30 ctr version || fail "containerd starts again" "$(tail "$LOGS/containerd.log")"
check -o '*t-live*RUNNING*' "it came back: the container still runs" ctr task ls
check -o still "task exec works" ctr task exec --exec-id e1 t-live echo still
check "the shim is killed" sh -c 'kill -9 $(ps -eo pid,args | awk "/[c]ontainerd-shim-runc-v2.*t-live/ {print \$1}")'
check -w 10 -o '' "containerd has cleaned up: no process of the container is left" sh -c 'ps -eo args | grep "[t]rap.*exit 7" || true'
check "container delete" sh -c 'ctr task delete --force t-live; ctr container delete t-live'

check -o 20 "twenty containers at once" sh -c 'for i in $(seq 20); do crun t-$i --rm -- echo x & done | wc -l; wait'
check -o '' "no container is left" ctr container ls -q
nothing_left 'containerd'
bye "$CONTAINERD"
