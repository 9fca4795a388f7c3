# critest.bash: critest, Kubernetes' tests of the CRI, with containerd 2 and the runtime. The images that it pulls are built by
# minirun from critest/Dockerfile and come from a registry on loopback, which containerd takes for every registry.
#
#	REPORT  file that gets critest's report as JSON, for critest/compare
# shellcheck source=lib.bash
. "$HERE/lib.bash"
# shellcheck source=containerd-config.bash
. "$HERE/containerd-config.bash"
need containerd ctr containerd-shim-runc-v2 critest crictl docker-registry jq iptables
case $(containerd_version) in
1.*) skip "everything" "containerd is $(containerd_version), and critest needs 2: name the directories that tests/engines/modules/build prints in ENGINE_PATH"; exit 0 ;;
esac

private /run /var/lib/containerd /etc/containerd /var/lib/cni /var/lib/minirun /var/lib/kubelet
REGISTRY=127.0.0.1:5000
mkdir -p "$DIR/registries/_default" "$DIR/cni" "$DIR/context"
cat >"$DIR/registry.yml" <<-YAML
	version: 0.1
	log: {accesslog: {disabled: false}}
	storage: {filesystem: {rootdirectory: $DIR/registry}}
	http: {addr: "$REGISTRY"}
YAML
printf 'server = "http://%s"\n[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' $REGISTRY $REGISTRY >"$DIR/registries/_default/hosts.toml"
daemon registry docker-registry serve "$DIR/registry.yml"
serves 30 bash -c "echo >/dev/tcp/127.0.0.1/5000" || { fail "the registry starts" "$(tail "$LOGS/registry.log")"; exit 1; }

# image TARGET NAME [NUMBER]: builds a target and pushes it under the name that critest pulls.
image() {
	check "image $2" sh -c '"$0" build -q --target "$1" --build-arg NUMBER="$5" -t "$2" "$3" && "$0" push -q "$2" "$4/$2"' \
		"$TOOLS/minirun" "$1" "$2" "$DIR/context" $REGISTRY "${3-}"
}
cp /bin/busybox "$TOOLS/nonewprivs" "$HERE/critest/Dockerfile" "$DIR/context/"
image pause pause:3.9
image busybox e2e-test-images/busybox:1.29-2
image web e2e-test-images/nginx:1.14-2
image web e2e-test-images/httpd:2.4.39-4
image web-hostnet k8s-staging-cri-tools/hostnet-nginx-$(architecture):latest
image nonewprivs e2e-test-images/nonewprivs:1.3
for user in uid uid-group username username-group; do image user-$user k8s-staging-cri-tools/test-image-user-$user:latest; done
image predefined-group k8s-staging-cri-tools/test-image-predefined-group:latest
for number in 1 2 3; do
	image number k8s-staging-cri-tools/test-image-$number:latest $number
	image number k8s-staging-cri-tools/test-image-tags:$number tags
done
image number k8s-staging-cri-tools/test-image-latest:latest latest
image number k8s-staging-cri-tools/test-image-tag:test tag
image number k8s-staging-cri-tools/test-image-tag:all all

containerd_config cri >"$DIR/config.toml"
sed -i 's,localhost/pause:1,registry.k8s.io/pause:3.9,' "$DIR/config.toml"
cat >"$DIR/cni/t.conflist" <<-JSON
	{"cniVersion": "1.0.0", "name": "t", "plugins": [
	  {"type": "bridge", "bridge": "cni-t", "isGateway": true, "ipMasq": true, "hairpinMode": true,
	   "ipam": {"type": "host-local", "subnet": "10.97.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}},
	  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
daemon containerd containerd --config "$DIR/config.toml"
CONTAINERD=$DAEMON
printf 'runtime-endpoint: unix:///run/containerd/containerd.sock\nimage-endpoint: unix:///run/containerd/containerd.sock\n' >"$DIR/crictl.yaml"
wrapper cri "exec crictl --config $DIR/crictl.yaml \"\$@\""
serves 30 cri version || { fail "containerd serves the CRI" "$(tail "$LOGS/containerd.log")"; exit 1; }

# Tests that cannot pass with these images, with the reason.
declare -A impossible=(
	['public image with digest']='the digest is that of an image that only gcr.io has'
	['support MaskedPaths']="it masks /bin/ls, and the shell of Debian's busybox runs ls without that file"
)
reason() {
	local test
	for test in "${!impossible[@]}"; do [[ $1 != *"$test"* ]] || echo "${impossible[$test]}"; done
}
# Some tests fail, and which is for the report to say. FOCUS, a regular expression, selects tests.
report=${REPORT:-$DIR/report.json}
timeout -k 5 $((1800 * SLOW)) critest -config "$DIR/crictl.yaml" -ginkgo.no-color -ginkgo.seed=1 -ginkgo.json-report="$report" \
	-ginkgo.skip="$(IFS='|' && echo "${!impossible[*]}")" ${FOCUS:+-ginkgo.focus="$FOCUS"} </dev/null >"$LOGS/critest.log" 2>&1
[ -s "$report" ] || { fail "critest writes its report" "$(tail "$LOGS/critest.log")"; exit 1; }
while IFS=$'\t' read -r state name message; do
	case $state in
	passed) ok "$name" ;;
	skipped | pending)
		why=$(reason "$name")
		skip "$name" "${why:-${message:-critest does not run it: a benchmark, or not in FOCUS}}"
		;;
	*) fail "$name" "$state: $message" ;;
	esac
done < <(jq -r '.[].SpecReports[] | select(.LeafNodeType == "It")
	| [.State, ((.ContainerHierarchyTexts // []) + [.LeafNodeText] | join(" ")), (.Failure.Message // "" | .[:600])] | @tsv' "$report")

check "no pod is left" cri rmp --all --force
nothing_left 'containerd|docker-registry'
rmdir /sys/fs/cgroup/k8s.io /sys/fs/cgroup/*/k8s.io 2>/dev/null
bye "$CONTAINERD"
