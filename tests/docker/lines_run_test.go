package docker

import (
	"strings"
	"testing"
)

// TestRunLines: https://docs.docker.com/reference/cli/docker/container/run/
func TestRunLines(t *testing.T) { testLines(t, runLines) }

var runLines = []line{
	{line: "docker run --name test -d nginx:alpine", want: `^[\w.-]+$`, check: "docker ps", seen: `nginx:alpine.*\btest\b`},
	{line: "docker run -it debian", typed: "exit 13\n", status: 13},
	{line: `docker run --cidfile ./docker_test.cid ubuntu echo "test"`, want: `^test$`, check: "docker inspect $(cat docker_test.cid)", seen: "."},
	{line: "docker run -t -i --rm ubuntu bash -c 'mount -t tmpfs none /mnt'", want: "(?i)permission denied", status: 1,
		before: "true"},
	{line: "docker run -t -i --privileged ubuntu bash -c 'mkdir /mnt; mount -t tmpfs none /mnt && grep -c \" /mnt \" /proc/mounts'", want: `^1$`},
	{line: "docker run -w /path/to/dir/ ubuntu pwd", want: `^/path/to/dir$`},
	{line: "docker run -d --tmpfs /run:rw,noexec,nosuid,size=65536k my_image sleep 100", want: `^[\w.-]+$`,
		check: "docker exec $(docker ps -lq) grep ' /run ' /proc/mounts", seen: "nosuid.*noexec.*size=65536k"},
	{line: "docker run -v $(pwd):$(pwd) -w $(pwd) ubuntu pwd", want: `/work$`},
	{line: "docker run -v ./content:/content -w /content -i -t ubuntu pwd", before: "mkdir content", want: `^/content$`},
	{line: "docker run -v $PWD/doesnt/exist:/foo -w /foo -i -t ubuntu bash -c 'pwd'", status: 125, want: "hint: create it first"},
	{line: "docker run --read-only -v /icanwrite busybox touch /icanwrite/here"},
	{line: "docker run --read-only --mount type=volume,target=/icanwrite busybox touch /icanwrite/here"},
	{line: "docker run -t -i --mount type=bind,src=$PWD,dst=/data busybox sh -c 'cat /data/f'", before: "echo seen >f", want: "^seen$"},
	{line: "docker run -d -p 127.0.0.1:8080:80/tcp nginx:alpine", want: `^[\w.-]+$`, check: "docker ps", seen: `127\.0\.0\.1:8080->80/tcp`},
	{line: "docker run -d --expose 80 nginx:alpine", want: `^[\w.-]+$`},
	{line: "docker run -d -P nginx:alpine", want: `^[\w.-]+$`, check: "docker port $(docker ps -lq)", seen: `80/tcp -> 0\.0\.0\.0:\d+`},
	{line: "docker run -d --pull=never busybox sleep 100", want: `^[\w.-]+$`},
	{line: "docker run -e MYVAR1 --env MYVAR2=foo --env-file ./env.list ubuntu env", before: "printf '# comment\\nVAR3=three\\n\\nHOME\\n' >env.list", want: `(?s)VAR3=three\n.*MYVAR2=foo`},
	{line: "docker run --env VAR1=value1 --env VAR2=value2 ubuntu env | grep VAR", want: `VAR1=value1\nVAR2=value2`},
	{line: "docker run -l my-label --label com.example.foo=bar -d ubuntu sleep 100", want: `^[\w.-]+$`,
		check: `docker ps --filter label=com.example.foo=bar --format '{{.Label "com.example.foo"}}'`, seen: "^bar$"},
	{line: "docker run -itd --network=my-net busybox", before: "docker network create my-net", check: "docker network inspect my-net", seen: `"my-net"`},
	{line: "docker run -d --network=my-net --ip=172.20.30.69 redis", before: "docker network create --subnet 172.20.30.0/24 my-net", want: `^[\w.-]+$`,
		check: "docker exec $(docker ps -lq) ip addr", seen: `172\.20\.30\.69`},
	{line: "docker run --volumes-from first --volumes-from second:ro -i -t ubuntu cat /one/f", want: "^hello$",
		before: "docker run --name first -v /one busybox sh -c 'echo hello >/one/f'; docker run --name second -v /two busybox true"},
	{line: `echo "test" | docker run -i ubuntu cat -`, want: `^test$`},
	{line: "docker run -a stderr ubuntu echo test", status: 125, message: "--attach is not supported"},
	{line: "docker run --device=/dev/null:/dev/foobar --device=/dev/zero:/dev/nulo --rm -it ubuntu ls /dev/foobar /dev/nulo", want: `/dev/foobar\s+/dev/nulo`},
	{line: "docker run --add-host=my-hostname=8.8.8.8 --add-host=my-hostname-v6=2001:4860:4860::8888 --rm -it alpine cat /etc/hosts", want: `8\.8\.8\.8\s+my-hostname\n(.*\n)*2001:4860:4860::8888\s+my-hostname-v6`},
	{line: "docker run --ulimit nofile=1024:1024 --rm debian sh -c \"ulimit -n\"", want: `^1024$`},
	{line: "docker run -d --stop-signal SIGKILL --stop-timeout 2 redis", want: `^[\w.-]+$`},
	{line: "docker run -d --restart=always redis", want: `^[\w.-]+$`, check: "docker inspect $(docker ps -lq)", seen: "always"},
	{line: "docker run --rm --sysctl net.ipv4.ip_forward=1 alpine cat /proc/sys/net/ipv4/ip_forward", want: `^1$`},
	{line: "docker run --rm -it --pid=host alpine ps", want: `kthreadd|minirun`},
	{line: "docker run --rm --pid=container:redis1 busybox ps", before: "docker run --name redis1 -d redis", want: "sleep 1000"},
	{line: "docker run --name=test -d --health-cmd='stat /etc/passwd || exit 1' --health-interval=2s busybox sleep 1d", want: `^[\w.-]+$`,
		check: "for i in $(seq 50); do docker ps | grep -q '(healthy)' && break; sleep 0.2; done; docker ps", seen: `\(healthy\)`},
	{line: "docker run -it --init --rm busybox ps", want: `(?s)1 .*init.*ps`},
	{line: "docker run --rm -m 64m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --pids-limit 50 busybox true"},
	{line: "docker run --rm --shm-size=128m busybox grep /dev/shm /proc/mounts", want: `size=131072k`},
	{line: "docker run --rm --dns 9.9.9.9 --dns-search example.com busybox cat /etc/resolv.conf", want: `9\.9\.9\.9`},
	{line: "docker run --rm --hostname web --domainname example.com busybox hostname", want: `^web`},
	{line: "docker run --rm --cap-drop ALL --cap-add NET_BIND_SERVICE busybox grep CapEff /proc/self/status", want: `0000000000000400`},
	{line: "docker run --rm --security-opt no-new-privileges --security-opt seccomp=unconfined busybox grep -E 'NoNewPrivs|Seccomp:' /proc/self/status", want: `NoNewPrivs:\s1\nSeccomp:\s0`},
	{line: "docker run --rm --group-add 1234 busybox id -G", want: `1234`},
	{line: "docker run --rm -u 1000:1000 busybox id", want: `uid=1000 gid=1000`},
	{line: "docker run --rm --entrypoint /bin/echo ubuntu hello", want: `^hello$`},
	{line: "docker run --rm --oom-score-adj=500 busybox cat /proc/self/oom_score_adj", want: `^500$`},
	{line: "docker run --rm --userns=host busybox id -u", want: `^0$`},
	{line: "docker run --rm --platform linux/amd64 busybox uname -m", want: `x86_64`},
	{line: "docker run -it --storage-opt size=120G fedora /bin/bash", status: 125, want: "storage-opt"},
	{line: "docker run --gpus all ubuntu true", status: 125, message: "gpus"},
	{line: "docker run busybox /bin/sh -c 'exit 3'", status: 3},
	{line: "docker run busybox /etc", status: 126}, {line: "docker run busybox foo", status: 127}, {line: "docker run --foo busybox", status: 125},
}

// TestEnoughLines: the documentation's command lines that run here are not reduced.
func TestEnoughLines(t *testing.T) {
	count := 0
	for _, page := range [][]line{runLines, containerLines, imageLines, buildLines, networkLines, volumeLines} {
		for _, l := range page {
			if !strings.Contains(l.line, "docker ") {
				t.Errorf("%q is not a command line of docker", l.line)
			}
			if l.unlisted == "" {
				count++
			}
		}
	}
	if count < 60 {
		t.Errorf("%d lines", count)
	}
}
