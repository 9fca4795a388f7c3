# dockerd.bash: a private dockerd, for the scripts docker.bash and swarm.bash. All of it is below $DIR and in this script's
# network namespace, with Docker's usual bridge; iptables are left alone, since nothing is to get out.
# shellcheck source=lib.bash
. "$HERE/lib.bash"
need dockerd containerd docker
DOCKER=$(command -v docker) # found now: a wrapper of this name comes later

# start_dockerd OPTION...: leaves its number in $DOCKERD.
start_dockerd() {
	daemon dockerd dockerd --config-file "$DIR/daemon.json" --host "unix://$DIR/docker.sock" --data-root "$DIR/data" \
		--exec-root /run/docker --pidfile "$DIR/docker.pid" --iptables=false --ip6tables=false --userland-proxy=false \
		--cgroup-parent "$CGROUP" "$@"
	DOCKERD=$DAEMON
	if ! serves 60 "$DOCKER" info; then
		fail "dockerd starts" "$(tail -20 "$LOGS/dockerd.log")"
		exit 1
	fi
}

private /run /var/lib/docker /var/lib/containerd /etc/docker
rootfs
export DOCKER_HOST=unix://$DIR/docker.sock DOCKER_CONFIG=$DIR/docker-config
wrapper docker "exec $DOCKER \"\$@\""
[ ! -x /usr/bin/tini-static ] || ln -s /usr/bin/tini-static "$DIR/bin/docker-init"
cat >"$DIR/daemon.json" <<-JSON
	{
	  "runtimes": {"tried": {"path": "$RUNTIME"}},
	  "default-runtime": "tried",
	  "bip": "10.98.0.1/24"
	}
JSON
