# containerd2.bash: the checks of containerd.bash and cri.bash with containerd 2, which has another configuration and another
# shim than Debian's containerd 1.6. Each of the two starts its own containerd in its own mounts.
# shellcheck source=lib.bash
. "$HERE/lib.bash"
# shellcheck source=containerd-config.bash
. "$HERE/containerd-config.bash"
need containerd ctr containerd-shim-runc-v2
case $(containerd_version) in
1.*)
	skip "everything" "containerd is $(containerd_version); build containerd 2 with tests/engines/modules/build and name its directory in ENGINE_PATH"
	exit 0
	;;
esac

for part in containerd cri; do
	mkdir -p "$DIR/$part/logs"
	ENGINE="$ENGINE $part" DIR="$DIR/$part" unshare --mount --propagation private bash "$HERE/$part.bash"
	if read -r p f s <"$DIR/$part/counts"; then
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	else
		fail "$part" "the script ended early"
	fi
done
