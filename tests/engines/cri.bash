# cri.bash: pods and containers under containerd's CRI, as Kubernetes' kubelet makes them.
# shellcheck source=lib.bash
. "$HERE/lib.bash"
# shellcheck source=containerd-config.bash
. "$HERE/containerd-config.bash"
need containerd ctr containerd-shim-runc-v2 jq

private /run /var/lib/containerd /etc/containerd /var/lib/cni
rootfs
containerd_config cri >"$DIR/config.toml"
mkdir -p "$DIR/cni"
printf '{"cniVersion":"0.4.0","name":"t","plugins":[{"type":"bridge","bridge":"cni-t","isGateway":true,"ipam":{"type":"host-local","subnet":"10.97.0.0/24"}}]}' >"$DIR/cni/t.conflist"
daemon containerd containerd --config "$DIR/config.toml"
CONTAINERD=$DAEMON
wrapper cri "exec $TOOLS/cri-call /run/containerd/containerd.sock \"\$@\""
wrapper cri-stream "exec $TOOLS/cri-call stream \"\$1\""
serves 30 cri Version || { fail "containerd serves the CRI" "$(tail "$LOGS/containerd.log")"; exit 1; }

# A pod's first process only waits: that is the command of the pause image.
oci_image "$DIR/image.tar" $IMAGE
check "an image from an archive" ctr -n k8s.io image import "$DIR/image.tar"
oci_image "$DIR/pause.tar" localhost/pause:1 '["sleep","100000"]'
check "the pause image" ctr -n k8s.io image import "$DIR/pause.tar"
check -w 5 -o '*busybox*' "ListImages" cri ListImages
check -o true "Status: the runtime is ready" cri Status '{}' status.conditions.0.status

# pod NAME [JSON]: the config of a sandbox, with further fields merged in.
pod() {
	jq -cn --argjson more "${2-{\}}" --arg name "$1" --arg parent "$CGROUP" --arg logs "$LOGS" \
		'{metadata:{name:$name,uid:$name,namespace:"default",attempt:0},log_directory:$logs,hostname:$name,linux:{cgroup_parent:$parent}} * $more'
}
# container NAME [JSON]: the config of a container.
container() {
	jq -cn --argjson more "${2-{\}}" --arg name "$1" --arg image $IMAGE \
		'{metadata:{name:$name,attempt:0},image:{image:$image},log_path:($name+".log"),command:["sh","-c","trap \"exit 7\" TERM; echo up; while :; do sleep 0.1; done"],linux:{}} * $more'
}
# run_pod CONFIG and create CONFIG: leave the answer's ID in $POD and $CONTAINER.
run_pod() { check "RunPodSandbox: $1" cri RunPodSandbox "$(jq -cn --argjson c "$2" '{config:$c}')" podSandboxId && POD=$(cat "$DIR/out") SANDBOX=$2; }
create() {
	CONTAINER=''
	check "CreateContainer: $1" cri CreateContainer "$(jq -cn --argjson c "$2" --argjson s "$SANDBOX" --arg p "$POD" '{pod_sandbox_id:$p,config:$c,sandbox_config:$s}')" containerId && CONTAINER=$(cat "$DIR/out")
}
id() { printf '{"container_id":"%s"}' "${1-$CONTAINER}"; }
# exec_sync COMMAND...: the request that runs it in $CONTAINER.
exec_sync() { jq -cn --arg c "$CONTAINER" '{container_id:$c,timeout:20,cmd:$ARGS.positional}' --args -- "$@"; }
# says NAME WANTED COMMAND...: ExecSync prints what is wanted. Its answer holds bytes, in base64.
says() {
	local name=$1 wanted=$2
	shift 2
	check -o "$wanted" "$name" sh -c 'cri ExecSync "$1" stdout | base64 -d' - "$(exec_sync "$@")"
}
state_is() { check -w 5 -o "$2" "ContainerStatus: $1" cri ContainerStatus "$(id)" status.state; }

# a pod with a network of its own, two containers in it
run_pod "a network of its own" "$(pod t-pod)"
check -o '10.97.0.*' "PodSandboxStatus: its address" cri PodSandboxStatus "{\"pod_sandbox_id\":\"$POD\"}" status.network.ip
create "a container" "$(container t-one '{"envs":[{"key":"A","value":"x"}],"working_dir":"/tmp","linux":{"resources":{"memory_limit_in_bytes":33554432,"cpu_shares":512,"cpu_quota":50000,"cpu_period":100000}}}')"
state_is "it is created" CONTAINER_CREATED
check "StartContainer" cri StartContainer "$(id)"
state_is "it is running" CONTAINER_RUNNING
check -w 5 -o '*stdout F up' "its log file has what it printed" cat "$LOGS/t-one.log"
says "ExecSync prints what the process prints" inside echo inside
check -o 9 "ExecSync: the exit status" cri ExecSync "$(exec_sync sh -c 'exit 9')" exitCode
check -s ! -e '*nowhere*' "ExecSync of a program that is not there" cri ExecSync "$(exec_sync nowhere)"
check -s ! -e '*timeout*exceeded*' "ExecSync: more than its time" cri ExecSync "$(jq -c '.timeout = 1' <<<"$(exec_sync sleep 100)")"
says "environment and directory" '/tmp x' sh -c 'echo $PWD $A'
says "the pod's host name" t-pod hostname
says "the pod's network: it reaches its gateway" '*10.97.0.*' ip address
says "its limits" '33554432*' sh -c "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
check "UpdateContainerResources" cri UpdateContainerResources "{\"container_id\":\"$CONTAINER\",\"linux\":{\"memory_limit_in_bytes\":67108864,\"cpu_shares\":256}}"
says "the new limit is in force" '67108864*' sh -c "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
check -o '*[1-9]*' "ContainerStats: memory" cri ContainerStats "$(id)" stats.memory.workingSetBytes.value
check -o '*[1-9]*' "ContainerStats: processor time" cri ContainerStats "$(id)" stats.cpu.usageCoreNanoSeconds.value
check -o '*"t-one"*' "ListContainerStats" cri ListContainerStats

# stream URL: what kubectl exec and kubectl attach do
stream() { cri Exec "$1" url; }
exec_request() { jq -cn --arg c "$CONTAINER" --argjson more "$1" '{container_id:$c,stdout:true} * $more'; }
check -o out -e err "Exec: both outputs" cri-stream "$(stream "$(exec_request '{"stderr":true,"cmd":["sh","-c","echo out; echo err >&2"]}')")"
check -s 5 "Exec: the exit status" cri-stream "$(stream "$(exec_request '{"stderr":true,"cmd":["sh","-c","exit 5"]}')")"
check -o 'got fed' "Exec: standard input" sh -c 'echo fed | cri-stream "$1"' - "$(stream "$(exec_request '{"stdin":true,"stderr":true,"cmd":["sh","-c","read a; echo got $a"]}')")"
check -o '/dev/pts/*' "Exec: a terminal" cri-stream "$(stream "$(exec_request '{"stdin":true,"tty":true,"cmd":["tty"]}')")"
FIRST=$CONTAINER

create "a second one" "$(container t-two '{"linux":{"security_context":{"run_as_user":{"value":1000},"readonly_rootfs":true,"no_new_privs":true,"capabilities":{"drop_capabilities":["ALL"]},"seccomp":{"profile_type":"RuntimeDefault"},"supplemental_groups":[2000],"namespace_options":{"pid":"CONTAINER"}}}}')"
check "StartContainer" cri StartContainer "$(id)"
says "its user and groups" '1000 *2000*' sh -c 'echo $(id -u) $(id -G)'
says "no capabilities, no new privileges, a seccomp filter" '0000000000000000 1 2' sh -c 'echo $(awk "/CapEff|NoNewPrivs|Seccomp:/ {print \$2}" /proc/self/status)'
check -o '1' "a read-only root" cri ExecSync "$(exec_sync touch /x)" exitCode
says "the same network as the first" '*10.97.0.*' ip address
check -o "$(cri ExecSync "$(jq -c --arg c "$FIRST" '.container_id = $c' <<<"$(exec_sync stat -Lc %i /proc/self/ns/net)")" stdout)" \
	"its network namespace is the pod's" cri ExecSync "$(exec_sync stat -Lc %i /proc/self/ns/net)" stdout
check "StopContainer: a process that handles SIGTERM" cri StopContainer "{\"container_id\":\"$CONTAINER\",\"timeout\":10}"
state_is "it has exited" CONTAINER_EXITED
check -o 7 "ContainerStatus: its exit status" cri ContainerStatus "$(id)" status.exitCode
check "RemoveContainer" cri RemoveContainer "$(id)"

create "a process that ignores SIGTERM" "$(container t-deaf '{"command":["sh","-c","trap : TERM; sleep 1000 & while :; do sleep 0.1; done"]}')"
check "StartContainer" cri StartContainer "$(id)"
check "StopContainer: it is killed after its time" cri StopContainer "{\"container_id\":\"$CONTAINER\",\"timeout\":1}"
check -o 137 "ContainerStatus: its exit status" cri ContainerStatus "$(id)" status.exitCode
check "RemoveContainer" cri RemoveContainer "$(id)"

create "one that ends by itself" "$(container t-short '{"command":["sh","-c","echo bye; exit 3"]}')"
check "StartContainer" cri StartContainer "$(id)"
state_is "it has exited" CONTAINER_EXITED
check -o '3 Error' "ContainerStatus: its exit status and why" sh -c 'echo $(cri ContainerStatus "$1" status.exitCode) $(cri ContainerStatus "$1" status.reason)' - "$(id)"
create "a program that is not there" "$(container t-nowhere '{"command":["nowhere"]}')"
check -s ! -e '*nowhere*' "StartContainer fails and says which" cri StartContainer "$(id)"
create "one that takes too much memory" "$(container t-oom '{"command":["dd","if=/dev/zero","of=/dev/null","bs=100M"],"linux":{"resources":{"memory_limit_in_bytes":33554432}}}')"
check "StartContainer" cri StartContainer "$(id)"
check -w 10 -o '137 OOMKilled' "ContainerStatus: it was killed for its memory" sh -c 'echo $(cri ContainerStatus "$1" status.exitCode) $(cri ContainerStatus "$1" status.reason)' - "$(id)"
create "one that is never started" "$(container t-never)"
check "RemoveContainer of it" cri RemoveContainer "$(id)"
create "with a mount" "$(mkdir -p "$DIR/volume"; echo shared >"$DIR/volume/file"; container t-mount "{\"mounts\":[{\"host_path\":\"$DIR/volume\",\"container_path\":\"/v\",\"readonly\":true}]}")"
check "StartContainer" cri StartContainer "$(id)"
says "the mount" shared cat /v/file
create "with a terminal" "$(container t-tty '{"tty":true,"stdin":true,"command":["sh","-c","tty; sleep 1000"]}')"
check "StartContainer" cri StartContainer "$(id)"
check -w 5 -o '*/dev/pts/0' "it has one" sh -c "tr -d '\\r' <$LOGS/t-tty.log"

check -o '*t-one*' "ListContainers" cri ListContainers
check "StopPodSandbox ends all its containers" cri StopPodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
check -o SANDBOX_NOTREADY "PodSandboxStatus" cri PodSandboxStatus "{\"pod_sandbox_id\":\"$POD\"}" status.state
check "RemovePodSandbox" cri RemovePodSandbox "{\"pod_sandbox_id\":\"$POD\"}"

# pods in the host's namespaces; the kubelet gives no host name to one in the host's network
run_pod "the host's network, PID and IPC namespaces" "$(pod t-host '{"hostname":"","linux":{"security_context":{"namespace_options":{"network":"NODE","pid":"NODE","ipc":"NODE"}}}}')"
create "a container" "$(container t-h '{"linux":{"security_context":{"namespace_options":{"network":"NODE","pid":"NODE","ipc":"NODE"}}}}')"
check "StartContainer" cri StartContainer "$(id)"
says "its namespaces" "$(namespace net) $(namespace pid) $(namespace ipc)" sh -c 'cd /proc/self/ns; echo $(stat -Lc %i net pid ipc)'
check "StopPodSandbox" cri StopPodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
check "RemovePodSandbox" cri RemovePodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
run_pod "one PID namespace for all its containers, sysctls" "$(pod t-shared '{"linux":{"sysctls":{"net.ipv4.ip_forward":"1"},"security_context":{"namespace_options":{"pid":"POD"}}}}')"
create "a container" "$(container t-s '{"linux":{"security_context":{"namespace_options":{"pid":"POD"}}}}')"
check "StartContainer" cri StartContainer "$(id)"
says "it is not the first of its PID namespace" '*' sh -c 'test $(pidof -s sleep) != 1; grep -q sleep /proc/1/cmdline || cat /proc/1/cmdline'
says "the sysctl" 1 cat /proc/sys/net/ipv4/ip_forward

# containerd dies and comes back
kill -9 "$CONTAINERD"; wait "$CONTAINERD" 2>/dev/null
daemon containerd containerd --config "$DIR/config.toml"
CONTAINERD=$DAEMON
serves 30 cri Version || fail "containerd serves the CRI again" "$(tail "$LOGS/containerd.log")"
state_is "containerd was killed and came back: it is running" CONTAINER_RUNNING
says "ExecSync works" still echo still
check "StopPodSandbox" cri StopPodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
check "RemovePodSandbox" cri RemovePodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
check -o '[]' "no container is left" cri ListContainers '{}' containers
nothing_left 'containerd'
bye "$CONTAINERD"
