package build

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// two is a Dockerfile with two stages that most cases modify.
const two = `FROM base AS one
COPY a /a
RUN cat /a > /one
FROM base
COPY b /b
RUN cat /b > /two
COPY --from=one /one /one
RUN cat /one /two > /three
`

// A rebuild is a build followed by a second one, with the steps that must run in the second.
type rebuild struct {
	dockerfile string
	files      map[string]string // in addition to a, b and d/x
	setup      string            // a script in the context before the first build
	before     []string          // flags of the first build
	change     string            // a script that runs between the two builds
	after      []string          // flags of the second build; nil: those of the first
	again      string            // the Dockerfile of the second build; "": the same
	want       []string          // the steps that ran
}

var changes = map[string]rebuild{
	"nothing":                 {dockerfile: two},
	"a":                       {dockerfile: two, change: "echo new > a", want: []string{"COPY --from=one /one /one", "RUN cat /one /two > /three", "one COPY a /a", "one RUN cat /a > /one"}},
	"b":                       {dockerfile: two, change: "echo new > b", want: []string{"COPY --from=one /one /one", "COPY b /b", "RUN cat /b > /two", "RUN cat /one /two > /three"}},
	"same content elsewhere":  {dockerfile: two, change: "cp a c; rm a; mv c a"},
	"a file that is not used": {dockerfile: two, change: "echo new > c; rm -r d"},
	"only times":              {dockerfile: two, change: "touch -d 2021-01-01T00:00:00Z a b . d"},
	// If a stage runs again and its result is the same, the stages that copy from it do not run.
	"a mode":                             {dockerfile: two, change: "chmod 600 a", want: []string{"one COPY a /a", "one RUN cat /a > /one"}},
	"a owner":                            {dockerfile: two, change: "chown 7:7 a"}, // context files are root's
	"an attribute, which no context has": {dockerfile: two, change: "setfattr -n user.test -v 1 a 2>/dev/null || python3 -c 'import os; os.setxattr(\"a\",\"user.test\",b\"1\")'"},
	"another directory, the same files":  {dockerfile: two, change: "mkdir ../other; cp -r . ../other"},

	"in a directory: changed":                 {dockerfile: "FROM base\nCOPY d /d\nRUN ls /d\n", change: "echo new > d/x", want: []string{"COPY d /d", "RUN ls /d"}},
	"in a directory: new":                     {dockerfile: "FROM base\nCOPY d /d\n", change: "echo > d/new", want: []string{"COPY d /d"}},
	"in a directory: gone":                    {dockerfile: "FROM base\nCOPY d /d\n", setup: "echo > d/y", change: "rm d/y", want: []string{"COPY d /d"}},
	"in a directory: renamed":                 {dockerfile: "FROM base\nCOPY d /d\n", change: "mv d/x d/y", want: []string{"COPY d /d"}},
	"in a directory: a link":                  {dockerfile: "FROM base\nCOPY d /d\n", setup: "ln -s x d/l", change: "ln -sfn y d/l", want: []string{"COPY d /d"}},
	"in a directory: its mode":                {dockerfile: "FROM base\nCOPY d /d/\nCOPY . /all\n", change: "chmod 700 d", want: []string{"COPY . /all", "COPY d /d/"}},
	"in a directory: one file instead of two": {dockerfile: "FROM base\nCOPY d /d\n", setup: "cp d/x d/y", change: "ln -f d/x d/y", want: []string{"COPY d /d"}},
	"glob: matches":                           {dockerfile: "FROM base\nCOPY *.txt /t/\n", setup: "echo > 1.txt", change: "echo > 2.txt", want: []string{"COPY *.txt /t/"}},
	"glob: no match":                          {dockerfile: "FROM base\nCOPY *.txt /t/\n", setup: "echo > 1.txt", change: "echo > 2.md"},
	"exclude":                                 {dockerfile: "FROM base\nCOPY --exclude=*.md . /t/\n", files: map[string]string{".dockerignore": "Dockerfile"}, change: "echo > 2.md"},
	"ignored":                                 {dockerfile: "FROM base\nCOPY . /t/\n", files: map[string]string{".dockerignore": "*.md\nb"}, change: "echo > 2.md; echo new > b"},
	"not ignored":                             {dockerfile: "FROM base\nCOPY . /t/\n", files: map[string]string{".dockerignore": "*.md\n!3.md"}, change: "echo > 3.md", want: []string{"COPY . /t/"}},
	"no longer ignored":                       {dockerfile: "FROM base\nCOPY d /t/\n", files: map[string]string{".dockerignore": "d/x"}, setup: "echo > d/y", change: "rm .dockerignore", want: []string{"COPY d /t/"}},
	"ignored otherwise, the same files":       {dockerfile: "FROM base\nCOPY d /t/\n", files: map[string]string{".dockerignore": "b"}, change: "echo a > .dockerignore"},

	"ARG used":        {dockerfile: "FROM base\nARG X\nRUN echo $X\nCOPY a /a\n", before: []string{"--build-arg=X=1"}, after: []string{"--build-arg=X=2"}, want: []string{"COPY a /a", "RUN echo 2"}},
	"ARG declared":    {dockerfile: "FROM base\nARG X\nRUN true\n", before: []string{"--build-arg=X=1"}, after: []string{"--build-arg=X=2"}, want: []string{"RUN true"}}, // it is in the environment
	"ARG of COPY":     {dockerfile: "FROM base\nARG X\nCOPY a /$X\nCOPY b /b\n", before: []string{"--build-arg=X=1"}, after: []string{"--build-arg=X=2"}, want: []string{"COPY a /2", "COPY b /b"}},
	"ARG not of COPY": {dockerfile: "FROM base\nARG X\nCOPY a /a\n", before: []string{"--build-arg=X=1"}, after: []string{"--build-arg=X=2"}},
	"ARG behind":      {dockerfile: "FROM base\nRUN true\nARG X\nRUN echo $X\n", before: []string{"--build-arg=X=1"}, after: []string{"--build-arg=X=2"}, want: []string{"RUN echo 2"}},
	"ARG of another stage": {dockerfile: "FROM base AS one\nARG X\nRUN echo same > /f\nFROM base\nCOPY --from=one /f /f\nRUN cat /f\n",
		before: []string{"--build-arg=X=1"}, after: []string{"--build-arg=X=2"}, want: []string{"one RUN echo same > /f"}},
	"ARG that nobody declares": {dockerfile: two, before: []string{"--build-arg=X=1"}, after: []string{"--build-arg=X=2"}},
	"ARG's default":            {dockerfile: "FROM base\nARG X=1\nRUN echo $X\n", again: "FROM base\nARG X=2\nRUN echo $X\n", want: []string{"RUN echo 2"}},
	"ARG, given its default":   {dockerfile: "FROM base\nARG X=1\nRUN echo $X\n", after: []string{"--build-arg=X=1"}},
	"ARG of FROM":              {dockerfile: "ARG B=base\nFROM $B\nRUN true\n", after: []string{"--build-arg=B=configured"}, want: []string{"RUN true"}},
	"a proxy":                  {dockerfile: "FROM base\nRUN true\n", before: []string{"--build-arg=HTTP_PROXY=http://127.0.0.1:1"}, after: []string{"--build-arg=http_proxy=http://127.0.0.1:2"}},
	"ENV":                      {dockerfile: "FROM base\nCOPY a /a\nENV X=1\nCOPY b /b\nRUN true\n", again: "FROM base\nCOPY a /a\nENV X=2\nCOPY b /b\nRUN true\n", want: []string{"RUN true"}},
	"USER":                     {dockerfile: "FROM base\nUSER app\nRUN true\nCOPY a /a\n", again: "FROM base\nUSER root\nRUN true\nCOPY a /a\n", want: []string{"COPY a /a", "RUN true"}},
	"SHELL":                    {dockerfile: "FROM base\nRUN true\n", again: "FROM base\nSHELL [\"/bin/ash\",\"-c\"]\nRUN true\n", want: []string{"RUN true"}},
	"WORKDIR":                  {dockerfile: "FROM base\nWORKDIR /w\nRUN true\n", again: "FROM base\nWORKDIR /v\nRUN true\n", want: []string{"RUN true", "WORKDIR /v"}},
	"metadata":                 {dockerfile: two, again: strings.Replace(two, "COPY b", "LABEL a=b\nCMD x\nEXPOSE 80\nVOLUME /v\nHEALTHCHECK CMD y\nSTOPSIGNAL 9\n# a comment\nCOPY b", 1), after: []string{"-t", "other", "--label", "x=y"}},
	"a step between":           {dockerfile: two, again: strings.Replace(two, "RUN cat /b", "RUN true\nRUN cat /b", 1), want: []string{"COPY --from=one /one /one", "RUN cat /b > /two", "RUN cat /one /two > /three", "RUN true"}},
	"--network":                {dockerfile: "FROM base\nRUN true\n", after: []string{"--network=none"}, want: []string{"RUN true"}},
	"--add-host":               {dockerfile: "FROM base\nRUN true\nCOPY a /a\n", after: []string{"--add-host=x:1.2.3.4"}, want: []string{"COPY a /a", "RUN true"}},
	"--ulimit":                 {dockerfile: "FROM base\nRUN true\nCOPY a /a\n", after: []string{"--ulimit=nofile=64"}, want: []string{"COPY a /a", "RUN true"}},
	"--shm-size":               {dockerfile: "FROM base\nRUN true\nCOPY a /a\n", before: []string{"--shm-size=1m"}, after: []string{"--shm-size=2m"}, want: []string{"COPY a /a", "RUN true"}},
	"SOURCE_DATE_EPOCH":        {dockerfile: "FROM base\nCOPY a /a\n", after: []string{"--build-arg=SOURCE_DATE_EPOCH=1"}, want: []string{"COPY a /a"}},

	"a here-document of RUN":      {dockerfile: "FROM base\nRUN <<E\necho 1\nE\n", again: "FROM base\nRUN <<E\necho 2\nE\n", want: []string{"RUN <<E (echo 2)"}},
	"a here-document that is run": {dockerfile: "FROM base\nRUN <<E\n#!/bin/sh\necho 1\nE\n", again: "FROM base\nRUN <<E\n#!/bin/sh\necho 2\nE\n", want: []string{"RUN <<E (#!/bin/sh...)"}},
	"a here-document of COPY":     {dockerfile: "FROM base\nCOPY <<E /e\n1\nE\n", again: "FROM base\nCOPY <<E /e\n2\nE\n", want: []string{"COPY <<E /e"}},

	"secret":     {dockerfile: "FROM base\nRUN --mount=type=secret,id=s cat /run/secrets/s\n", before: []string{"--secret=id=s,src=a"}, after: []string{"--secret=id=s,src=b"}},
	"secret env": {dockerfile: "FROM base\nRUN --mount=type=secret,id=s,env=S echo $S\n", before: []string{"--secret=id=s,src=a"}, after: []string{"--secret=id=s,src=b"}},
	"cache mount": {dockerfile: "FROM base\nRUN --mount=type=cache,target=/c date >> /c/log\nCOPY a /a\nRUN --mount=type=cache,target=/c cat /c/log; date >> /c/log\n",
		change: "echo new > a", want: []string{"COPY a /a", "RUN --mount=type=cache,target=/c cat /c/log; date >> /c/log"}},
	"another cache":                             {dockerfile: "FROM base\nRUN --mount=type=cache,target=/c,id=1 true\n", again: "FROM base\nRUN --mount=type=cache,target=/c,id=2 true\n", want: []string{"RUN --mount=type=cache,target=/c,id=2 true"}},
	"bind mount":                                {dockerfile: "FROM base\nRUN --mount=type=bind,target=/m,source=d cat /m/x\n", change: "echo new > d/x", want: []string{"RUN --mount=type=bind,source=d,target=/m cat /m/x", "load context d"}},
	"beside a bind mount":                       {dockerfile: "FROM base\nRUN --mount=type=bind,target=/m,source=d cat /m/x\n", change: "echo new > a"},
	"bind mount of a stage":                     {dockerfile: "FROM base AS one\nCOPY . /d\nFROM base\nRUN --mount=from=one,target=/m,source=/d/d cat /m/x\n", change: "echo new > d/x", want: []string{"RUN --mount=type=bind,from=one,source=d/d,target=/m cat /m/x", "one COPY . /d"}},
	"beside one of a stage":                     {dockerfile: "FROM base AS one\nCOPY . /d\nFROM base\nRUN --mount=from=one,target=/m,source=/d/d cat /m/x\n", change: "echo new > a", want: []string{"one COPY . /d"}},
	"bind mount, a strange name":                {dockerfile: "FROM base AS one\nCOPY . /d\nFROM base\nRUN --mount=from=one,target=/m,source=/d/[d]* cat /m/x\n", setup: "mkdir '[d]*'; echo 1 > '[d]*/x'", change: "echo 2 > '[d]*/x'", want: []string{"RUN --mount=type=bind,from=one,source=d/[d]*,target=/m cat /m/x", "one COPY . /d"}},
	"bind mount of the context, a strange name": {dockerfile: "FROM base\nRUN --mount=target=/m,source=[d]* cat /m/x\n", setup: "mkdir '[d]*'; echo 1 > '[d]*/x'", change: "echo 2 > '[d]*/x'; echo new > d/x", want: []string{"RUN --mount=type=bind,source=[d]*,target=/m cat /m/x", "load context [d]*"}},

	"COPY --link on another base": {dockerfile: "FROM base\nRUN echo 1 > /x\nCOPY --link a /l/a\nCOPY --link --chown=app b /l/b\n", again: "FROM base\nRUN echo 2 > /x\nCOPY --link a /l/a\nCOPY --link --chown=app b /l/b\n", want: []string{"COPY --chown=app --link b /l/b", "RUN echo 2 > /x"}},
	"COPY --link, another owner": {dockerfile: "FROM base\nCOPY --link --chown=new b /l/b\n", again: "FROM base\nRUN true\nCOPY --link --chown=new b /l/b\n",
		setup: "true", before: []string{"--build-context=base=docker-image://users"}, after: []string{"--build-context=base=docker-image://others"}, want: []string{"COPY --chown=new --link b /l/b", "RUN true"}},
	"RUN behind COPY --link":                  {dockerfile: "FROM base\nRUN echo 1 > /x\nCOPY --link a /l/a\nRUN cat /x\n", again: "FROM base\nRUN echo 2 > /x\nCOPY --link a /l/a\nRUN cat /x\n", want: []string{"RUN cat /x", "RUN echo 2 > /x"}},
	"COPY --from behind COPY --link":          {dockerfile: "FROM base AS s\nCOPY a /d/a\nCOPY --link b /d/b\nFROM base\nCOPY --from=s /d /d\n", change: "echo new > a", want: []string{"COPY --from=s /d /d", "s COPY a /d/a"}},
	"COPY --link on another base, of scratch": {dockerfile: "FROM scratch\nCOPY --link a /l/a\n", again: "FROM users\nCOPY --link a /l/a\n"},
	"COPY without --link":                     {dockerfile: "FROM base\nRUN echo 1 > /x\nCOPY a /l/a\n", again: "FROM base\nRUN echo 2 > /x\nCOPY a /l/a\n", want: []string{"COPY a /l/a", "RUN echo 2 > /x"}},

	"--no-cache":         {dockerfile: two, after: []string{"--no-cache"}, want: []string{"COPY --from=one /one /one", "COPY b /b", "RUN cat /b > /two", "RUN cat /one /two > /three", "one COPY a /a", "one RUN cat /a > /one"}},
	"--no-cache, mount":  {dockerfile: "FROM base\nRUN --mount=target=/m,source=d cat /m/x\n", after: []string{"--no-cache"}, want: []string{"RUN --mount=type=bind,source=d,target=/m cat /m/x", "load context d"}},
	"--no-cache-filter":  {dockerfile: two, after: []string{"--no-cache-filter=one"}, want: []string{"one COPY a /a", "one RUN cat /a > /one"}},
	"--target":           {dockerfile: two, before: []string{"--target=one"}, after: []string{}, want: []string{"COPY --from=one /one /one", "COPY b /b", "RUN cat /b > /two", "RUN cat /one /two > /three"}},
	"another Dockerfile": {dockerfile: "FROM base\nCOPY a /a\nRUN cat /a\nRUN echo mine\n", again: "FROM base AS x\nCOPY a /a\nRUN cat /a\nRUN echo yours\n", want: []string{"RUN echo yours"}},
	"a stage's name":     {dockerfile: two, again: strings.ReplaceAll(two, "one\nCOPY", "uno\nCOPY") + "", after: []string{"--target=uno"}},
	"a base of its own":  {dockerfile: "FROM users\nRUN true\n", again: "FROM others\nRUN true\n", want: []string{"RUN true"}},
	"--build-context":    {dockerfile: "FROM base\nCOPY --from=c x /x\n", before: []string{"--build-context=c=d"}, change: "mkdir e; echo new > e/x", after: []string{"--build-context=c=e"}, want: []string{"COPY --from=c x /x"}},
}

// TestChangeRebuildsOnlyAffectedSteps: exactly the expected steps run again after a change.
func TestChangeRebuildsOnlyAffectedSteps(t *testing.T) {
	s := newStore(t)
	for _, b := range []struct{ name, line string }{{"users", "new:x:5:5::/:/bin/sh"}, {"others", "new:x:6:6::/:/bin/sh"}} {
		dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN echo '" + b.line + "' >> /etc/passwd\nFROM scratch\nCOPY --from=0 / /\n"}, "")
		s.Do("build", "-q", "-t", b.name, dir)
		_ = os.RemoveAll(filepath.Join(s.StoreDir, "build", "cache"))
		if err := os.Mkdir(filepath.Join(s.StoreDir, "build", "cache"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	number := 0
	for name, c := range changes {
		number++
		fork := fmt.Sprint(number)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.fork(fork)
			s.T = t
			files := map[string]string{"Dockerfile": c.dockerfile, "a": "1\n", "b": "2\n", "d/x": "3\n"}
			for name, text := range c.files {
				files[name] = text
			}
			dir := contextDir(t, files, c.setup)
			s.Wd = dir
			if first := s.builds(dir, c.before...); len(first.ran) == 0 {
				t.Fatalf("the first build runs nothing: %s", first.Stderr)
			}
			shell(t, dir, c.change)
			if c.again != "" {
				shell(t, dir, "cat > Dockerfile <<'END_OF_DOCKERFILE'\n"+c.again+"END_OF_DOCKERFILE")
			}
			flags := c.before
			if c.after != nil {
				flags = c.after
			}
			if strings.HasPrefix(name, "another directory") {
				dir = filepath.Join(filepath.Dir(dir), "other")
			}
			second := s.builds(dir, flags...)
			if !slices.Equal(second.ran, c.want) {
				t.Errorf("ran\n  %s\nwant\n  %s\ncached\n  %s", strings.Join(second.ran, "\n  "), strings.Join(c.want, "\n  "), strings.Join(second.cached, "\n  "))
			}
			if third := s.builds(dir, flags...); !slices.Contains(flags, "--no-cache") && !strings.Contains(strings.Join(flags, " "), "filter") && len(third.ran) > 0 {
				t.Errorf("the third time %q ran", third.ran)
			}
		})
	}
}

// A watch records which of some files are opened, by any process and under any name, with inotify.
// Opening with O_PATH does not count: nothing can be read from such a descriptor.
type watch struct {
	t     *testing.T
	fd    int
	names map[int32]string
}

func newWatch(t *testing.T, files ...string) *watch {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	w := &watch{t, fd, map[int32]string{}}
	for _, f := range files {
		// inotify would merge two identical events in a row into one.
		n, err := unix.InotifyAddWatch(fd, f, unix.IN_OPEN|unix.IN_CLOSE_NOWRITE)
		if err != nil {
			t.Fatal(f, err)
		}
		w.names[int32(n)] = filepath.Base(f)
	}
	return w
}

// opened returns the files that were opened since the last call, and how often.
func (w *watch) opened() map[string]int {
	w.t.Helper()
	out := map[string]int{}
	buffer := make([]byte, 64<<10)
	for {
		n, err := unix.Read(w.fd, buffer)
		if err == unix.EAGAIN {
			return out
		}
		if err != nil {
			w.t.Fatal(err)
		}
		for at := 0; at < n; at += unix.SizeofInotifyEvent {
			// No name follows: the watches are on files.
			number, mask := binary.NativeEndian.Uint32(buffer[at:]), binary.NativeEndian.Uint32(buffer[at+4:])
			if mask&unix.IN_OPEN != 0 {
				out[w.names[int32(number)]]++
			}
		}
	}
}

// TestUnchangedContextIsNotRead: a build of an unchanged context starts no container and opens no file of the
// context; if one file has changed, the build opens only that file.
//
// This is observed from outside: inotify reports which files are opened. The binary minirun is one of
// them: it is opened once when the test executes it, and once more for each container.
func TestUnchangedContextIsNotRead(t *testing.T) {
	s := newStore(t)
	files := map[string]string{"Dockerfile": "FROM base\nCOPY . /all\nRUN true\nRUN --mount=target=/m cat /m/f1 > /f\n", ".dockerignore": "Dockerfile\nignored"}
	for n := range 20 {
		files[fmt.Sprint("f", n)] = fmt.Sprintln(n)
	}
	files["ignored"] = "x"
	dir := contextDir(t, files, "")
	var all []string
	for name := range files {
		if name != "Dockerfile" && name != ".dockerignore" { // their contents are needed
			all = append(all, filepath.Join(dir, name))
		}
	}
	w := newWatch(t, append(all, s.Command().Path)...)
	base := filepath.Base(s.Command().Path)
	s.builds(dir)
	got := w.opened()
	if got[base] < 3 { // minirun itself and two RUN steps
		t.Errorf("the first build executes minirun %d times: this test sees nothing", got[base])
	}
	if got["f1"] == 0 || got["ignored"] > 0 {
		t.Errorf("the first build opens %v", got)
	}
	// Files that were just written could change again within the same clock tick, so they are read
	// again.
	if s.builds(dir); w.opened()[base] != 1 {
		t.Error("the second build starts a container")
	}
	shell(t, dir, "sleep 0.1")
	s.builds(dir)
	w.opened()
	for range 2 {
		if b := s.builds(dir); len(b.ran) > 0 {
			t.Errorf("%q ran", b.ran)
		}
		if got := w.opened(); len(got) != 1 || got[base] != 1 {
			t.Errorf("a build of what has not changed opens %v", got)
		}
	}
	// A file that changed is read once to compute its digest. A file that is copied by another stage
	// is not opened if --target leaves that stage out.
	shell(t, dir, "echo new > f7; echo new > ignored; sleep 0.1")
	w.opened()
	if b := s.builds(dir); len(b.ran) == 0 {
		t.Error("nothing ran")
	}
	w.opened()
	s.builds(dir)
	if got := w.opened(); len(got) != 1 || got[base] != 1 {
		t.Errorf("after a change was built, a build opens %v", got)
	}
	// Only the times change: the files concerned are read once more, nothing else is read, and
	// nothing is built.
	shell(t, dir, "touch -d 2022-02-02 f3; sleep 0.1")
	w.opened()
	if b := s.builds(dir); len(b.ran) > 0 {
		t.Errorf("%q ran", b.ran)
	}
	if got := w.opened(); len(got) != 2 || got["f3"] == 0 {
		t.Errorf("after a touch, a build opens %v", got)
	}
}
