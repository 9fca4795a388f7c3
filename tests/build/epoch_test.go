package build

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEpochSources: SOURCE_DATE_EPOCH selects which source the time of an image comes from. The
// expected values are BuildKit's.
func TestEpochSources(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"r/Dockerfile": "FROM base\nWORKDIR /w\n", "SERVED/plain": "1", "Dockerfile": "SERVER"},
		"cd r; git init -q -b main; git add .; GIT_COMMITTER_DATE=2016-02-03T04:05:06Z git commit -q -m x; cd ..; git clone -q --bare r SERVED/r.git; "+
			"tar -C r --mtime=2012-01-01T00:00:00Z --exclude=.git -cf SERVED/c.tar Dockerfile; touch -d 2019-01-01T00:00:00Z SERVED/c.tar; touch -d 2018-03-04T05:06:07Z SERVED/plain")
	serve(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	address := string(text)
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // no Last-Modified
		text, err := os.ReadFile(filepath.Join(dir, "SERVED", "c.tar"))
		if err == nil {
			_, _ = w.Write(text)
		}
	}))
	t.Cleanup(silent.Close)
	const commit, file, archive, entry = "2016-02-03T04:05:06Z", "2018-03-04T05:06:07Z", "2019-01-01T00:00:00Z", "2012-01-01T00:00:00Z"
	for _, c := range []struct {
		name, dockerfile string // "": the context is a URL
		args             []string
		want             string
	}{
		{"git", "", []string{"--build-arg=SOURCE_DATE_EPOCH=context", "http://" + address + "/r.git"}, commit},
		{"archive", "", []string{"--build-arg=SOURCE_DATE_EPOCH=context", "http://" + address + "/c.tar"}, archive},
		{"archive without a date", "", []string{"--build-arg=SOURCE_DATE_EPOCH=context", silent.URL + "/c.tar"}, entry},
		{"another context", "FROM base\nWORKDIR /w\n", []string{"--build-arg=SOURCE_DATE_EPOCH=n", "--build-context=n=http://" + address + "/r.git"}, commit},
		{"stage of a URL", "FROM scratch AS s\nADD http://" + address + "/plain /\nFROM base\nWORKDIR /w\n", []string{"--build-arg=SOURCE_DATE_EPOCH=s"}, file},
		{"stage of an archive without a date", "FROM scratch AS s\nADD " + silent.URL + "/c.tar /\nFROM base\nWORKDIR /w\n", []string{"--build-arg=SOURCE_DATE_EPOCH=s"}, entry},
		{"stage of a repository", "ARG SOURCE_DATE_EPOCH=s\nFROM scratch AS s\nADD http://" + address + "/r.git /\nFROM base\nWORKDIR /w\n", nil, commit},
		{"global ARG", "ARG SOURCE_DATE_EPOCH=1600000000\nFROM base\nWORKDIR /w\n", nil, "2020-09-13T12:26:40Z"},
		{"argument over ARG", "ARG SOURCE_DATE_EPOCH=1600000000\nFROM base\nWORKDIR /w\n", []string{"--build-arg=SOURCE_DATE_EPOCH=1"}, "1970-01-01T00:00:01Z"},
	} {
		out := filepath.Join(t.TempDir(), "out.tar")
		args := append([]string{"-o", "type=oci,rewrite-timestamp=true,dest=" + out}, c.args...)
		if c.dockerfile != "" {
			args = append(args, contextDir(t, map[string]string{"Dockerfile": c.dockerfile}, ""))
		}
		s.build(args...)
		r := openResult(t, out)
		m := r.manifest("")
		config := r.config(m)
		if got := config.Created.Format(time.RFC3339); got != c.want {
			t.Errorf("%s: created %s, want %s", c.name, got, c.want)
		}
		list := exec.Command("tar", "-tv", "--utc", "--full-time", "-f", "-")
		list.Stdin = strings.NewReader(string(r.plain(m.Layers[len(m.Layers)-1])))
		text, err := list.Output()
		if want := strings.NewReplacer("T", " ", "Z", "").Replace(c.want); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: the layer has %q, %v", c.name, text, err)
		}
	}
	// The times of files in a directory are meaningless here.
	out := filepath.Join(t.TempDir(), "out.tar")
	s.build("--no-cache", "-o", "type=oci,dest="+out, "--build-arg=SOURCE_DATE_EPOCH=context", contextDir(t, map[string]string{"Dockerfile": "FROM base\nWORKDIR /directory\n"}, ""))
	r := openResult(t, out)
	if created := r.config(r.manifest("")).Created; created.Before(old) {
		t.Errorf("an image of a directory was created %s", created)
	}
}

// TestSyntaxFrontendIsNotRun: a frontend named by "# syntax=" is not run, and the build prints a
// warning.
func TestSyntaxFrontendIsNotRun(t *testing.T) {
	s := newStore(t)
	const warning = "Dockerfile:1: # syntax=example.org/other:1 is ignored"
	for text, want := range map[string]bool{"# syntax=example.org/other:1\nFROM scratch\nCOPY Dockerfile /\n": true, "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY Dockerfile /\n": false} {
		dir := contextDir(t, map[string]string{"Dockerfile": text}, "")
		for _, args := range [][]string{{"build", "-o", "type=cacheonly", dir}, {"build", "--check", dir}} {
			r := s.Minirun(args...)
			if r.Status != 0 || strings.Contains(r.Stderr, warning) != want {
				t.Errorf("%q: status %d: %s", args, r.Status, r.Stderr)
			}
		}
	}
}

// TestRewrittenTimestamp: layers whose files' times were rewritten are marked as such, as BuildKit
// does.
func TestRewrittenTimestamp(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY Dockerfile /\n"}, "")
	for options, want := range map[string]string{
		"":                        "",
		",rewrite-timestamp=true": "1600000000",
		",rewrite-timestamp=true,source-date-epoch=":           "",
		",rewrite-timestamp=true,source-date-epoch=1700000000": "1700000000",
	} {
		out := filepath.Join(t.TempDir(), "out.tar")
		s.build("--build-arg=SOURCE_DATE_EPOCH=1600000000", "-o", "type=oci,dest="+out+options, dir)
		r := openResult(t, out)
		m := r.manifest("")
		for i, l := range m.Layers {
			said := l.Annotations["buildkit/rewritten-timestamp"]
			if built := i == len(m.Layers)-1; built && said != want || !built && said != "" {
				t.Errorf("%s: layer %d says %q, want %q", options, i, said, want)
			}
		}
		if created := r.config(m).Created.Unix(); created != 1600000000 {
			t.Errorf("%s: created %d", options, created)
		}
	}
}

// TestOutputHasTimeOfEpoch: source-date-epoch= sets the time of one output. The files' times are those
// of this output; the time of the image comes from the build argument if there is one. The expected
// values are BuildKit's.
func TestOutputHasTimeOfEpoch(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\nLABEL a=b\n", "f": "1"}, "touch -d 2022-01-01T00:00:00Z f; touch -d 2022-01-02T00:00:00Z Dockerfile")
	const own, output, argument = "2022-01-01T00:00:00Z", "2020-09-13T12:26:40Z", "2017-07-14T02:40:00Z"
	for _, c := range []struct {
		output, argument string
		created, file    string // created "": now
	}{
		{"type=oci,source-date-epoch=1600000000", "", output, own},
		{"type=oci,source-date-epoch=1600000000,rewrite-timestamp=true", "", output, output},
		{"type=oci,source-date-epoch=1600000000,rewrite-timestamp=true", "1500000000", argument, output},
		{"type=oci,source-date-epoch=,rewrite-timestamp=true", "1500000000", argument, own},
		{"type=docker,source-date-epoch=1600000000", "", output, own},
		{"type=tar,source-date-epoch=1600000000", "1500000000", "", output},
		{"type=tar,source-date-epoch=", "1500000000", "", own},
		{"type=tar", "1500000000", "", argument},
		{"type=local,source-date-epoch=1600000000", "", "", output},
		{"type=local,source-date-epoch=", "1500000000", "", own},
	} {
		out := filepath.Join(t.TempDir(), "out")
		args := []string{"-o", c.output + ",dest=" + out, dir}
		if c.argument != "" {
			args = append(args, "--build-arg=SOURCE_DATE_EPOCH="+c.argument)
		}
		s.build(args...)
		if strings.HasPrefix(c.output, "type=local") {
			st, err := os.Stat(filepath.Join(out, "f"))
			if err != nil || st.ModTime().UTC().Format(time.RFC3339) != c.file {
				t.Errorf("%s, %s: %v, %v, want %s", c.output, c.argument, st, err, c.file)
			}
			continue
		}
		list := exec.Command("tar", "-tv", "--utc", "--full-time", "-f", out)
		if c.created != "" {
			r := openResult(t, out)
			m := r.manifest("")
			if got := r.config(m).Created.Format(time.RFC3339); got != c.created {
				t.Errorf("%s, %s: created %s, want %s", c.output, c.argument, got, c.created)
			}
			list = exec.Command("tar", "-tv", "--utc", "--full-time", "-f", "-")
			list.Stdin = strings.NewReader(string(r.plain(m.Layers[0])))
		}
		text, err := list.Output()
		if want := strings.NewReplacer("T", " ", "Z", "").Replace(c.file); err != nil || !strings.Contains(string(text), want+" f") {
			t.Errorf("%s, %s: %q, %v, want %s", c.output, c.argument, text, err, want)
		}
	}
	for _, value := range []string{"x", "1.5", "context", "99999999999999"} {
		s.Minirun("build", "-o", "type=oci,source-date-epoch="+value+",dest="+filepath.Join(t.TempDir(), "out"), dir).Fails(t, "source-date-epoch="+value+": must be seconds since 1970")
	}
	s.Minirun("build", "-o", "type=cacheonly,source-date-epoch=1", dir).Fails(t, "source-date-epoch is only for type=")
}
