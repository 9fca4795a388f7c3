package completion

import "strings"

// A Kind is what an argument or the value of a flag is. One that begins with = lists all words.
type Kind string

// The kinds of words.
const (
	Containers        Kind = "containers"
	Running           Kind = "running"
	Stopped           Kind = "stopped"
	PathsInContainers Kind = "paths" // a container, a colon, and a path in it
	Images            Kind = "images"
	Volumes           Kind = "volumes"
	Networks          Kind = "networks"
	Signals           Kind = "signals"
	Capabilities      Kind = "capabilities"
	Files             Kind = "files"
	Directories       Kind = "directories" // also for bundles
)

// arguments lists the kinds of a command's arguments by position. The last one is repeated if its
// list begins with an empty kind.
var arguments = map[string][][]Kind{
	"run": {{Images, Directories}}, "create": {{Images, Directories}, {Directories}},
	"exec": {{Running}}, "attach": {{Running}}, "ps": {{Running}}, "top": {{Running}}, "port": {{Running}},
	"kill": {{Running}, {Signals}}, "pause": {{Running}}, "resume": {{Containers}}, "stop": {{"", Running}},
	"restart": {{"", Containers}}, "start": {{"", Stopped}}, "rm": {{"", Containers}}, "wait": {{"", Containers}},
	"logs": {{Containers}}, "stats": {{"", Running}}, "rename": {{Containers}}, "diff": {{Containers}},
	"commit": {{Containers}, {Images}}, "cp": {{PathsInContainers, Files}, {PathsInContainers, Files}},
	"update": {{Containers}}, "events": {{Containers}}, "state": {{Containers}}, "delete": {{Containers}},
	"checkpoint": {{Running}}, "restore": {}, "inspect": {{"", Containers, Images}},
	"layers": {{Containers, Images, Directories}}, "plan": {{Directories, Images}, {Directories}},
	"step": {{Directories, Images}, {Directories}}, "compare": {{Directories, Images}}, "spec": {{}},
	"pull": {{Images}}, "push": {{Images}}, "tag": {{Images}, {Images}}, "rmi": {{"", Images}},
	"history": {{Images}}, "save": {{"", Images}}, "unpack": {{Images}, {Directories}},
	"bundle": {{Images}, {Directories}}, "images": {{Images}}, "import": {{Files}}, "load": {{Files}},
	"build": {{Directories}}, "imagetools create": {{"", Images}}, "imagetools inspect": {{Images}},
	"network rm": {{"", Networks}}, "network inspect": {{"", Networks}}, "network connect": {{Networks}, {Containers}},
	"network disconnect": {{Networks}, {Containers}}, "volume rm": {{"", Volumes}}, "volume inspect": {{"", Volumes}},
	"completion": {{"=bash zsh fish"}},
	"lab start":  {{labs}}, "lab show": {{labs}}, "lab check": {{labs}}, "lab hint": {{labs}}, "lab solve": {{labs}},
	"lab reset": {{labs}}, "lab shell": {{labs}}, "lab slides": {{"", labs}}, "lab test": {{"", labs, Directories}},
	"lab new": {{Directories}}, "lab pack": {{Files}},
}

// labs are the numbers of the labs.
const labs = "=1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 C"

// argumentOf returns the kinds of argument n of a command.
func argumentOf(path string, n int) []Kind {
	list := arguments[path]
	if len(list) == 0 {
		return nil
	}
	if n >= len(list) {
		n = len(list) - 1
		if len(list[n]) == 0 || list[n][0] != "" {
			return nil
		}
	}
	kinds := list[n]
	if len(kinds) > 0 && kinds[0] == "" {
		kinds = kinds[1:]
	}
	return kinds
}

// ofProgram returns the kinds of the arguments of another program.
func ofProgram(path string) []Kind {
	if path == "ps" {
		return nil
	}
	return []Kind{Files}
}

// flags lists the kinds of flags' values, by the flag, or by the command and the flag.
var flags = map[string][]Kind{
	"network": {Networks}, "volume": {Volumes, Directories}, "volumes-from": {Containers}, "user": {},
	"name": {}, "hostname": {}, "env": {}, "label": {}, "publish": {}, "memory": {},
	"build network": {"=default host none"}, "build tag": {Images}, "imagetools create tag": {Images},
	"pull": {"=missing always never"}, "restart": {"=no on-failure always unless-stopped"},
	"log-format": {"=text json"}, "lang": {"=en pt"}, "cgroup-manager": {"=cgroupfs systemd disabled"},
	"format": {"=json table"}, "build format": {"=text json"}, "version format": {"=json"}, "info format": {"=json"},
	"build du format": {"=table pretty json"}, "build history inspect format": {"=pretty json"},
	"imagetools inspect format": {"=json"}, "plan format": {"=text json"}, "inspect format": {"=json text"},
	"progress": {"=auto tty plain quiet none rawjson"}, "explain-level": {"=short normal full"},
	"explain": {"=text json"}, "call": {"=build check outline targets"}, "userns": {"=host"},
	"ipc": {"=private host"}, "pid": {"=host"}, "uts": {"=host"}, "cgroupns": {"=private host"},
	"signal": {Signals}, "stop-signal": {Signals}, "cap-add": {Capabilities}, "cap-drop": {Capabilities},
	"cap": {Capabilities}, "security-opt": {"=no-new-privileges seccomp=unconfined", Files},
	"platform":   {"=linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/riscv64 linux/ppc64le linux/s390x"},
	"provenance": {"=true false mode=min mode=max"}, "sbom": {"=true false"}, "builder": {"=default"},
	"with": {"=runc crun"}, "manage-cgroups-mode": {"=soft full strict ignore"},
	"mount": {"=type=bind,source= type=volume,source= type=tmpfs,target="}, "driver": {"=bridge"},
	"ps filter":     {"=status=running status=exited status=paused name= label= ancestor= id="},
	"images filter": {"=dangling=true dangling=false label= before= since= reference="},
	"filter":        {"=until= label="}, "build du filter": {"=until= id= type= inuse= shared= private= mutable="},
	"build history ls filter": {"=status=completed status=error status=running status=canceled duration> ref="},
	"bundle":                  {Directories}, "root": {Directories}, "store": {Directories}, "layer": {Directories},
	"workdir": {Directories}, "cwd": {Directories}, "cdi-spec-dir": {Directories}, "image-path": {Directories},
	"work-path": {Directories}, "parent-path": {Directories}, "tail": {"=all 10 100"},
}

// freeText lists the flags whose values are numbers or texts of which nothing is known.
const freeText = " " +
	"add-host annotation author blkio-weight blkio-weight-device build-arg cgroup-parent cpu-period " +
	"cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach-keys " +
	"device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops dns " +
	"dns-option dns-search domainname entrypoint expose gateway group-add health-cmd health-interval " +
	"health-retries health-start-interval health-start-period health-timeout ip ip-range ip6 jobs " +
	"kernel-memory last mac-address max-used-space memory-reservation memory-swap memory-swappiness " +
	"message min-free-space network-alias oom-score-adj opt pids-limit preserve-fds reserved-space " +
	"resource shm-size since status-fd stop-timeout subnet sysctl target time tmpfs ulimit until "

// valueOf returns the kinds of a flag's value: files, if nothing is known about it.
func valueOf(path, flag string) []Kind {
	if strings.Contains(freeText, " "+flag+" ") {
		return nil
	}
	for key := path + " " + flag; ; {
		if kinds, ok := flags[key]; ok {
			return kinds
		}
		_, rest, ok := strings.Cut(key, " ")
		if !ok {
			return []Kind{Files}
		}
		key = rest
	}
}
