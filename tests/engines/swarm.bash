# swarm.bash: Docker swarm, an engine that keeps a wanted number of containers alive. One node, on loopback.
# shellcheck source=dockerd.bash
. "$HERE/dockerd.bash"

start_dockerd
check "import makes an image" docker import -c 'ENV PATH=/bin' "$DIR/rootfs.tar" $IMAGE
check "and a second one, for the update" docker import -c 'ENV PATH=/bin' -c 'ENV RELEASE=2' "$DIR/rootfs.tar" localhost/busybox:2
check "swarm init" docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1
check -o 'active true' "info: it is a manager" docker info -f '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'

sleeper='trap "exit 0" TERM; echo up; while :; do sleep 0.1; done'
wrapper running "docker ps -q --filter label=com.docker.swarm.service.name=t-web | wc -l"
wrapper releases "for c in \$(docker ps -q --filter label=com.docker.swarm.service.name=t-web); do docker exec \$c sh -c 'echo \${RELEASE:-1}'; done | sort | uniq -c | awk '{print \$1 \"x\" \$2}'"
create="docker service create -q --no-resolve-image"

check "service create with 3 replicas" $create --detach --name t-web --replicas 3 --stop-grace-period 2s \
	--update-delay 200ms --update-parallelism 1 --update-order start-first --restart-delay 200ms $IMAGE sh -c "$sleeper"
check -w 30 -o 3 "3 containers run" running
check -o 3/3 "service ls says so" docker service ls --filter name=t-web --format '{{.Replicas}}'
check -w 10 -o 3 "service logs has a line of each" sh -c 'docker service logs t-web 2>/dev/null | grep -c up'
check "scale up to 6" docker service scale -d t-web=6
check -w 30 -o 6 "6 containers run" running
check "scale down to 2" docker service scale -d t-web=2
check -w 30 -o 2 "2 containers run" running

first=$(docker ps -q --filter label=com.docker.swarm.service.name=t-web | head -1)
check "a container is killed" docker kill "$first"
check -w 30 -o 2 "it is replaced" sh -c "docker ps -q | grep -q '$first' || running"
check -s ! "by another one" sh -c "docker ps -q | grep '$first'"
first=$(docker ps -q --filter label=com.docker.swarm.service.name=t-web | head -1)
check "a container's process is killed from outside" sh -c "kill -9 \$(docker inspect -f '{{.State.Pid}}' $first)"
check -w 30 -o 2 "it is replaced" sh -c "docker ps -q | grep -q '$first' || running"

check "a rolling update" docker service update -q -d --no-resolve-image --image localhost/busybox:2 --env-add X=1 t-web
check -w 40 -o 2x2 "all containers are of the new release" releases
check -w 20 -o completed "service inspect: the update is completed" docker service inspect -f '{{.UpdateStatus.State}}' t-web
check "rollback" docker service rollback -q -d t-web
check -w 40 -o 2x1 "all containers are of the old release" releases
check "update --limit-memory" docker service update -q -d --limit-memory 64m t-web
check -w 30 -o '67108864 67108864 ' "the limit is in force" \
	sh -c "docker inspect -f '{{.HostConfig.Memory}}' \$(docker ps -q --filter label=com.docker.swarm.service.name=t-web) | tr '\n' ' '"

check "a job: 4 containers that end" $create --detach --name t-job --mode replicated-job --replicas 4 --max-concurrent 2 $IMAGE sh -c 'echo done'
check -w 30 -o '*4/4 completed*' "all have ended well" docker service ls --filter name=t-job --format '{{.Replicas}}'
check "a service that is on each node" $create --detach --name t-all --mode global $IMAGE sh -c "$sleeper"
check -w 30 -o 1/1 "it runs on this one" docker service ls --filter name=t-all --format '{{.Replicas}}'
printf 'secret' >"$DIR/secret"
check "secret create" docker secret create t-secret "$DIR/secret"
check "a service with a secret and a health check" $create --detach --name t-secretive --secret t-secret \
	--health-cmd 'test -e /run/secrets/t-secret' --health-interval 300ms $IMAGE sh -c "$sleeper"
check -w 30 -o 1/1 "it runs, and is healthy" docker service ls --filter name=t-secretive --format '{{.Replicas}}'
check -o secret "the secret is inside" sh -c "docker exec \$(docker ps -q --filter label=com.docker.swarm.service.name=t-secretive) cat /run/secrets/t-secret"

if check "an overlay network" docker network create --driver overlay --attachable t-over; then
	check "a service on it" $create --detach --name t-named --network t-over --replicas 2 $IMAGE sh -c "$sleeper"
	check -w 40 -o 2/2 "it runs" docker service ls --filter name=t-named --format '{{.Replicas}}'
	check -w 20 -o '*1 packets received*' "its containers find each other by name" \
		sh -c "docker exec \$(docker ps -q --filter label=com.docker.swarm.service.name=t-named | head -1) ping -c 1 tasks.t-named"
fi

check "dockerd is killed" kill -9 "$DOCKERD"
wait "$DOCKERD" 2>/dev/null
rm -f "$DIR/docker.pid"
start_dockerd
check -w 60 -o 2 "it came back, and the service has its containers again" running

check "service rm" docker service rm t-web t-job t-all t-secretive t-named
check -w 30 -o '' "all containers have ended" docker ps -q
docker ps -aq | xargs -r docker rm -f >/dev/null # those of the job: dockerd was killed, and has forgotten that they were swarm's
check "swarm leave" docker swarm leave --force
nothing_left 'dockerd|containerd'
bye "$DOCKERD"
umount -l /run/docker/netns/* 2>/dev/null
