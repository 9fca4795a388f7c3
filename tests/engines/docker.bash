# docker.bash: containers under dockerd, which calls the runtime through containerd and its shim.
# shellcheck source=dockerd.bash
. "$HERE/dockerd.bash"

start_dockerd --live-restore
sleeper='trap "exit 7" TERM; echo up; while :; do sleep 0.1; done'
check -o tried "info names the default runtime" docker info -f '{{.DefaultRuntime}}'
check "import makes an image" docker import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' "$DIR/rootfs.tar" $IMAGE

# run: the process and what it sees
check -o hello "run prints what the process prints" docker run --rm $IMAGE echo hello
check -o '' -e oops "run keeps standard error apart" docker run --rm $IMAGE sh -c 'echo oops >&2'
check -s 42 "run exits as the process does" docker run --rm $IMAGE sh -c 'exit 42'
check -s 137 "run exits with 128 + the number of the signal that ended it" \
	sh -c "(until docker kill t-kill; do sleep 0.2; done) 2>/dev/null >&2 & exec docker run --rm --name t-kill $IMAGE sleep 100"
check -s 127 -e '*nowhere*' "a program that is not there: status 127" docker run --rm $IMAGE nowhere
check -s 126 -e '*ermission denied*' "a file that is not executable: status 126" docker run --rm $IMAGE /etc/passwd
check -s 126 -e '*' "a directory instead of a program: status 126" docker run --rm $IMAGE /etc
check -o $'/dev/pts/0\n40 100' "run -it gives a terminal with its size" tty-run "docker run --rm -it $IMAGE sh -c 'tty; sleep 0.5; stty size'"
check -o in "run -i passes standard input" sh -c "echo in | docker run --rm -i $IMAGE cat"
check -o '1000:1000 /tmp x' "run --user, --workdir, --env" docker run --rm --user 1000:1000 --workdir /tmp --env A=x $IMAGE sh -c 'echo $(id -u):$(id -g) $PWD $A'
check -o '*2000*' "run --group-add" docker run --rm --user 1000 --group-add 2000 $IMAGE id -G
check -o inside "run --hostname" docker run --rm --hostname inside $IMAGE hostname
check -o 1 "the process is number 1" docker run --rm $IMAGE sh -c 'echo $$'
check -s ! -e '*ead-only*' "run --read-only" docker run --rm --read-only $IMAGE touch /x
check -o '*CapEff:?0000000000000000*' "run --cap-drop all" docker run --rm --cap-drop all $IMAGE grep CapEff /proc/self/status
check -o '*CapEff:?0000000000001000*' "run --cap-drop all --cap-add net_admin" docker run --rm --cap-drop all --cap-add net_admin $IMAGE grep CapEff /proc/self/status
check -o 1 "run --security-opt no-new-privileges" docker run --rm --security-opt no-new-privileges $IMAGE awk '/NoNewPrivs/ {print $2}' /proc/self/status
check -o 2 "Docker's seccomp filter is loaded" docker run --rm $IMAGE awk '/Seccomp:/ {print $2}' /proc/self/status
check -s ! -e '*not permitted*' "it refuses unshare" docker run --rm $IMAGE unshare -n true
check -o 0 "run --security-opt seccomp=unconfined" docker run --rm --security-opt seccomp=unconfined $IMAGE awk '/Seccomp:/ {print $2}' /proc/self/status
check -o '1024' "run --tmpfs" docker run --rm --tmpfs /x:size=1m,mode=755 $IMAGE sh -c 'df -k /x | awk "END {print \$2}"'
mkdir -p "$DIR/volume"; echo shared >"$DIR/volume/file"
check -o shared "run --volume" docker run --rm -v "$DIR/volume:/v:ro" $IMAGE cat /v/file
check -s ! -e '*ead-only*' "run --volume with ro is read-only" docker run --rm -v "$DIR/volume:/v:ro" $IMAGE touch /v/x
check -o kept "a named volume keeps what was written" sh -c "docker run --rm -v t-vol:/v $IMAGE sh -c 'echo kept >/v/f' && docker run --rm -v t-vol:/v $IMAGE cat /v/f && docker volume rm t-vol >/dev/null"
check -o 7 "run --sysctl" docker run --rm --sysctl kernel.msgmni=7 $IMAGE cat /proc/sys/kernel/msgmni
check -o 'c 1,3' "run --device" docker run --rm --device /dev/null:/dev/zed $IMAGE sh -c 'test -c /dev/zed && echo c $(stat -c %t,%T /dev/zed)'
check -s ! "a device that was not allowed cannot be opened" docker run --rm $IMAGE sh -c 'mknod /dev/kmsg c 1 11 && cat /dev/kmsg'
check -o 256 "run --ulimit" docker run --rm --ulimit nofile=256:256 $IMAGE sh -c 'ulimit -n'
check -o 5000 "run --shm-size" docker run --rm --shm-size 5000k $IMAGE sh -c 'df -k /dev/shm | awk "END {print \$2}"'
if [ -n "$ALL_CAPABILITIES" ]; then
	check "run --privileged may mount" docker run --rm --privileged $IMAGE mount -t tmpfs x /tmp
else
	skip "run --privileged may mount" "$NOT_ALL_CAPABILITIES"
fi
check "run --cap-add sys_admin may mount" docker run --rm --cap-add sys_admin --security-opt apparmor=unconfined $IMAGE mount -t tmpfs x /tmp
check -o 'bash *' "run --pid host sees the host's processes" docker run --rm --pid host $IMAGE sh -c 'tr "\0" " " </proc/1/cmdline'
check -o "$(namespace ipc)" "run --ipc host" docker run --rm --ipc host $IMAGE stat -Lc %i /proc/self/ns/ipc
check -o '*Mounts are masked: 0' "/proc/kcore and /sys/firmware are masked" docker run --rm $IMAGE sh -c 'wc -c </proc/kcore; ls -A /sys/firmware | wc -l | sed "s/^/Mounts are masked: /"'
check -s ! -e '*ead-only*' "/proc/sys is read-only" docker run --rm $IMAGE sh -c 'echo 1 >/proc/sys/kernel/msgmni'
if [ -x /usr/bin/tini-static ]; then
	check -o '*docker-init*' "run --init" docker run --rm --init $IMAGE sh -c 'tr "\0" " " </proc/1/cmdline'
else
	skip "run --init" "no tini-static; Debian's package tini has it"
fi

# networks: dockerd puts the container's network together in a hook of the runtime, prestart
check -o '*10.98.0.*1 packets received*' "the bridge: it reaches its gateway" docker run --rm $IMAGE sh -c 'ip -4 addr show eth0; ping -c 1 10.98.0.1'
check -o '*lo*' "run --network none" docker run --rm --network none $IMAGE sh -c 'ls /sys/class/net'
check -o "$(namespace net)" "run --network host" docker run --rm --network host $IMAGE stat -Lc %i /proc/self/ns/net
docker run -d --name t-net $IMAGE sleep 1000 >/dev/null 2>&1
check -o "$(docker exec t-net stat -Lc %i /proc/self/ns/net)" "run --network container:NAME" docker run --rm --network container:t-net $IMAGE stat -Lc %i /proc/self/ns/net
check -o "$(docker exec t-net stat -Lc %i /proc/self/ns/pid)" "run --pid container:NAME" docker run --rm --pid container:t-net $IMAGE stat -Lc %i /proc/self/ns/pid
docker rm -f t-net >/dev/null 2>&1
check -o '*1 packets received*' "containers of a network of their own find each other by name" \
	sh -c "docker network create t-net >/dev/null && docker run -d --name t-peer --network t-net $IMAGE sleep 1000 >/dev/null && docker run --rm --network t-net $IMAGE ping -c 1 t-peer; docker rm -f t-peer; docker network rm t-net"

# resources
on_v1() { [ ! -e /sys/fs/cgroup/cgroup.controllers ]; }
if on_v1; then memory=memory/memory.limit_in_bytes pids=pids/pids.max quota=cpu/cpu.cfs_quota_us quota_of='50000'; else memory=memory.max pids=pids.max quota=cpu.max quota_of='50000 100000'; fi
check -o $'33554432\n20\n'"$quota_of" "run --memory, --pids-limit, --cpus" \
	docker run --rm --memory 32m --pids-limit 20 --cpus 0.5 $IMAGE sh -c "cd /sys/fs/cgroup; cat $memory $pids $quota"
check -o 0 "run --cpuset-cpus" docker run --rm --cpuset-cpus 0 $IMAGE awk '/Cpus_allowed_list/ {print $2}' /proc/self/status
check -s 137 "run --memory: more than that is killed" docker run --name t-oom --memory 32m --memory-swap 32m $IMAGE sh -c 'exec dd if=/dev/zero of=/dev/null bs=100M'
check -o true "inspect: it was killed for its memory" docker inspect -f '{{.State.OOMKilled}}' t-oom
docker rm t-oom >/dev/null 2>&1

# a container's life
check "run --detach" docker run -d --name t-one $IMAGE sh -c "$sleeper"
check -w 5 -o up "logs" docker logs t-one
check -o running "inspect: it is running" docker inspect -f '{{.State.Status}}' t-one
check -o '*t-one*' "ps lists it" docker ps
check -o '*sleep 0.1*' "top lists its processes" docker top t-one -eo pid,args
check -o '*t-one*iB*' "stats" docker stats --no-stream t-one
check -o inside "exec prints what its process prints" docker exec t-one echo inside
check -o '' -e oops "exec keeps standard error apart" docker exec t-one sh -c 'echo oops >&2'
check -s 9 "exec exits as its process does" docker exec t-one sh -c 'exit 9'
check -s 137 "exec exits with 128 + the number of the signal" docker exec t-one sh -c 'kill -9 $$'
check -s ! -o '*nowhere*' "exec of a program that is not there fails" sh -c 'docker exec t-one nowhere 2>&1'
check -s 126 "its status is 126, as Docker has it" docker exec t-one nowhere
check -o '1000 /tmp y' "exec --user --workdir --env" docker exec --user 1000 --workdir /tmp --env B=y t-one sh -c 'echo $(id -u) $PWD $B'
check -o $'/dev/pts/*\n40 100' "exec -it gives a terminal with its size" tty-run "docker exec -it t-one sh -c 'tty; sleep 0.5; stty size'"
check -o fed "exec -i passes standard input" sh -c "echo fed | docker exec -i t-one cat"
check "exec --detach" docker exec -d t-one touch /tmp/made
check -w 5 "exec --detach has run" docker exec t-one test -e /tmp/made
if [ -n "$ALL_CAPABILITIES" ]; then
	check -o '*CapEff:*ffffffff*' "exec --privileged" docker exec --privileged t-one grep CapEff /proc/self/status
else
	skip "exec --privileged" "$NOT_ALL_CAPABILITIES"
fi
check -o 20 "twenty execs at once" sh -c 'for i in $(seq 20); do docker exec t-one echo x & done | wc -l; wait'
check "update --memory --cpus --pids-limit" docker update --memory 64m --memory-swap 128m --cpus 0.25 --pids-limit 30 t-one
check -o $'67108864\n30\n25000*' "the limits are in force" docker exec t-one sh -c "cd /sys/fs/cgroup; cat $memory $pids $quota"
check "update --cpu-shares --cpuset-cpus" docker update --cpu-shares 512 --cpuset-cpus 1 t-one
check -o 1 "the processors are in force" docker exec t-one awk '/Cpus_allowed_list/ {print $2}' /proc/self/status
less="update --memory to less than is in use fails"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	skip "$less" "on cgroup v2 the kernel takes such a limit, and makes room"
else
	check -s ! "$less" docker update --memory 6m --memory-swap 1m t-one
fi
check "pause" docker pause t-one
check -o paused "inspect: it is paused" docker inspect -f '{{.State.Status}}' t-one
check -s ! -e '*is paused*' "exec into a paused container fails" docker exec t-one true
check "unpause" docker unpause t-one
check -o running "inspect: it is running again" docker inspect -f '{{.State.Status}}' t-one
check "exec works after unpause" docker exec t-one true
check "cp into it" docker cp "$DIR/volume/file" t-one:/tmp/copied
check -o shared "cp has copied" docker exec t-one cat /tmp/copied
check "kill --signal TERM" docker kill --signal TERM t-one
check -o 7 "wait gives the status that the process chose" docker wait t-one
check "start again" docker start t-one
check -w 5 -o 2 "it is up again" sh -c 'docker logs t-one | grep -c up'
check "stop with a signal the process handles" docker stop -t 10 t-one
check -o 7 "inspect: its exit status" docker inspect -f '{{.State.ExitCode}}' t-one
check "restart" docker restart -t 10 t-one
check "pause, then stop: it is thawed and ends" sh -c 'docker pause t-one && docker stop -t 5 t-one'
check "pause, then rm --force" sh -c 'docker start t-one && docker pause t-one && docker rm -f t-one'
check -s ! "it is gone" docker inspect t-one
check "rm --force of a running container" sh -c "docker run -d --name t-two $IMAGE sleep 1000 && docker rm -f t-two"
check -o created "create" sh -c "docker create --name t-made $IMAGE sh -c 'echo made; exit 3' >/dev/null; docker inspect -f '{{.State.Status}}' t-made"
check -s 3 -o made "start --attach" docker start --attach t-made
check "rm" docker rm t-made
check "stop of a process that ignores SIGTERM" sh -c "docker run -d --name t-deaf $IMAGE sh -c 'trap : TERM; while :; do sleep 0.1; done' && docker stop -t 1 t-deaf"
check -o 137 "it was killed" docker inspect -f '{{.State.ExitCode}}' t-deaf
docker rm -f t-deaf >/dev/null 2>&1

# restart policy and health
check "run --restart on-failure:2" docker run -d --restart on-failure:2 --name t-again $IMAGE sh -c 'echo try; exit 1'
check -w 20 -o '2 exited' "it was restarted twice, then left" docker inspect -f '{{.RestartCount}} {{.State.Status}}' t-again
check -o 3 "three tries in all" sh -c 'docker logs t-again | wc -l'
check "run --restart always" docker run -d --restart always --name t-always $IMAGE sh -c 'sleep 0.5; exit 0'
check -w 20 "it comes back each time" sh -c "test \$(docker inspect -f '{{.RestartCount}}' t-always) -ge 2"
check -w 10 -o running "killed from outside, it comes back" sh -c "kill -9 \$(docker inspect -f '{{.State.Pid}}' t-always) 2>/dev/null; sleep 1; docker inspect -f '{{.State.Status}}' t-always"
docker rm -f t-again t-always >/dev/null 2>&1
check "run --health-cmd" docker run -d --name t-health --health-cmd 'test -e /tmp/well' --health-interval 300ms --health-retries 2 $IMAGE sh -c 'touch /tmp/well; sleep 1000'
check -w 10 -o healthy "it becomes healthy" docker inspect -f '{{.State.Health.Status}}' t-health
check -w 10 -o unhealthy "and unhealthy when it is ill" sh -c "docker exec t-health rm -f /tmp/well; docker inspect -f '{{.State.Health.Status}}' t-health"
docker rm -f t-health >/dev/null 2>&1

# live restore: dockerd dies and comes back, the container does not notice
check "run, before dockerd is killed" docker run -d --name t-live $IMAGE sh -c "$sleeper"
pid=$(docker inspect -f '{{.State.Pid}}' t-live)
kill -9 "$DOCKERD"; wait "$DOCKERD" 2>/dev/null
start_dockerd --live-restore
check -o "running $pid" "dockerd came back: the container is still the same" docker inspect -f '{{.State.Status}} {{.State.Pid}}' t-live
check -o still "exec works" docker exec t-live echo still
check "stop works" docker stop -t 5 t-live
check -o 7 "its exit status" docker inspect -f '{{.State.ExitCode}}' t-live
docker rm -f t-live >/dev/null 2>&1

check -o 20 "twenty containers at once" sh -c "for i in \$(seq 20); do docker run --rm --network none $IMAGE echo x & done | wc -l; wait"
check -o '' "no container is left" docker ps -aq
nothing_left 'dockerd|containerd'
bye "$DOCKERD"

# a user namespace for all containers
printf 'nobody:100000:65536\nnogroup:100000:65536\n' >"$DIR/subid"
mount --bind "$DIR/subid" /etc/subuid && mount --bind "$DIR/subid" /etc/subgid
start_dockerd --userns-remap nobody:nogroup
check "userns-remap: import" docker import "$DIR/rootfs.tar" $IMAGE
check -o '0 100000 65536' "userns-remap: the container's user namespace" docker run --rm $IMAGE sh -c 'echo $(cat /proc/self/uid_map)'
check -o '*1 packets received*' "userns-remap: the bridge" docker run --rm $IMAGE ping -c 1 10.98.0.1
check "userns-remap: run --detach" docker run -d --name t-mapped $IMAGE sh -c "$sleeper"
check -o '0 0' "userns-remap: exec" docker exec t-mapped sh -c 'echo $(id -u) $(stat -c %u /etc/passwd)'
check -o 1000 "userns-remap: exec --user" docker exec --user 1000 t-mapped id -u
check "userns-remap: stop" docker stop -t 5 t-mapped
check "userns-remap: rm" docker rm t-mapped
bye "$DOCKERD"
