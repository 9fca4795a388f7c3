# podman.bash: containers under podman, which calls the runtime itself, through conmon, without a daemon.
# shellcheck source=lib.bash
. "$HERE/lib.bash"
need podman conmon

private /run /var/lib/containers
rootfs
# The limits of processes: podman asks for more than a machine without CAP_SYS_RESOURCE may give.
cat >"$DIR/containers.conf" <<-CONF
	[containers]
	default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
	[network]
	firewall_driver = "none"
CONF
cat >"$DIR/storage.conf" <<-CONF
	[storage]
	driver = "overlay"
	graphroot = "/var/lib/containers/storage"
	runroot = "/run/containers/storage"
CONF
export CONTAINERS_CONF=$DIR/containers.conf CONTAINERS_STORAGE_CONF=$DIR/storage.conf
PODMAN=$(command -v podman) # found now: a wrapper of this name comes next
wrapper podman "exec $PODMAN --runtime $RUNTIME --cgroup-manager=cgroupfs --events-backend=file \"\$@\" "
run_options="--cgroup-parent $CGROUP --network none"
wrapper prun "exec podman run $run_options \"\$@\""
wrapper pcreate "exec podman create $run_options \"\$@\""
sleeper='trap "exit 7" TERM; echo up; while :; do sleep 0.1; done'

check "import makes an image" podman import -q "$DIR/rootfs.tar" $IMAGE
check -o "*${RUNTIME##*/}*" "info names the runtime" podman info -f '{{.Host.OCIRuntime.Path}}'

# run: the process and what it sees
check -o hello "run prints what the process prints" prun --rm $IMAGE echo hello
check -o '' -e oops "run keeps standard error apart" prun --rm $IMAGE sh -c 'echo oops >&2'
check -s 42 "run exits as the process does" prun --rm $IMAGE sh -c 'exit 42'
check -s 137 "run exits with 128 + the number of the signal that ended it" sh -c "(until podman kill t-kill; do sleep 0.2; done) 2>/dev/null >&2 & exec prun --rm --name t-kill $IMAGE sleep 100"
check -s 127 -e '*nowhere*' "a program that is not there: status 127" prun --rm $IMAGE nowhere
check -s 126 -e '*ermission denied*' "a file that is not executable: status 126" prun --rm $IMAGE /etc/passwd
check -o $'*/dev/pts/0\n40 100' "run -it gives a terminal with its size" tty-run "podman run $run_options --rm -it $IMAGE sh -c 'tty; sleep 0.5; stty size'"
check -o 'in' "run -i passes standard input" sh -c "echo in | prun --rm -i $IMAGE cat"
check -o '1000:1000 /tmp x' "run --user, --workdir, --env" prun --rm --user 1000:1000 --workdir /tmp --env A=x $IMAGE sh -c 'echo $(id -u):$(id -g) $PWD $A'
check -o 'inside' "run --hostname" prun --rm --hostname inside $IMAGE hostname
check -o '1' "the process is number 1" prun --rm $IMAGE sh -c 'echo $$'
check -s ! -e '*ead-only*' "run --read-only" prun --rm --read-only $IMAGE touch /x
check -o '*CapEff:?0000000000000000*' "run --cap-drop all" prun --rm --cap-drop all $IMAGE grep CapEff /proc/self/status
check -o '1' "run --security-opt no-new-privileges" prun --rm --security-opt no-new-privileges $IMAGE awk '/NoNewPrivs/ {print $2}' /proc/self/status
check -o '2' "a seccomp filter is loaded" prun --rm $IMAGE awk '/Seccomp:/ {print $2}' /proc/self/status
check -o '0' "run --security-opt seccomp=unconfined" prun --rm --security-opt seccomp=unconfined $IMAGE awk '/Seccomp:/ {print $2}' /proc/self/status
check -o 'tmpfs 1m*' "run --tmpfs" prun --rm --tmpfs /x:size=1m,mode=755 $IMAGE sh -c 'df -h /x | tail -1 | sed "s/  */ /g;s/1.0M/1m/"'
mkdir -p "$DIR/volume"; echo shared >"$DIR/volume/file"
check -o shared "run --volume" prun --rm -v "$DIR/volume:/v:ro" $IMAGE cat /v/file
check -s ! -e '*ead-only*' "run --volume with ro is read-only" prun --rm -v "$DIR/volume:/v:ro" $IMAGE touch /v/x
check -o '7' "run --sysctl" prun --rm --sysctl kernel.msgmni=7 $IMAGE cat /proc/sys/kernel/msgmni
check -o 'crw*1, *3 /dev/zed' "run --device" prun --rm --device /dev/null:/dev/zed $IMAGE sh -c 'ls -l /dev/zed | sed "s/root.*1,/1,/;s/3 .*\//3 \/dev\//"'
check -o '256' "run --ulimit" prun --rm --ulimit nofile=256:256 --ulimit nproc=1024:1024 $IMAGE sh -c 'ulimit -n'
check -o '5000' "run --shm-size" prun --rm --shm-size 5000k $IMAGE sh -c 'df -k /dev/shm | awk "END {print \$2}"'
check "run --privileged may mount" prun --rm --privileged $IMAGE mount -t tmpfs x /tmp
check -o '*/busybox*' "run --pid host sees the host's processes" prun --rm --pid host --name t-pidhost $IMAGE sh -c 'cat /proc/1/cmdline | tr "\0" " "; echo /busybox'
check "run --init: a process of its own reaps" prun --rm --init --init-path /usr/bin/tini-static $IMAGE true
check -o '0 100000 65536' "run --uidmap: a user namespace" prun --rm --uidmap 0:100000:65536 $IMAGE sh -c 'echo $(cat /proc/self/uid_map)'

# resources
memory=/sys/fs/cgroup/memory/memory.limit_in_bytes shares=/sys/fs/cgroup/cpu/cpu.shares
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || memory=/sys/fs/cgroup/memory.max shares=/sys/fs/cgroup/cpu.weight
check -o 33554432 "run --memory" prun --rm --memory 32m $IMAGE cat $memory
check -s 137 "run --memory: more than that is killed" prun --rm --memory 32m --memory-swap 32m $IMAGE sh -c 'dd if=/dev/zero of=/dev/null bs=100M'
check -s ! "run --pids-limit" prun --rm --pids-limit 5 $IMAGE sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait'

# a container's life
check "run --detach" prun -d --name t-one $IMAGE sh -c "$sleeper"
check -w 5 -o up "logs" podman logs t-one
check -o running "inspect: it is running" podman inspect -f '{{.State.Status}}' t-one
check -o '*t-one*' "ps lists it" podman ps
check -o '*sleep 0.1*' "top lists its processes" podman top t-one args
check -o '*t-one*' "stats" podman stats --no-stream t-one
check -o inside "exec prints what its process prints" podman exec t-one echo inside
check -s 9 "exec exits as its process does" podman exec t-one sh -c 'exit 9'
check -s 127 -e '*nowhere*' "exec of a program that is not there: status 127" podman exec t-one nowhere
check -o '1000 /tmp y' "exec --user --workdir --env" podman exec --user 1000 --workdir /tmp --env B=y t-one sh -c 'echo $(id -u) $PWD $B'
check -o $'*/dev/pts/*\n40 100' "exec -it gives a terminal with its size" tty-run "podman exec -it t-one sh -c 'tty; sleep 0.5; stty size'"
check -o fed "exec -i passes standard input" sh -c "echo fed | podman exec -i t-one cat"
check "exec --detach" podman exec -d t-one touch /tmp/made
check -w 5 "exec --detach has run" podman exec t-one test -e /tmp/made
check -o '*CapEff:?0000003fffffffff*' "exec --privileged has all capabilities but what the machine lacks" sh -c "podman exec --privileged t-one grep CapEff /proc/self/status | sed 's/CapEff:.*/CapEff: 0000003fffffffff/'"
check "pause" podman pause t-one
check -o paused "inspect: it is paused" podman inspect -f '{{.State.Status}}' t-one
check -s ! "exec into a paused container fails" podman exec t-one true
check "unpause" podman unpause t-one
check -o running "inspect: it is running again" podman inspect -f '{{.State.Status}}' t-one
check "exec works after unpause" podman exec t-one true
check "kill with a signal" podman kill --signal TERM t-one
check -o 7 "wait gives the status that the process chose" podman wait t-one
check "start again" podman start t-one
check -w 5 "it is up again" sh -c 'test "$(podman logs t-one | grep -c up)" = 2'
check "stop with a signal the process handles" podman stop -t 10 t-one
check -o 7 "inspect: its exit status" podman inspect -f '{{.State.ExitCode}}' t-one
check "restart" podman restart t-one
check "rm --force of a running container" podman rm -f -t 0 t-one
check -s 1 "it is gone" podman container exists t-one

check "create" pcreate --name t-two $IMAGE sh -c 'echo made; exit 3'
check -o created "inspect: it is created" podman inspect -f '{{.State.Status}}' t-two
check "init: the runtime's create without start" podman init t-two
check -o initialized "inspect: it is initialized" podman inspect -f '{{.State.Status}}' t-two
check -s 3 -o made "start --attach" podman start --attach t-two
check "rm" podman rm t-two
check "init, then rm --force of what was never started" sh -c "pcreate --name t-three $IMAGE true && podman init t-three && podman rm -f t-three"

check "stop of a process that ignores SIGTERM" sh -c "prun -d --name t-deaf $IMAGE sh -c 'trap : TERM; while :; do sleep 0.1; done' && podman stop -t 1 t-deaf"
check -o 137 "it was killed" podman inspect -f '{{.State.ExitCode}}' t-deaf
check "run --restart on-failure: it is tried again" prun -d --restart on-failure:2 --name t-again $IMAGE sh -c 'echo try; exit 1'
check -w 20 -o 2 "three tries in all" podman inspect -f '{{.RestartCount}}' t-again
check "healthcheck run" sh -c "prun -d --name t-health --health-cmd 'test -e /tmp/well' --health-interval disable $IMAGE sh -c 'touch /tmp/well; sleep 100' && sleep 1 && podman healthcheck run t-health"
check -s 1 -o unhealthy "healthcheck run of one that is ill" sh -c "podman exec t-health rm /tmp/well; podman healthcheck run t-health"
check "rm --all" podman rm --all --force --time 0

# pods: several containers in the namespaces of one
check "pod create" podman pod create --name t-pod --network none --cgroup-parent "$CGROUP" --infra-image $IMAGE --infra-command 'sleep 1000'
pod="a container of the pod sees the other one's network"
if [ -e /sys/fs/cgroup/cgroup.controllers ] && [[ $(podman --version) == *' 4.'* ]]; then
	skip "$pod" "podman 4.3 without systemd forbids all devices in a pod's cgroup of version 2: runc fails there as well"
else
	check -o '*t-in*' "$pod" sh -c "podman run -d --pod t-pod --name t-in $IMAGE sleep 1000 && podman ps --pod"
fi
# podman 4.3 itself leaves the pod's own cgroup on cgroup v1.
OTHERS_CGROUPS=$(podman pod inspect -f '{{.ID}}' t-pod)
check "pod rm" podman pod rm -f -t 0 t-pod

# networks and builds
if ! "$PODMAN" --network-backend cni info >/dev/null 2>"$DIR/cni.error" && grep -q 'only netavark' "$DIR/cni.error"; then
	check "network create" podman network create --subnet 10.99.0.0/24 --disable-dns t
	# Without a firewall driver the gateway did not answer a ping on Debian 13, so only the address is checked.
	check -o '*10.99.0.*' "a network of its own: it has an address" podman run --cgroup-parent "$CGROUP" --rm --network t $IMAGE ip -4 addr show eth0
elif [ -x /usr/lib/cni/bridge ]; then
	mkdir -p "$DIR/cni"
	printf '{"cniVersion":"0.4.0","name":"t","plugins":[{"type":"bridge","bridge":"cni-t","isGateway":true,"ipam":{"type":"host-local","subnet":"10.99.0.0/24"}}]}' >"$DIR/cni/t.conflist"
	check -o '*10.99.0.*1 packets received*' "a network of its own: it reaches its gateway" podman --cni-config-dir "$DIR/cni" --network-backend cni run --cgroup-parent "$CGROUP" --rm --network t $IMAGE sh -c 'ip -4 addr show eth0; ping -c 1 10.99.0.1'
else
	skip "a network of its own" "no CNI plug-ins; Debian's package containernetworking-plugins has them"
fi

nothing_left 'conmon|podman'
