package docker

import "testing"

// TestContainerLines: https://docs.docker.com/reference/cli/docker/container/ with ps, exec, logs, cp
// and the others.
func TestContainerLines(t *testing.T) { testLines(t, containerLines) }

const mycontainer = "docker run --name mycontainer -d -i busybox sh -c 'echo started; trap \"exit 0\" TERM; while :; do sleep 0.1; done'"

var containerLines = []line{
	{line: "docker exec -d mycontainer touch /tmp/execWorks", before: mycontainer, check: "for i in $(seq 50); do docker exec mycontainer ls /tmp | grep . && break; sleep 0.1; done", seen: "execWorks"},
	{line: "docker exec -it mycontainer sh", before: mycontainer, typed: "exit 4\n", status: 4},
	{line: "docker exec -e VAR_A=1 -e VAR_B=2 mycontainer env", before: mycontainer, want: `VAR_A=1\nVAR_B=2`},
	{line: "docker exec -it mycontainer pwd", before: mycontainer, want: `^/$`},
	{line: "docker exec -it -w /root mycontainer pwd", before: mycontainer, want: `^/root$`},
	{line: "docker exec --env-file ./env.list -u 5 mycontainer sh -c 'id -u; echo $A'", before: mycontainer + "; echo A=b >env.list", want: `^5\nb$`},
	{line: "docker exec --privileged mycontainer grep CapEff /proc/self/status", before: mycontainer, want: `CapEff:\s+00000[013]ff`},
	{line: "docker exec mycontainer sh", before: mycontainer + "; docker pause mycontainer", status: 255, message: "paused", check: "docker unpause mycontainer && docker exec mycontainer echo again", seen: "again"},

	{line: "docker ps", before: mycontainer, want: `CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n.*mycontainer$`},
	{line: "docker ps -a", before: "docker run --name gone busybox false || true", want: `Exited \(1\).*gone`},
	{line: "docker ps --no-trunc", before: mycontainer, want: `mycontainer`},
	{line: "docker ps --size", before: mycontainer, want: `SIZE`},
	{line: `docker ps --filter "label=color"`, before: "docker run -d --name a --label color=blue redis; docker run -d --name b redis", want: `\ba$`},
	{line: `docker ps --filter "name=nostalgic"`, before: "docker run -d --name nostalgic_stallman redis; docker run -d --name other redis", want: `nostalgic_stallman`},
	{line: "docker ps -a --filter 'exited=0'", before: "docker run --name good busybox true; docker run --name bad busybox false || true", want: `good`},
	{line: "docker ps --filter status=running", before: mycontainer, want: `mycontainer`},
	{line: "docker ps -a --filter status=paused -q", before: mycontainer + "; docker pause mycontainer", want: `^[\w.-]+$`, check: "docker unpause mycontainer"},
	{line: "docker ps --filter ancestor=ubuntu", before: "docker run -d --name u ubuntu sleep 100", want: `\bu$`},
	{line: "docker ps --filter before=second", before: "docker run -d --name first redis; docker run -d --name second redis", want: `first$`},
	{line: `docker ps --filter volume=remote-volume --format "table {{.ID}}\t{{.Mounts}}"`, before: "docker run -d -v remote-volume:/r redis", want: `remote-volume`},
	{line: `docker ps --format "{{.ID}}: {{.Command}}"`, before: mycontainer, want: `^\w+: .*sh`},
	{line: `docker ps --format "table {{.ID}}\t{{.Labels}}"`, before: "docker run -d --label a=b redis", want: `LABELS\n\w+ +.*a=b`},
	{line: "docker ps -l -q", before: mycontainer, want: `^[\w.-]+$`},
	{line: "docker ps -n 1 --format json", before: mycontainer, want: `mycontainer`},

	{line: "docker logs mycontainer", before: mycontainer, check: "for i in $(seq 50); do docker logs mycontainer | grep . && break; sleep 0.1; done", seen: `^started$`},
	{line: "docker logs --until=1s test", before: "docker run --name test -d busybox sh -c 'echo now; sleep 100'; sleep 1.2", want: `^now$`},
	{line: "docker logs --since 10m -t --tail 1 test", before: "docker run --name test -d busybox sh -c 'echo a; echo b'; docker wait test", want: `^\d{4}-\d\d-\d\dT[^ ]+ b$`},
	{line: "docker logs --tail all test", before: "docker run --name test -d busybox sh -c 'echo a; echo b'; docker wait test", want: `^a\nb$`},

	{line: "docker cp ./some_file mycontainer:/work", before: mycontainer + "; echo text >some_file", check: "docker exec mycontainer cat /work/some_file", seen: "^text$"},
	{line: "docker cp mycontainer:/var/logs/ app_logs", before: mycontainer, check: "cat app_logs/app.log", seen: "ERROR"},
	{line: `docker cp mycontainer:/var/logs/app.log - | tar x -O | grep "ERROR"`, before: mycontainer, want: "ERROR"},
	{line: "docker cp some_dir/. stopped:/tmp", before: "mkdir some_dir; echo x >some_dir/f; docker run --name stopped busybox true", check: "docker cp stopped:/tmp/f - | tar x -O", seen: "^x$"},

	{line: "docker stop -t 5 mycontainer", before: mycontainer, want: "^mycontainer$", check: "docker ps -a", seen: `Exited \(0\)`},
	{line: "docker start mycontainer", before: mycontainer + "; docker stop -t 2 mycontainer", want: "^mycontainer$", check: "docker ps", seen: "mycontainer"},
	{line: "docker restart mycontainer", before: mycontainer, want: "^mycontainer$", check: "docker ps", seen: "mycontainer"},
	{line: "docker kill mycontainer", before: mycontainer, want: "^mycontainer$", check: "docker wait mycontainer", seen: "^137$"},
	{line: "docker kill --signal=SIGTERM mycontainer", before: mycontainer + "; sleep 0.3", want: "^mycontainer$", check: "docker wait mycontainer", seen: "^0$"},
	{line: "docker wait mycontainer", before: "docker run -d --name mycontainer busybox sh -c 'exit 7'", want: "^7$"},
	{line: "docker rename mycontainer newname", before: "docker run --name mycontainer busybox true", check: "docker ps -a", seen: "newname$"},
	{line: "docker port test 80/tcp", before: "docker run -d --name test -p 127.0.0.1:8081:80 nginx:alpine", want: `^127\.0\.0\.1:8081$`},
	{line: "docker diff mycontainer", before: "docker run --name mycontainer busybox sh -c 'echo x >/work/new; rm /var/logs/app.log'", want: `C /work\n(.*\n)*A /work/new`},
	{line: "docker top mycontainer", before: mycontainer, want: `PID`},
	{line: "docker stats --no-stream mycontainer", before: mycontainer, want: `CPU %(.*\n)+.*mycontainer`},
	{line: "docker commit mycontainer svendowideit/testimage:version3", before: "docker run --name mycontainer busybox sh -c 'echo x >/new'", check: "docker run --rm svendowideit/testimage:version3 cat /new", seen: "^x$"},
	{line: `docker commit --change "ENV DEBUG=true" mycontainer svendowideit/testimage:version3`, before: "docker run --name mycontainer busybox true", check: "docker run --rm svendowideit/testimage:version3 env", seen: "DEBUG=true"},
	{line: "docker update --memory 64m --memory-swap 64m mycontainer", before: mycontainer},
	{line: "docker rm --force mycontainer", before: mycontainer, want: "^mycontainer$"},
	{line: "docker rm --volumes mycontainer", before: "docker run --name mycontainer -v /v busybox true", check: "docker volume ls -q | wc -l", seen: "^0$"},
	{line: "docker container ls -a", before: mycontainer, want: `mycontainer`},
	{line: "docker container prune -f", before: "docker run --name gone busybox true", check: "docker ps -aq | wc -l", seen: "^0$"},
	{line: `docker inspect --format='{{.Name}}' mycontainer`, before: mycontainer, want: `mycontainer`},
	{line: "docker create --name c busybox echo hi", want: `^[\w.-]+$`, check: "docker start -a c", seen: "^hi$"},
	{line: "docker export -o latest.tar mycontainer", before: "docker run --name mycontainer busybox true", check: "tar tf latest.tar", seen: "bin/busybox"},
	{line: "docker attach --no-stdin short", before: "docker run -d --name short busybox sh -c 'sleep 0.5; echo attached; exit 5'", want: "attached", status: 5},
}
