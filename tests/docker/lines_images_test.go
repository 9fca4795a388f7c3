package docker

import "testing"

// TestImageLines: https://docs.docker.com/reference/cli/docker/image/
func TestImageLines(t *testing.T) { testLines(t, imageLines) }

// TestBuildLines: https://docs.docker.com/reference/cli/docker/buildx/build/
func TestBuildLines(t *testing.T) { testLines(t, buildLines) }

// TestNetworkLines: https://docs.docker.com/reference/cli/docker/network/
func TestNetworkLines(t *testing.T) { testLines(t, networkLines) }

// TestVolumeLines: https://docs.docker.com/reference/cli/docker/volume/
func TestVolumeLines(t *testing.T) { testLines(t, volumeLines) }

var imageLines = []line{
	{line: "docker images", want: `java:8|java\s+8`}, {line: "docker images java", want: `java:8|java\s+8`}, {line: "docker images java:8", want: `java:8|java\s+8`},
	{line: "docker image ls -q --no-trunc", want: `^sha256:[0-9a-f]{64}$`},
	{line: "docker images --digests", want: `DIGEST`},
	{line: `docker images --filter "dangling=true"`}, {line: `docker images --filter "label=com.example.version"`, want: "redis"},
	{line: `docker images --filter=reference='java:*'`, want: `java`},
	{line: `docker images --format "{{.ID}}: {{.Repository}}"`, want: `^\w+: .*redis`},
	{line: `docker images --format "table {{.ID}}\t{{.Repository}}\t{{.Tag}}"`, want: `REPOSITORY\s+TAG\n`},
	{line: "docker tag busybox:latest fedora/httpd:version1.0", check: "docker images fedora/httpd", seen: `version1\.0`},
	{line: "docker rmi fedora/httpd:version2", before: "docker tag busybox fedora/httpd:version2", check: "docker images fedora/httpd | grep -c version2; true", seen: "^0$"},
	{line: "docker history redis", want: `CREATED BY`},
	{line: "docker image inspect --format='{{.Config.Cmd}}' redis", want: `sleep 1000`},
	{line: "docker save -o fedora-all.tar fedora", check: "docker load -i fedora-all.tar", seen: "fedora"},
	{line: "docker save busybox | gzip > myimage_latest.tar.gz && docker load < myimage_latest.tar.gz", want: "busybox"},
	{line: "docker image prune -f"}, {line: "docker system df", want: `Images`},
	{line: "docker version", want: `(?i)version`}, {line: "docker info", want: `(?i)containers`},
}

const dockerfile = `printf 'FROM busybox AS build-env\nRUN echo built >/out\nFROM busybox\nCOPY --from=build-env /out /\nARG WHO=nobody\nRUN echo $WHO >/who\nCMD ["cat", "/out", "/who"]\n' >Dockerfile`

var buildLines = []line{
	{line: "docker build .", before: dockerfile, message: "(?i)writing image|exporting"},
	{line: "docker build -t vieux/apache:2.0 .", before: dockerfile, check: "docker run --rm vieux/apache:2.0", seen: "^built\nnobody$"},
	{line: "docker build -t whenry/fedora-jboss:latest -t whenry/fedora-jboss:v2.1 .", before: dockerfile, check: "docker images whenry/fedora-jboss", seen: `v2\.1`},
	{line: "docker build -f Dockerfile.debug -t d .", before: dockerfile + "; mv Dockerfile Dockerfile.debug"},
	{line: "docker build - < Dockerfile", before: "printf 'FROM busybox\nRUN true\n' >Dockerfile"},
	{line: "docker build --build-arg WHO=me -t a .", before: dockerfile, check: "docker run --rm a", seen: "^built\nme$"},
	{line: "docker build -t mybuildimage --target build-env .", before: dockerfile, check: "docker run --rm mybuildimage ls /out", seen: "out"},
	{line: "docker build --no-cache --pull=false -q .", before: dockerfile, want: `^sha256:`},
	{line: "docker build -o out .", before: dockerfile, check: "cat out/out", seen: "built"},
	{line: "docker buildx build --progress=plain --label a=b .", before: dockerfile, message: `RUN echo built`},
	{line: "docker build --secret id=s,src=secret -t s .", before: "echo x >secret; printf 'FROM busybox\nRUN --mount=type=secret,id=s wc -c </run/secrets/s >/n\n' >Dockerfile", check: "docker run --rm s cat /n", seen: "^2$"},
	{line: "docker buildx prune -f", before: dockerfile + "; docker build ."}, {line: "docker builder prune -a -f", before: "true"},
}

var networkLines = []line{
	{line: "docker network create -d bridge my-bridge-network", check: "docker network ls", seen: `my-bridge-network\s+bridge`},
	{line: "docker network create --driver=bridge --subnet=172.28.0.0/16 --ip-range=172.28.5.0/24 --gateway=172.28.5.254 br0", check: "docker network inspect br0", seen: `172\.28\.5\.254`},
	{line: "docker network create --internal inside", want: `.`},
	{line: "docker network ls", want: `NETWORK ID\s+NAME\s+DRIVER`}, {line: "docker network ls --filter driver=bridge -q", before: "docker network create n", want: `^[\w.-]+$`},
	{line: `docker network ls --format "{{.ID}}: {{.Driver}}"`, before: "docker network create n", want: `^\w+: bridge$`},
	{line: "docker network inspect n", before: "docker network create n", want: `"Name": "n"`},
	{line: "docker network rm n", before: "docker network create n", want: "^n$"},
	{line: "docker network connect n container1", before: "docker network create n; docker run -d --name container1 redis", check: "docker exec container1 ip addr", seen: `eth1`},
	{line: "docker network disconnect n container1", before: "docker network create n; docker run -d --network n --name container1 redis"},
	{line: "docker network prune -f", before: "docker network create n", check: "docker network ls -q --filter name=n | wc -l"},
	{line: "docker run --rm --network n busybox wget -qO- http://web/passwd", before: "docker network create n; docker run -d --network n --name web nginx:alpine; sleep 0.3", want: "root:x:0:0"},
}

var volumeLines = []line{
	{line: "docker volume create hello", want: "^hello$"},
	{line: "docker run -v hello:/world busybox ls -d /world", before: "docker volume create hello", want: "/world"},
	{line: "docker volume create --driver local --opt type=tmpfs --opt device=tmpfs --opt o=size=100m,uid=1000 foo", want: "^foo$", check: "docker run --rm -v foo:/foo busybox grep /foo /proc/mounts", seen: `tmpfs /foo tmpfs .*size=102400k`},
	{line: "docker volume ls", before: "docker volume create rosemary", want: `DRIVER\s+VOLUME NAME\nlocal\s+rosemary`},
	{line: "docker volume ls -f dangling=true -q", before: "docker volume create rosemary", want: `^rosemary$`},
	{line: "docker volume ls --format '{{.Name}}: {{.Driver}}'", before: "docker volume create v", want: `^v: local$`},
	{line: "docker volume inspect myvolume", before: "docker volume create --label a=b myvolume", want: `"Mountpoint": "/`},
	{line: "docker volume inspect --format '{{ .Mountpoint }}' myvolume", before: "docker volume create myvolume", want: `^/.*`},
	{line: "docker volume rm hello", before: "docker volume create hello", want: "^hello$"},
	{line: "docker volume prune -a -f", before: "docker volume create hello", check: "docker volume ls -q | wc -l", seen: "^0$"},
}
