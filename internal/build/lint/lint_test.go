package lint

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/dockerfile"
)

// findings returns the findings as "LINE RULE DETAIL"; for minirun's own rules, with the hint.
func findings(t testing.TB, text string, o Options) (out []string) {
	t.Helper()
	r, err := Check([]byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range r.Warnings {
		text := fmt.Sprintf("%d %s %s", w.Line(), w.Rule, w.Detail)
		if w.IsMinirunRule && w.Hint != "" {
			text += "\nhint: " + w.Hint
		}
		out = append(out, text)
	}
	return out
}

func known() Options {
	return Options{
		Exists: func(name string) bool { return name == "node_modules" },
		Base: func(image string, p oci.Platform) *docker.DockerOCIImage {
			c := &docker.DockerOCIImage{Image: oci.Image{Platform: p}}
			c.Config.Env = []string{"PATH=/bin", "BASE_VERSION=3"}
			if image == "only-arm" {
				c.Platform = oci.Platform{OS: "linux", Architecture: "arm64"}
			}
			return c
		},
		IgnorePatterns: []string{"secret.txt", "tmp"},
		All:            true,
		Platform:       "linux/amd64",
	}
}

// TestCheckDirective: "# check=" and comments.
func TestCheckDirective(t *testing.T) {
	const violation, description = "lint violation found for rules: ", "InvalidDefinitionDescription"
	for text, want := range map[string]string{
		"FROM a\nCMD b\n": "JSONArgsRecommended",
		"# check=skip=JSONArgsRecommended\nFROM a\nCMD b\n":                                    "",
		"# check=skip=StageNameCasing,JSONArgsRecommended\nFROM a AS B\nCMD b\n":               "",
		"# check=skip=all\nFROM a AS B\nCMD b\n":                                               "",
		"# check=error=true\nFROM a\nCMD b\n":                                                  "JSONArgsRecommended, " + violation + "JSONArgsRecommended",
		"# check=skip=JSONArgsRecommended;error=true\nFROM a\nCMD b\n":                         "",
		"# check=error=true\nFROM a\n":                                                         "",
		"FROM a\n# check=skip=JSONArgsRecommended\nCMD b\n":                                    "",
		"FROM a\n# check=skip=JSONArgsRecommended\nRUN b\nCMD b\n":                             "JSONArgsRecommended",
		"# check=experimental=all\n# words\nFROM a AS b\n":                                     description,
		"# check=experimental=InvalidDefinitionDescription;error=true\n# words\nFROM a AS b\n": description + ", " + violation + description,
		"# words\nFROM a AS b\n":                                                               "",
		"# escape=`\n# check=skip=JSONArgsRecommended\nFROM a\nCMD b\n":                        "",
	} {
		r, err := Check([]byte(text), Options{})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got []string
		for _, w := range r.Warnings {
			got = append(got, w.Rule)
		}
		if r.Err != nil {
			got = append(got, r.Err.Error())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for _, c := range []struct {
		text string
		args map[string]string
		want string
	}{
		{"# check=nonsense=1\nFROM a\n", nil, `Dockerfile: # check=nonsense=1: invalid check option "nonsense"`},
		{"FROM a\n", map[string]string{Argument: "error=perhaps"},
			"--build-arg BUILDKIT_DOCKERFILE_CHECK=error=perhaps"},
	} {
		if _, err := Check([]byte(c.text), Options{BuildArgs: c.args}); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %q: %v", c.text, c.args, err)
		}
	}
}

func TestFormatExecForm(t *testing.T) {
	for text, want := range map[string]string{
		"node a.js":              `["node", "a.js"]`,
		`nginx -g "daemon off;"`: `["nginx", "-g", "daemon off;"]`,
		`a 'b $c' "" d"e"f`:      `["a", "b $c", "", "def"]`,
		`a "$b"`:                 `["/bin/sh", "-c", "exec a \"$b\""]`,
		"a && b":                 `["/bin/sh", "-c", "exec a && b"]`,
		`a "b`:                   `["/bin/sh", "-c", "exec a \"b"]`,
		`a \ b`:                  `["/bin/sh", "-c", "exec a \\ b"]`,
	} {
		if got := formatExecForm([]string{text}); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestErrorEndsCheck: the error with which a build would fail, and the findings before it.
func TestErrorEndsCheck(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "is empty",
		"# words\n":                       "is empty",
		"RUN a\n":                         "no build stage in current context",
		"FROM a\nFROO b\n":                "Dockerfile:2: ",
		"FROM a AS B\nCOPY a\n":           "COPY requires at least two arguments",
		"FROM a\nRUN <<EOF\nnever ends\n": "unterminated heredoc",
	} {
		r, err := Check([]byte(text), Options{})
		if err != nil || r.Err == nil || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("%q: %v, %+v, want %q", text, err, r, want)
		}
	}
	r, err := Check([]byte("FROM a\n"), Options{Target: "b"})
	if err != nil || r.Err == nil || !strings.Contains(r.Err.Error(), `target stage "b" could not be found`) {
		t.Errorf("%v, %v", r, err)
	}
	var broken *dockerfile.Error
	if r, _ := Check([]byte("FROM a\nFROO b\n"), Options{}); !errors.As(r.Err, &broken) || broken.First != 2 {
		t.Errorf("%v", r.Err)
	}
}

// TestOnlyNeededStagesAreChecked: stages that the target does not need are not checked.
func TestOnlyNeededStagesAreChecked(t *testing.T) {
	const text = "FROM a AS base\nCMD 1\nFROM a AS copied\nCMD 2\nFROM a AS mounted\nCMD 3\nFROM a AS other\n" +
		"CMD 4\nFROM base AS t\nCOPY --from=copied x y\nRUN --mount=from=mounted,target=/m true\nCMD 5\nFROM a\n" +
		"CMD 6\n"
	for target, want := range map[string]string{"": "2 4 6 8 12 14", "t": "2 4 6 12", "other": "8", "3": "8",
		"base": "2"} {
		var got []string
		for _, f := range findings(t, text, Options{Target: target, All: target == ""}) {
			line, _, _ := strings.Cut(f, " ")
			got = append(got, line)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %s", target, got, want)
		}
	}
}

// TestVariablesOfUnknownBase: variables of an unknown image.
func TestVariablesOfUnknownBase(t *testing.T) {
	got := findings(t, "FROM a\nENV VERSION=1\nCOPY $MODULE $VERSON /d/\nLABEL a=$PAHT\n", Options{})
	want := "3 UndefinedVar Usage of undefined variable '$VERSON' (did you mean $VERSION?)\n" +
		"4 UndefinedVar Usage of undefined variable '$PAHT' (did you mean $PATH?)"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// TestBuildArgIsNoDefault: a value from --build-arg does not count as a default.
func TestBuildArgIsNoDefault(t *testing.T) {
	o := Options{BuildArgs: map[string]string{"TAG": "3"}}
	if got := findings(t, "ARG TAG\nFROM a:$TAG\n", o); len(got) != 1 ||
		!strings.Contains(got[0], "InvalidDefaultArgInFrom") {
		t.Errorf("%q", got)
	}
	o.BuildArgs["DIR"] = "/x"
	if got := findings(t, "FROM a\nARG DIR\nWORKDIR $DIR/y\n", o); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
