package imageconfig

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
)

// apply applies a Dockerfile's instructions to a configuration.
func apply(c *docker.DockerOCIImageConfig, text string) error {
	parsed, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	for _, node := range parsed.AST.Children {
		command, err := instructions.ParseCommand(node)
		if err == nil {
			err = Apply(c, command)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func TestInstructionsChangeConfiguration(t *testing.T) {
	for text, want := range map[string]string{
		`CMD ["a", "b"]`: `{"Cmd":["a","b"]}`,
		"CMD a b":        `{"Cmd":["/bin/sh","-c","a b"]}`,
		"SHELL [\"/bin/ash\", \"-ec\"]\nENTRYPOINT a": `{"Entrypoint":["/bin/ash","-ec","a"],"Shell":["/bin/ash","-ec"]}`,
		"ENV A=1 B=2\nENV A=3":                        `{"Env":["A=3","B=2"]}`,
		"LABEL a=1\nLABEL a=2 b=c":                    `{"Labels":{"a":"2","b":"c"}}`,
		"EXPOSE 80 53/udp":                            `{"ExposedPorts":{"53/udp":{},"80/tcp":{}}}`,
		"VOLUME /a /b":                                `{"Volumes":{"/a":{},"/b":{}}}`,
		"USER 1:2":                                    `{"User":"1:2"}`,
		"WORKDIR /x":                                  `{"WorkingDir":"/x"}`,
		"STOPSIGNAL SIGINT":                           `{"StopSignal":"SIGINT"}`,
		"ONBUILD RUN x\nONBUILD CMD y":                `{"OnBuild":["RUN x","CMD y"]}`,
		"HEALTHCHECK --retries=2 CMD a":               `{"Healthcheck":{"Test":["CMD-SHELL","a"],"Retries":2}}`,
		"HEALTHCHECK NONE":                            `{"Healthcheck":{"Test":["NONE"]}}`,
		`VOLUME [""]`:                                 "empty string",
		"RUN x":                                       "RUN needs a build",
		"COPY a b":                                    "COPY needs a build",
		"EXPOSE 0x50":                                 `port "0x50": must be a number`,
	} {
		c := docker.DockerOCIImageConfig{}
		got := ""
		if err := apply(&c, text); err != nil {
			got = err.Error()
		} else {
			out, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			got = string(out)
		}
		if strings.HasPrefix(want, "{") && got != want || !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestApplyDoesNotShareMaps: stages with the same base each have their own configuration.
func TestApplyDoesNotShareMaps(t *testing.T) {
	base := docker.DockerOCIImageConfig{}
	const text = "ENV A=1\nLABEL a=1\nEXPOSE 1\nVOLUME /a\nONBUILD RUN a"
	if err := apply(&base, text); err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(base)
	if err != nil {
		t.Fatal(err)
	}
	stage := base
	if err := apply(&stage, strings.NewReplacer("A=1", "A=2", "a=1", "a=2 b=c", "EXPOSE 1", "EXPOSE 2", "/a",
		"/b").Replace(text)); err != nil {
		t.Fatal(err)
	}
	if after, err := json.Marshal(base); err != nil || string(after) != string(before) {
		t.Errorf("%s, was %s: %v", after, before, err)
	}
}

func TestPorts(t *testing.T) {
	for text, want := range map[string]string{
		"80": "80/tcp", "80/UDP": "80/udp", "80-82": "80/tcp 81/tcp 82/tcp", "8080:80": "80/tcp",
		"127.0.0.1:8080:80/sctp": "80/sctp",
		"[::1]:1-2:3-4":          "3/tcp 4/tcp", ":80": "80/tcp", "127.0.0.1::80": "80/tcp",
		"80/http": "error: unknown protocol", "82-80": "error: the range is empty", "65536": "error: up to 65535",
		"":          "error: must be a number",
		"1-3:80-81": "error: different lengths", "host:1:80": "error: not an IP address",
		"80,443": "error: separate ports with spaces", "x:80": "error: must be a number",
	} {
		got, err := Ports(text)
		if words, isError := strings.CutPrefix(want, "error: "); isError {
			if err == nil || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), "EXPOSE "+text) {
				t.Errorf("%s: %v, want %s", text, err, words)
			}
			continue
		}
		if err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestSetVariable(t *testing.T) {
	env := SetVariable(SetVariable(SetVariable([]string{"AB=1"}, "A", "2"), "AB", "3"), "A", "")
	if !slices.Equal(env, []string{"AB=3", "A="}) {
		t.Errorf("%q", env)
	}
}
