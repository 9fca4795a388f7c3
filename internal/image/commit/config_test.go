package commit

import (
	"slices"
	"strings"
	"testing"
	"time"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestConfigIsThatOfTheContainer: as in docker, a new image starts what the container was started with.
func TestConfigIsThatOfTheContainer(t *testing.T) {
	base := &Config{}
	base.Config.ImageConfig = oci.ImageConfig{Env: []string{"PATH=/bin", "HOME=/srv"}, User: "app",
		Entrypoint: []string{"run", "-x"}, Cmd: []string{"old"}, Labels: map[string]string{"a": "b"}}
	base.History = []oci.History{{CreatedBy: "base"}}
	p := &specs.Process{Args: []string{"run", "-x", "new"}, Cwd: "/work",
		Env: []string{"PATH=/bin", "HOME=/srv", "HOSTNAME=box", "TERM=xterm", "A=b"}}
	now := time.Unix(1, 0)
	c := newConfig(base, p, Options{Author: "me", Message: "why"}, now)
	if got := strings.Join(c.Config.Env, " "); got != "PATH=/bin HOME=/srv A=b" {
		t.Error(got)
	}
	if !slices.Equal(c.Config.Entrypoint, []string{"run", "-x"}) || !slices.Equal(c.Config.Cmd, []string{"new"}) ||
		c.Config.WorkingDir != "/work" || c.Config.User != "app" || c.Config.Labels["a"] != "b" || c.Author != "me" {
		t.Errorf("%+v", c.Config)
	}
	if h := c.History; len(h) != 2 || h[1].CreatedBy != "run -x new" || h[1].Comment != "why" || h[1].Author != "me" ||
		len(base.History) != 1 {
		t.Errorf("%+v", c.History)
	}
}

func TestReplacedEntrypointIsNotKept(t *testing.T) {
	for _, c := range []struct{ entrypoint, args, wantEntrypoint, wantCmd string }{
		{"run", "sh -c x", "", "sh -c x"}, {"", "sh", "", "sh"}, {"run -x", "run", "", "run"},
		{"run", "run", "run", ""},
	} {
		entrypoint, cmd := command(strings.Fields(c.entrypoint), strings.Fields(c.args))
		if strings.Join(entrypoint, " ") != c.wantEntrypoint || strings.Join(cmd, " ") != c.wantCmd {
			t.Errorf("%+v: %q %q", c, entrypoint, cmd)
		}
	}
}

func TestParseNames(t *testing.T) {
	for text, want := range map[string]string{"": "", "app": "docker.io/library/app:latest", "UPPER": "lower case",
		"app@sha256:" + strings.Repeat("a", 64): "not a digest"} {
		names, err := ParseNames(text)
		got := ""
		if err != nil {
			got = err.Error()
		} else if len(names) > 0 {
			got = names[0].String()
		}
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
