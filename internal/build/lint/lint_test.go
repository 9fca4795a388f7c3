package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/dockerfile"
)

// findings returns the findings as "LINE RULE DETAIL".
func findings(t testing.TB, text string, o Options) (out []string) {
	t.Helper()
	r, err := Check([]byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range r.Warnings {
		out = append(out, fmt.Sprintf("%d %s %s", w.Line(), w.Rule, w.Detail))
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

// TestRules has, for each rule, Dockerfiles with a finding, with its line, and some without.
// Every rule of BuildKit, and each of our own, is here.
func TestRules(t *testing.T) {
	for rule, c := range map[string]struct {
		check string            // more text for "# check="
		bad   map[string]string // the text → the line and the detail
		good  []string
	}{
		"StageNameCasing": {"", map[string]string{
			"FROM busybox AS Tools\n": "1 Stage name 'Tools' should be lowercase",
		}, []string{"FROM busybox AS tools\n", "FROM busybox AS tool-box_2.x\n"}},
		"FromAsCasing": {"", map[string]string{
			"FROM busybox as tools\n": "1 'as' and 'FROM' keywords' casing do not match",
			"from busybox AS tools\n": "1 'AS' and 'from' keywords' casing do not match",
		}, []string{"FROM busybox AS tools\n", "from busybox as tools\n"}},
		"NoEmptyContinuation": {"", map[string]string{
			"FROM busybox\nRUN echo \\\n\n  one\n": "4 Empty continuation line",
		}, []string{"FROM busybox\nRUN echo \\\n# a comment\n  one\n", "FROM busybox\n\nRUN echo one\n"}},
		"ConsistentInstructionCasing": {"", map[string]string{
			"FROM busybox\nrun true\nCOPY a b\n": "2 Command 'run' should match the case of the command majority (uppercase)",
			"from busybox\nrun true\nCopy a b\n": "3 Command 'Copy' should match the case of the command majority (lowercase)",
			"FROM busybox\nrun true\n":           "2 Command 'run' should match the case of the command majority (uppercase)",
			"from busybox\nRUN true\n":           "1 Command 'from' should match the case of the command majority (uppercase)",
		}, []string{"FROM busybox\nRUN true\n", "from busybox\nrun true\n"}},
		"DuplicateStageName": {"", map[string]string{
			"FROM busybox AS one\nFROM alpine AS one\n": "2 Duplicate stage name \"one\", stage names should be unique",
		}, []string{"FROM busybox AS one\nFROM alpine AS two\n", "FROM busybox\nFROM alpine\n"}},
		"ReservedStageName": {"", map[string]string{
			"FROM busybox AS scratch\n": "1 Stage name should not use the same name as reserved stage \"scratch\"",
			"FROM busybox AS context\n": "1 Stage name should not use the same name as reserved stage \"context\"",
		}, []string{"FROM busybox AS scratchpad\n", "FROM scratch\nCOPY a /\n"}},
		"JSONArgsRecommended": {"", map[string]string{
			"FROM busybox\nCMD serve --all\n":                     "2 JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
			"FROM busybox AS a\nFROM a\nENTRYPOINT serve --all\n": "3 JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals",
		}, []string{
			"FROM busybox\nCMD [\"serve\", \"--all\"]\n", "FROM busybox\nSHELL [\"/bin/ash\", \"-ec\"]\nCMD serve\n",
			"FROM busybox AS a\nSHELL [\"/bin/ash\", \"-ec\"]\nFROM a\nCMD serve\n", "FROM busybox\nHEALTHCHECK CMD true\n",
		}},
		"MaintainerDeprecated": {"", map[string]string{
			"FROM busybox\nMAINTAINER me@example.com\n": "2 Maintainer instruction is deprecated in favor of using label",
		}, []string{"FROM busybox\nLABEL org.opencontainers.image.authors=\"me@example.com\"\n"}},
		"UndefinedArgInFrom": {"", map[string]string{
			"FROM busybox:1${FLAVOUR}\n":                             "1 FROM argument 'FLAVOUR' is not declared",
			"FROM --platform=$BULIDPLATFORM busybox\n":               "1 FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)",
			"ARG BOX_NAME=busybox\nFROM ${BOXNAME:-busybox}\n":       "2 FROM argument 'BOXNAME' is not declared (did you mean BOX_NAME?)",
			"FROM busybox AS a\nARG LATE=1\nFROM busybox:1${LATE}\n": "3 FROM argument 'LATE' is not declared",
		}, []string{"ARG FLAVOUR=-musl\nFROM busybox:1${FLAVOUR}\n", "FROM --platform=$BUILDPLATFORM busybox\n", "FROM busybox-$TARGETARCH\n"}},
		"WorkdirRelativePath": {"", map[string]string{
			"FROM busybox\nWORKDIR srv/www\n": "2 Relative workdir \"srv/www\" can have unexpected results if the base image changes",
			"FROM scratch\nWORKDIR www\n":     "2 Relative workdir \"www\" can have unexpected results if the base image changes",
		}, []string{"FROM busybox\nWORKDIR /srv\nWORKDIR www\n", "FROM busybox AS a\nWORKDIR /srv\nFROM a\nWORKDIR www\n", "FROM busybox\nARG D=/srv\nWORKDIR $D/www\n"}},
		"UndefinedVar": {"", map[string]string{
			"FROM busybox\nCOPY $what /\n":                                 "2 Usage of undefined variable '$what'",
			"FROM busybox\nENV PATH=/opt/bin:$PAHT\n":                      "2 Usage of undefined variable '$PAHT' (did you mean $PATH?)",
			"FROM busybox\nARG VERSION=$none\n":                            "2 Usage of undefined variable '$none'",
			"FROM busybox\nCOPY $foo .\nARG foo=bar\n":                     "2 Usage of undefined variable '$foo'",
			"ARG outer=1\nFROM busybox\nLABEL v=$outer\n":                  "3 Usage of undefined variable '$outer'",
			"FROM busybox AS a\nARG mine=1\nFROM busybox\nUSER $mine\n":    "4 Usage of undefined variable '$mine'",
			"FROM busybox\nENV P=$http_proxy\n":                            "2 Usage of undefined variable '$http_proxy'",
			"FROM busybox\nENV one=1 two=$one\n":                           "2 Usage of undefined variable '$one'",
			"FROM busybox\nCOPY <<EOF /f\n$here\nEOF\n":                    "2 Usage of undefined variable '$here'",
			"FROM busybox\nRUN --mount=type=cache,target=/c/$where true\n": "2 Usage of undefined variable '$where'",
			"FROM scratch\nCOPY ${BASE_VERSION} /\n":                       "2 Usage of undefined variable '$BASE_VERSION'",
		}, []string{
			"FROM busybox\nARG what\nCOPY $what /\n", "FROM busybox\nARG V=$BASE_VERSION\n", "FROM busybox\nENV PATH=/opt/bin:$PATH\n", "FROM scratch\nENV PATH=/opt/bin:$PATH\n",
			"FROM busybox\nRUN echo $what\nCMD [\"$what\"]\nENTRYPOINT [\"$what\"]\n", "FROM busybox AS a\nENV mine=1\nFROM a\nUSER $mine\n",
			"ARG outer=1\nFROM busybox\nARG outer\nLABEL v=$outer\n", "FROM busybox\nCOPY '$what' \\$what /d/\n", "FROM busybox\nCOPY <<'EOF' /f\n$here\nEOF\n",
			"FROM busybox\nARG TARGETARCH\nCOPY x-$TARGETARCH /\n", "FROM busybox AS a\nARG mine=1\nFROM a\nUSER $mine\n",
		}},
		"MultipleInstructionsDisallowed": {"", map[string]string{
			"FROM busybox\nCMD [\"a\"]\nCMD [\"b\"]\n":               "2 Multiple CMD instructions should not be used in the same stage because only the last one will be used",
			"FROM busybox\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]\n": "2 Multiple ENTRYPOINT instructions should not be used in the same stage because only the last one will be used",
			"FROM busybox\nHEALTHCHECK CMD a\nHEALTHCHECK NONE\n":    "2 Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used",
		}, []string{"FROM busybox\nHEALTHCHECK CMD a\nCMD [\"a\"]\nENTRYPOINT [\"a\"]\n", "FROM busybox AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\n"}},
		"LegacyKeyValueFormat": {"", map[string]string{
			"FROM busybox\nENV colour blue green\n":     "2 \"ENV key=value\" should be used instead of legacy \"ENV key value\" format",
			"FROM busybox\nlabel colour blue\n":         "2 \"label key=value\" should be used instead of legacy \"label key value\" format",
			"FROM busybox\nENV TOOLS \\\n  a \\\n  b\n": "2 \"ENV key=value\" should be used instead of legacy \"ENV key value\" format",
		}, []string{"FROM busybox\nENV colour=\"blue green\" other=red\n", "FROM busybox\nENV TOOLS=\"\\\n  a\"\n", "FROM busybox\nENV e=\n", "FROM busybox\nLABEL \"a b\"=c\n"}},
		"InvalidBaseImagePlatform": {"", map[string]string{
			"FROM only-arm\n": "1 Base image only-arm was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build",
		}, []string{"FROM busybox\n", "FROM --platform=$BUILDPLATFORM busybox\n"}},
		"RedundantTargetPlatform": {"", map[string]string{
			"FROM --platform=$TARGETPLATFORM busybox\n":          "1 Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
			"FROM --platform=${TARGETPLATFORM} busybox\n":        "1 Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior",
			"FROM --platform=${TARGETPLATFORM:-linux} busybox\n": "1 Setting platform to predefined ${TARGETPLATFORM:-linux} in FROM is redundant as this is the default behavior",
		}, []string{"FROM busybox\n", "FROM --platform=$BUILDPLATFORM busybox\n", "FROM --platform=linux/$TARGETARCH busybox\n"}},
		"SecretsUsedInArgOrEnv": {"", map[string]string{
			"FROM busybox\nARG DEPLOY_TOKEN\n":                 "2 Do not use ARG or ENV instructions for sensitive data (ARG \"DEPLOY_TOKEN\")",
			"FROM busybox\nENV db_password=x\n":                "2 Do not use ARG or ENV instructions for sensitive data (ENV \"db_password\")",
			"FROM busybox\nARG A\nARG AWS_SECRET_ACCESS_KEY\n": "3 Do not use ARG or ENV instructions for sensitive data (ARG \"AWS_SECRET_ACCESS_KEY\")",
		}, []string{"FROM busybox\nENV PUBLIC_KEY=x KEYBOARD=de TOKENIZER=a AUTHOR=me SECRET_PASSWORD_FILE=/run/secrets/x\n", "FROM busybox\nRUN --mount=type=secret,id=token,env=TOKEN true\n"}},
		"InvalidDefaultArgInFrom": {"", map[string]string{
			"ARG TAG\nFROM alpine:${TAG}\n": "2 Default value for ARG alpine:${TAG} results in empty or invalid base image name",
			"ARG BOX\nFROM $BOX\n":          "2 Default value for ARG $BOX results in empty or invalid base image name",
			"ARG A=${B}\nFROM $A\n":         "2 Default value for ARG $A results in empty or invalid base image name",
		}, []string{"ARG TAG=1\nFROM alpine:${TAG}\n", "ARG EXTRA\nFROM alpine:3${EXTRA}\n", "ARG TAG\nFROM alpine:${TAG:-3}\n", "ARG R=localhost:5000/a/b__c\nARG V=$R\nFROM $V:V1.2@sha256:" + strings.Repeat("0", 64) + "\n"}},
		"FromPlatformFlagConstDisallowed": {"", map[string]string{
			"FROM --platform=linux/arm64 busybox\n":         "1 FROM --platform flag should not use constant value \"linux/arm64\"",
			"FROM --platform=linux/arm64 busybox AS base\n": "1 FROM --platform flag should not use constant value \"linux/arm64\"",
		}, []string{"FROM busybox\n", "FROM --platform=$BUILDPLATFORM busybox\n", "FROM --platform=linux/arm64 busybox AS base-arm64\n", "FROM --platform=linux/arm64 busybox AS linux\n"}},
		"CopyIgnoredFile": {"", map[string]string{
			"FROM busybox\nCOPY a ./tmp/x /\n":            "2 Attempting to Copy file \"tmp/x\" that is excluded by .dockerignore",
			"FROM busybox\nADD secret.txt /\n":            "2 Attempting to Add file \"secret.txt\" that is excluded by .dockerignore",
			"FROM busybox\nARG n=secret\nCOPY $n.txt /\n": "3 Attempting to Copy file \"secret.txt\" that is excluded by .dockerignore",
		}, []string{
			"FROM busybox\nCOPY other.txt some /d/\n", "FROM busybox AS a\nFROM a\nCOPY --from=a secret.txt /\n", "FROM busybox\nCOPY . /\n", "FROM busybox\nCOPY tmp* /\n",
			"FROM busybox\nADD https://example.com/secret.txt /\n", "FROM busybox\nCOPY <<tmp /x\na\ntmp\n",
		}},
		"InvalidDefinitionDescription": {"experimental=InvalidDefinitionDescription", map[string]string{
			"# something else\nFROM busybox AS tools\n":         "2 Comment for FROM should follow the format: `# tools <description>`",
			"# something else\nARG COLOUR=blue\nFROM busybox\n": "2 Comment for ARG should follow the format: `# COLOUR <description>`",
		}, []string{"# tools are all that is needed\nFROM busybox AS tools\n# COLOUR is of the walls\nARG COLOUR=blue\n", "# something else\n#\nFROM busybox AS tools\n", "# something else\nFROM busybox\n"}},
		"ExposeProtoCasing": {"", map[string]string{
			"FROM busybox\nEXPOSE 53/Udp\n": "2 Defined protocol '53/Udp' in EXPOSE instruction should be lowercase",
		}, []string{"FROM busybox\nEXPOSE 53/udp 80-90/tcp 22\n"}},
		"ExposeInvalidFormat": {"", map[string]string{
			"FROM busybox\nEXPOSE 8080:80\n":         "2 EXPOSE instruction should not define an IP address or host-port mapping, found '8080:80'",
			"FROM busybox\nEXPOSE 127.0.0.1:80:80\n": "2 EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
		}, []string{"FROM busybox\nEXPOSE 80 53/udp\n"}},
		"AptGetUpdateAlone": {"", map[string]string{
			"FROM debian\nRUN apt-get update\nRUN apt-get install -y curl\n":  "2 " + ruleAptGetUpdateAlone.Format(),
			"FROM debian\nRUN set -e; apt -qq update && rm -rf /x\n":          "2 " + ruleAptGetUpdateAlone.Format(),
			"FROM debian\nRUN [\"sh\", \"-c\", \"apt-get -y update\"]\n":      "2 " + ruleAptGetUpdateAlone.Format(),
			"FROM debian\nRUN <<EOF\nDEBIAN_FRONTEND=x apt-get update\nEOF\n": "2 " + ruleAptGetUpdateAlone.Format(),
		}, []string{
			"FROM debian\nRUN apt-get update && apt-get install -y curl\n", "FROM debian\nRUN <<EOF\napt-get update\napt-get install -y curl\nEOF\n", "FROM debian\nRUN apt-get update && ./install.sh\n",
			"FROM debian\nRUN apt-get install update\n", "FROM debian\nRUN --mount=type=cache,target=/var/lib/apt apt-get update\n", "FROM debian\nRUN echo apt-get update\n",
		}},
		"CopyFromWorkdir": {"", map[string]string{
			"FROM busybox AS made\nWORKDIR /app\nFROM scratch\nCOPY --from=made dist/x /\n":       "4 COPY --from=made dist/x copies /dist/x: sources are relative to the root of the stage, not to its WORKDIR /app (did you mean /app/dist/x?)",
			"FROM busybox\nWORKDIR /app\nFROM scratch\nCOPY --from=0 . /\n":                       "4 COPY --from=0 . copies /: sources are relative to the root of the stage, not to its WORKDIR /app (did you mean /app?)",
			"FROM busybox AS a\nWORKDIR /app\nFROM a AS b\nFROM scratch\nCOPY --from=b apple /\n": "5 COPY --from=b apple copies /apple: sources are relative to the root of the stage, not to its WORKDIR /app (did you mean /app/apple?)",
		}, []string{
			"FROM busybox AS made\nWORKDIR /app\nFROM scratch\nCOPY --from=made /dist app/x app /d/\n", "FROM busybox AS made\nFROM scratch\nCOPY --from=made dist /\n",
			"FROM busybox AS made\nWORKDIR /\nFROM scratch\nCOPY --from=made dist /\n", "FROM scratch\nCOPY --from=busybox bin /\n",
		}},
		"CdAlone": {"", map[string]string{
			"FROM busybox\nRUN cd /app\n":              "2 cd affects only this RUN: the next instruction starts in the WORKDIR again. Write WORKDIR /app",
			"FROM busybox\nRUN mkdir a && \\\n cd a\n": "2 cd affects only this RUN: the next instruction starts in the WORKDIR again. Write WORKDIR a",
		}, []string{"FROM busybox\nRUN cd /app && make\n", "FROM busybox\nRUN (cd /app)\n", "FROM busybox\nRUN [\"cd\", \"/app\"]\n", "FROM busybox\nWORKDIR /app\n"}},
		"ExecFormQuotes": {"", map[string]string{
			"FROM busybox\nCMD ['a', 'b c']\n":                      `2 This list is read as plain text, not as JSON, because its quotes are not ". Write CMD ["a", "b c"]`,
			"FROM busybox\nRUN [“a”]\n":                             `2 This list is read as plain text, not as JSON, because its quotes are not ". Write RUN ["a"]`,
			"FROM busybox\nENTRYPOINT [\"a\", “b”]\n":               `2 This list is read as plain text, not as JSON, because its quotes are not ". Write ENTRYPOINT ["a", "b"]`,
			"FROM busybox\nCOPY --chown=1 ['a', '/b']\nWORKDIR /\n": `2 This list is read as plain text, not as JSON, because its quotes are not ". Write COPY ["a", "/b"]`,
		}, []string{"FROM busybox\nCMD [\"it's\"]\n", "FROM busybox\nRUN [ -f 'a' ]\n", "FROM busybox\nRUN [ 'a' = b ] && echo [x]\n", "FROM busybox\nCOPY [a-z] /\n"}},
		"EntrypointAndCmd": {"", map[string]string{
			"FROM busybox\nENTRYPOINT a b\nCMD [\"c\"]\n":      `2 ENTRYPOINT is in shell form, so CMD and the arguments to run do not reach its program. Write ENTRYPOINT ["a", "b"]`,
			"FROM busybox\nCMD c $D\nENTRYPOINT [\"a\"]\n":     `2 CMD is in shell form, so ENTRYPOINT receives /bin/sh, -c and the command as arguments. Write CMD ["/bin/sh", "-c", "exec c $D"]`,
			"FROM busybox\nENTRYPOINT [\"a\"]\nCMD c\nRUN d\n": `3 CMD is in shell form, so ENTRYPOINT receives /bin/sh, -c and the command as arguments. Write CMD ["c"]`,
		}, []string{"FROM busybox\nENTRYPOINT [\"a\"]\nCMD [\"c\"]\n", "FROM busybox\nENTRYPOINT a\n", "FROM busybox\nENTRYPOINT a\nENTRYPOINT [\"a\"]\nCMD [\"c\"]\n"}},
		"CopyOverInstalled": {"", map[string]string{
			"FROM node\nCOPY package.json ./\nRUN npm install\nCOPY . .\n": "4 This copies node_modules from the context over the packages that npm install installed, possibly those of another system. Add node_modules to .dockerignore",
			"FROM node\nRUN cd /app && yarn && yarn build\nCOPY ./ /app\n": "3 This copies node_modules from the context over the packages that yarn installed, possibly those of another system. Add node_modules to .dockerignore",
			"FROM node\nRUN npm ci --omit=dev\nCOPY --chown=1 a . /app/\n": "3 This copies node_modules from the context over the packages that npm ci installed, possibly those of another system. Add node_modules to .dockerignore",
		}, []string{
			"FROM node\nCOPY . .\nRUN npm install\n", "FROM node\nRUN npm install\nCOPY src ./src\n", "FROM node AS a\nRUN npm install\nFROM node\nCOPY . .\n",
			"FROM node\nRUN composer install\nCOPY . .\n", "FROM node\nRUN echo npm install\nCOPY . .\n",
		}},
		"SourceOutsideContext": {"", map[string]string{
			"FROM busybox\nCOPY ../a /\n":       "2 ../a is /a in the context, because .. does not leave it. Use the parent directory as the context (minirun build -f DIR/Dockerfile ..), or --build-context",
			"FROM busybox\nADD x/../../a b /\n": "2 x/../../a is /a in the context, because .. does not leave it. Use the parent directory as the context (minirun build -f DIR/Dockerfile ..), or --build-context",
		}, []string{"FROM busybox\nCOPY a/../b /\n", "FROM busybox\nCOPY --from=x ../a /\n", "FROM busybox\nCOPY ..a /\n"}},
		"WindowsLineEnds": {"", map[string]string{
			"FROM busybox\r\nRUN <<E\r\ntrue\r\nE\r\n":     "2 This here-document has Windows line endings (CRLF), and so will the file or script created from it. Convert the Dockerfile (dos2unix; in git: Dockerfile text eol=lf in .gitattributes)",
			"FROM busybox\r\nCOPY <<E /a\r\ntrue\r\nE\r\n": "2 This here-document has Windows line endings (CRLF), and so will the file or script created from it. Convert the Dockerfile (dos2unix; in git: Dockerfile text eol=lf in .gitattributes)",
		}, []string{"FROM busybox\r\nRUN true && \\\r\n false\r\n", "FROM busybox\nRUN <<E\ntrue\nE\n"}},
	} {
		t.Run(rule, func(t *testing.T) {
			o := known()
			o.BuildArgs = map[string]string{Argument: c.check}
			of := func(text string) (out []string) {
				for _, f := range findings(t, text, o) {
					line, rest, _ := strings.Cut(f, " ")
					if name, detail, _ := strings.Cut(rest, " "); name == rule {
						out = append(out, line+" "+detail)
					}
				}
				return out
			}
			for text, want := range c.bad {
				if got := of(text); len(got) != 1 || got[0] != want {
					t.Errorf("%q:\ngot  %q\nwant %q", text, got, want)
				}
			}
			for _, text := range c.good {
				if got := of(text); len(got) != 0 {
					t.Errorf("%q: %q", text, got)
				}
			}
			if c.check != "" {
				return // naming an experimental rule takes precedence over skipping it
			}
			o.BuildArgs = map[string]string{Argument: "skip=" + rule}
			for text := range c.bad {
				if got := of(text); len(got) != 0 {
					t.Errorf("skipped, and yet %q", got)
				}
			}
		})
	}
}

// TestDirectives: "# check=" and comments.
func TestDirectives(t *testing.T) {
	for text, want := range map[string]string{
		"FROM a\nCMD b\n": "JSONArgsRecommended",
		"# check=skip=JSONArgsRecommended\nFROM a\nCMD b\n":                                    "",
		"# check=skip=StageNameCasing,JSONArgsRecommended\nFROM a AS B\nCMD b\n":               "",
		"# check=skip=all\nFROM a AS B\nCMD b\n":                                               "",
		"# check=error=true\nFROM a\nCMD b\n":                                                  "JSONArgsRecommended, lint violation found for rules: JSONArgsRecommended",
		"# check=skip=JSONArgsRecommended;error=true\nFROM a\nCMD b\n":                         "",
		"# check=error=true\nFROM a\n":                                                         "",
		"FROM a\n# check=skip=JSONArgsRecommended\nCMD b\n":                                    "",
		"FROM a\n# check=skip=JSONArgsRecommended\nRUN b\nCMD b\n":                             "JSONArgsRecommended",
		"# check=experimental=all\n# words\nFROM a AS b\n":                                     "InvalidDefinitionDescription",
		"# check=experimental=InvalidDefinitionDescription;error=true\n# words\nFROM a AS b\n": "InvalidDefinitionDescription, lint violation found for rules: InvalidDefinitionDescription",
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
		{"FROM a\n", map[string]string{Argument: "error=perhaps"}, "--build-arg BUILDKIT_DOCKERFILE_CHECK=error=perhaps"},
	} {
		if _, err := Check([]byte(c.text), Options{BuildArgs: c.args}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %q: %v", c.text, c.args, err)
		}
	}
}

func TestExecForm(t *testing.T) {
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

// TestErrors: the error with which a build would fail, and the findings before it.
func TestErrors(t *testing.T) {
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

// TestTarget: stages that the target does not need are not checked.
func TestTarget(t *testing.T) {
	const text = "FROM a AS base\nCMD 1\nFROM a AS copied\nCMD 2\nFROM a AS mounted\nCMD 3\nFROM a AS other\nCMD 4\nFROM base AS t\nCOPY --from=copied x y\nRUN --mount=from=mounted,target=/m true\nCMD 5\nFROM a\nCMD 6\n"
	for target, want := range map[string]string{"": "2 4 6 8 12 14", "t": "2 4 6 12", "other": "8", "3": "8", "base": "2"} {
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

// TestUnknownBase: variables of an unknown image.
func TestUnknownBase(t *testing.T) {
	got := findings(t, "FROM a\nENV VERSION=1\nCOPY $MODULE $VERSON /d/\nLABEL a=$PAHT\n", Options{})
	want := "3 UndefinedVar Usage of undefined variable '$VERSON' (did you mean $VERSION?)\n4 UndefinedVar Usage of undefined variable '$PAHT' (did you mean $PATH?)"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// TestBuildArgs: a value from --build-arg does not count as a default.
func TestBuildArgs(t *testing.T) {
	o := Options{BuildArgs: map[string]string{"TAG": "3"}}
	if got := findings(t, "ARG TAG\nFROM a:$TAG\n", o); len(got) != 1 || !strings.Contains(got[0], "InvalidDefaultArgInFrom") {
		t.Errorf("%q", got)
	}
	o.BuildArgs["DIR"] = "/x"
	if got := findings(t, "FROM a\nARG DIR\nWORKDIR $DIR/y\n", o); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

const printed = `FROM alpine AS Builder
WORKDIR /app

RUN apt-get update
FROM scratch
COPY --from=builder \
     dist /
CMD run
`

func TestPrint(t *testing.T) {
	for name, text := range map[string]string{"findings": printed, "none": "FROM scratch\nCOPY a /\n", "broken": "FROM a AS B\nFROO b\n", "failed": "# check=error=true\nFROM a\nCMD b\n"} {
		for _, format := range []string{"text", "json"} {
			r, err := Check([]byte(text), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := r.Print(&out, format); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+"."+format)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("%s: got\n%s\nwant\n%s", golden, out.Bytes(), want)
			}
			if format == "json" && !json.Valid(out.Bytes()) {
				t.Errorf("%s: not JSON", golden)
			}
		}
	}
	r, _ := Check([]byte("FROM a\n"), Options{})
	if err := r.Print(io.Discard, "xml"); err == nil {
		t.Error("xml is a format")
	}
}

// FuzzCheck: no text causes a panic, and all lines are within the text.
func FuzzCheck(f *testing.F) {
	f.Add(printed)
	f.Add("ARG A=$B\nFROM --platform=$C ${A:-x} AS y\nCOPY <<E /\n$z\nE\nENV a $b\nWORKDIR x\nEXPOSE 1:2/T\nONBUILD CMD a\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Check([]byte(text), known())
		if err != nil {
			return
		}
		n := strings.Count(text, "\n") + 1
		for _, w := range r.Warnings {
			if w.Line() < 0 || w.Line() > w.last() || w.last() > n || w.Rule == "" || w.Detail == "" {
				t.Errorf("%+v of %d lines", w, n)
			}
		}
		for _, format := range []string{"text", "json"} {
			if err := r.Print(io.Discard, format); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestBomb: variables that double in size with each line do not use up all memory.
func TestBomb(t *testing.T) {
	text := "FROM base\nENV A=aaaaaaaaaaaaaaaa\n" + strings.Repeat("ENV A=$A$A\n", 64)
	if _, err := Check([]byte(text), Options{}); err != nil {
		t.Fatal(err)
	}
}
