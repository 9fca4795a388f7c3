package lint

import (
	"strings"
	"testing"
)

// TestRulesFindAndPass has, for each rule, Dockerfiles with a finding, with its line, and some without.
// Every rule of BuildKit, and each of our own, is here.
func TestRulesFindAndPass(t *testing.T) {
	aptAdvice := ruleAptGetUpdateAlone.Format() + "\nhint: write RUN apt-get update && apt-get install …"
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
			"FROM busybox\nrun true\nCOPY a b\n": "2 Command 'run' should match the case of the command majority " +
				"(uppercase)",
			"from busybox\nrun true\nCopy a b\n": "3 Command 'Copy' should match the case of the command majority " +
				"(lowercase)",
			"FROM busybox\nrun true\n": "2 Command 'run' should match the case of the command majority " +
				"(uppercase)",
			"from busybox\nRUN true\n": "1 Command 'from' should match the case of the command majority " +
				"(uppercase)",
		}, []string{"FROM busybox\nRUN true\n", "from busybox\nrun true\n"}},
		"DuplicateStageName": {"", map[string]string{
			"FROM busybox AS one\nFROM alpine AS one\n": "2 Duplicate stage name \"one\", stage names should be unique",
		}, []string{"FROM busybox AS one\nFROM alpine AS two\n", "FROM busybox\nFROM alpine\n"}},
		"ReservedStageName": {"", map[string]string{
			"FROM busybox AS scratch\n": "1 Stage name should not use the same name as reserved stage \"scratch\"",
			"FROM busybox AS context\n": "1 Stage name should not use the same name as reserved stage \"context\"",
		}, []string{"FROM busybox AS scratchpad\n", "FROM scratch\nCOPY a /\n"}},
		"JSONArgsRecommended": {"", map[string]string{
			"FROM busybox\nCMD serve --all\n": "2 JSON arguments recommended for CMD to " +
				"prevent unintended behavior related to OS signals",
			"FROM busybox AS a\nFROM a\nENTRYPOINT serve --all\n": "3 JSON arguments recommended for ENTRYPOINT to " +
				"prevent unintended behavior related to OS signals",
		}, []string{
			"FROM busybox\nCMD [\"serve\", \"--all\"]\n", "FROM busybox\nSHELL [\"/bin/ash\", \"-ec\"]\nCMD serve\n",
			"FROM busybox AS a\nSHELL [\"/bin/ash\", \"-ec\"]\nFROM a\nCMD serve\n",
			"FROM busybox\nHEALTHCHECK CMD true\n",
		}},
		"MaintainerDeprecated": {"", map[string]string{
			"FROM busybox\nMAINTAINER me@example.com\n": "2 Maintainer instruction is deprecated in favor of using " +
				"label",
		}, []string{"FROM busybox\nLABEL org.opencontainers.image.authors=\"me@example.com\"\n"}},
		"UndefinedArgInFrom": {"", map[string]string{
			"FROM busybox:1${FLAVOUR}\n": "1 FROM argument 'FLAVOUR' is not declared",
			"FROM --platform=$BULIDPLATFORM busybox\n": "1 FROM argument 'BULIDPLATFORM' is not " +
				"declared (did you mean BUILDPLATFORM?)",
			"ARG BOX_NAME=busybox\nFROM ${BOXNAME:-busybox}\n": "2 FROM argument 'BOXNAME' is not declared " +
				"(did you mean BOX_NAME?)",
			"FROM busybox AS a\nARG LATE=1\nFROM busybox:1${LATE}\n": "3 FROM argument 'LATE' is not declared",
		}, []string{"ARG FLAVOUR=-musl\nFROM busybox:1${FLAVOUR}\n", "FROM --platform=$BUILDPLATFORM busybox\n",
			"FROM busybox-$TARGETARCH\n"}},
		"WorkdirRelativePath": {"", map[string]string{
			"FROM busybox\nWORKDIR srv/www\n": "2 Relative workdir \"srv/www\" can have unexpected results if the " +
				"base image changes",
			"FROM scratch\nWORKDIR www\n": "2 Relative workdir \"www\" can have unexpected results if the base " +
				"image changes",
		}, []string{"FROM busybox\nWORKDIR /srv\nWORKDIR www\n",
			"FROM busybox AS a\nWORKDIR /srv\nFROM a\nWORKDIR www\n", "FROM busybox\nARG D=/srv\nWORKDIR $D/www\n"}},
		"UndefinedVar": {"", map[string]string{
			"FROM busybox\nCOPY $what /\n": "2 Usage of undefined variable '$what'",
			"FROM busybox\nENV PATH=/opt/bin:$PAHT\n": "2 Usage of undefined variable '$PAHT' " +
				"(did you mean $PATH?)",
			"FROM busybox\nARG VERSION=$none\n":                         "2 Usage of undefined variable '$none'",
			"FROM busybox\nCOPY $foo .\nARG foo=bar\n":                  "2 Usage of undefined variable '$foo'",
			"ARG outer=1\nFROM busybox\nLABEL v=$outer\n":               "3 Usage of undefined variable '$outer'",
			"FROM busybox AS a\nARG mine=1\nFROM busybox\nUSER $mine\n": "4 Usage of undefined variable '$mine'",
			"FROM busybox\nENV P=$http_proxy\n": "2 Usage of undefined variable " +
				"'$http_proxy'",
			"FROM busybox\nENV one=1 two=$one\n":                           "2 Usage of undefined variable '$one'",
			"FROM busybox\nCOPY <<EOF /f\n$here\nEOF\n":                    "2 Usage of undefined variable '$here'",
			"FROM busybox\nRUN --mount=type=cache,target=/c/$where true\n": "2 Usage of undefined variable '$where'",
			"FROM scratch\nCOPY ${BASE_VERSION} /\n": "2 Usage of undefined variable " +
				"'$BASE_VERSION'",
		}, []string{
			"FROM busybox\nARG what\nCOPY $what /\n", "FROM busybox\nARG V=$BASE_VERSION\n",
			"FROM busybox\nENV PATH=/opt/bin:$PATH\n", "FROM scratch\nENV PATH=/opt/bin:$PATH\n",
			"FROM busybox\nRUN echo $what\nCMD [\"$what\"]\nENTRYPOINT [\"$what\"]\n",
			"FROM busybox AS a\nENV mine=1\nFROM a\nUSER $mine\n",
			"ARG outer=1\nFROM busybox\nARG outer\nLABEL v=$outer\n", "FROM busybox\nCOPY '$what' \\$what /d/\n",
			"FROM busybox\nCOPY <<'EOF' /f\n$here\nEOF\n",
			"FROM busybox\nARG TARGETARCH\nCOPY x-$TARGETARCH /\n",
			"FROM busybox AS a\nARG mine=1\nFROM a\nUSER $mine\n",
		}},
		"MultipleInstructionsDisallowed": {"", map[string]string{
			"FROM busybox\nCMD [\"a\"]\nCMD [\"b\"]\n": "2 Multiple CMD instructions should not be used in the " +
				"same stage because only the last one will " +
				"be used",
			"FROM busybox\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]\n": "2 Multiple ENTRYPOINT instructions should " +
				"not be used in the same stage because only the last one " +
				"will be used",
			"FROM busybox\nHEALTHCHECK CMD a\nHEALTHCHECK NONE\n": "2 Multiple HEALTHCHECK instructions should not " +
				"be used in the same stage because only the last " +
				"one will be used",
		}, []string{"FROM busybox\nHEALTHCHECK CMD a\nCMD [\"a\"]\nENTRYPOINT [\"a\"]\n",
			"FROM busybox AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\n"}},
		"LegacyKeyValueFormat": {"", map[string]string{
			"FROM busybox\nENV colour blue green\n": "2 \"ENV key=value\" should be used instead of legacy " +
				"\"ENV key value\" format",
			"FROM busybox\nlabel colour blue\n": "2 \"label key=value\" should be used instead of legacy " +
				"\"label key value\" format",
			"FROM busybox\nENV TOOLS \\\n  a \\\n  b\n": "2 \"ENV key=value\" should be used instead of legacy " +
				"\"ENV key value\" format",
		}, []string{"FROM busybox\nENV colour=\"blue green\" other=red\n", "FROM busybox\nENV TOOLS=\"\\\n  a\"\n",
			"FROM busybox\nENV e=\n", "FROM busybox\nLABEL \"a b\"=c\n"}},
		"InvalidBaseImagePlatform": {"", map[string]string{
			"FROM only-arm\n": "1 Base image only-arm was pulled with platform \"linux/arm64\", expected " +
				"\"linux/amd64\" for current build",
		}, []string{"FROM busybox\n", "FROM --platform=$BUILDPLATFORM busybox\n"}},
		"RedundantTargetPlatform": {"", map[string]string{
			"FROM --platform=$TARGETPLATFORM busybox\n": "1 Setting platform to predefined $TARGETPLATFORM in FROM " +
				"is redundant as this is the default behavior",
			"FROM --platform=${TARGETPLATFORM} busybox\n": "1 Setting platform to predefined ${TARGETPLATFORM} in " +
				"FROM is redundant as this is the default " +
				"behavior",
			"FROM --platform=${TARGETPLATFORM:-linux} busybox\n": "1 Setting platform to predefined " +
				"${TARGETPLATFORM:-linux} in FROM is redundant as this is the " +
				"default behavior",
		}, []string{"FROM busybox\n", "FROM --platform=$BUILDPLATFORM busybox\n",
			"FROM --platform=linux/$TARGETARCH busybox\n"}},
		"SecretsUsedInArgOrEnv": {"", map[string]string{
			"FROM busybox\nARG DEPLOY_TOKEN\n": "2 Do not use ARG or ENV instructions for " +
				"sensitive data (ARG \"DEPLOY_TOKEN\")",
			"FROM busybox\nENV db_password=x\n": "2 Do not use ARG or ENV instructions for " +
				"sensitive data (ENV \"db_password\")",
			"FROM busybox\nARG A\nARG AWS_SECRET_ACCESS_KEY\n": "3 Do not use ARG or ENV instructions for " +
				"sensitive data (ARG \"AWS_SECRET_ACCESS_KEY\")",
		}, []string{"FROM busybox\nENV PUBLIC_KEY=x KEYBOARD=de TOKENIZER=a AUTHOR=me " +
			"SECRET_PASSWORD_FILE=/run/secrets/x\n",
			"FROM busybox\nRUN --mount=type=secret,id=token,env=TOKEN true\n"}},
		"InvalidDefaultArgInFrom": {"", map[string]string{
			"ARG TAG\nFROM alpine:${TAG}\n": "2 Default value for ARG alpine:${TAG} results in empty or invalid " +
				"base image name",
			"ARG BOX\nFROM $BOX\n":  "2 Default value for ARG $BOX results in empty or invalid base image name",
			"ARG A=${B}\nFROM $A\n": "2 Default value for ARG $A results in empty or invalid base image name",
		}, []string{"ARG TAG=1\nFROM alpine:${TAG}\n", "ARG EXTRA\nFROM alpine:3${EXTRA}\n",
			"ARG TAG\nFROM alpine:${TAG:-3}\n", "ARG R=localhost:5000/a/b__c\nARG V=$R\nFROM $V:V1.2@sha256:" +
				strings.Repeat("0", 64) + "\n"}},
		"FromPlatformFlagConstDisallowed": {"", map[string]string{
			"FROM --platform=linux/arm64 busybox\n": "1 FROM --platform flag should not use constant value " +
				"\"linux/arm64\"",
			"FROM --platform=linux/arm64 busybox AS base\n": "1 FROM --platform flag should not use constant value " +
				"\"linux/arm64\"",
		}, []string{"FROM busybox\n", "FROM --platform=$BUILDPLATFORM busybox\n",
			"FROM --platform=linux/arm64 busybox AS base-arm64\n", "FROM --platform=linux/arm64 busybox AS linux\n"}},
		"CopyIgnoredFile": {"", map[string]string{
			"FROM busybox\nCOPY a ./tmp/x /\n": "2 Attempting to Copy file \"tmp/x\" that is excluded " +
				"by .dockerignore",
			"FROM busybox\nADD secret.txt /\n": "2 Attempting to Add file \"secret.txt\" that is " +
				"excluded by .dockerignore",
			"FROM busybox\nARG n=secret\nCOPY $n.txt /\n": "3 Attempting to Copy file \"secret.txt\" that is " +
				"excluded by .dockerignore",
		}, []string{
			"FROM busybox\nCOPY other.txt some /d/\n", "FROM busybox AS a\nFROM a\nCOPY --from=a secret.txt /\n",
			"FROM busybox\nCOPY . /\n", "FROM busybox\nCOPY tmp* /\n",
			"FROM busybox\nADD https://example.com/secret.txt /\n", "FROM busybox\nCOPY <<tmp /x\na\ntmp\n",
		}},
		"InvalidDefinitionDescription": {"experimental=InvalidDefinitionDescription", map[string]string{
			"# something else\nFROM busybox AS tools\n": "2 Comment for FROM should follow the format: `# " +
				"tools <description>`",
			"# something else\nARG COLOUR=blue\nFROM busybox\n": "2 Comment for ARG should follow the format: `# " +
				"COLOUR <description>`",
		}, []string{"# tools are all that is needed\nFROM busybox AS tools\n# COLOUR is of the walls\n" +
			"ARG COLOUR=blue\n", "# something else\n#\nFROM busybox AS tools\n", "# something else\nFROM busybox\n"}},
		"ExposeProtoCasing": {"", map[string]string{
			"FROM busybox\nEXPOSE 53/Udp\n": "2 Defined protocol '53/Udp' in EXPOSE instruction should be lowercase",
		}, []string{"FROM busybox\nEXPOSE 53/udp 80-90/tcp 22\n"}},
		"ExposeInvalidFormat": {"", map[string]string{
			"FROM busybox\nEXPOSE 8080:80\n": "2 EXPOSE instruction should not define an IP address or " +
				"host-port mapping, found '8080:80'",
			"FROM busybox\nEXPOSE 127.0.0.1:80:80\n": "2 EXPOSE instruction should not define an IP address or " +
				"host-port mapping, found '127.0.0.1:80:80'",
		}, []string{"FROM busybox\nEXPOSE 80 53/udp\n"}},
		"AptGetUpdateAlone": {"", map[string]string{
			"FROM debian\nRUN apt-get update\nRUN apt-get install -y curl\n":  "2 " + aptAdvice,
			"FROM debian\nRUN set -e; apt -qq update && rm -rf /x\n":          "2 " + aptAdvice,
			"FROM debian\nRUN [\"sh\", \"-c\", \"apt-get -y update\"]\n":      "2 " + aptAdvice,
			"FROM debian\nRUN <<EOF\nDEBIAN_FRONTEND=x apt-get update\nEOF\n": "2 " + aptAdvice,
		}, []string{
			"FROM debian\nRUN apt-get update && apt-get install -y curl\n",
			"FROM debian\nRUN <<EOF\napt-get update\napt-get install -y curl\nEOF\n",
			"FROM debian\nRUN apt-get update && ./install.sh\n",
			"FROM debian\nRUN apt-get install update\n",
			"FROM debian\nRUN --mount=type=cache,target=/var/lib/apt apt-get update\n",
			"FROM debian\nRUN echo apt-get update\n",
		}},
		"CopyFromWorkdir": {"", map[string]string{
			"FROM busybox AS made\nWORKDIR /app\nFROM scratch\nCOPY --from=made dist/x /\n": "4 " +
				ruleCopyFromWorkdir.Format("dist/x", "made", "/app"),
			"FROM busybox\nWORKDIR /app\nFROM scratch\nCOPY --from=0 . /\n": "4 COPY --from=0 . copies /: sources " +
				"are relative to the root of the stage, not to its WORKDIR " +
				"/app (did you mean /app?)",
			"FROM busybox AS a\nWORKDIR /app\nFROM a AS b\nFROM scratch\nCOPY --from=b apple /\n": "5 " +
				ruleCopyFromWorkdir.Format("apple", "b", "/app"),
		}, []string{
			"FROM busybox AS made\nWORKDIR /app\nFROM scratch\nCOPY --from=made /dist app/x app /d/\n",
			"FROM busybox AS made\nFROM scratch\nCOPY --from=made dist /\n",
			"FROM busybox AS made\nWORKDIR /\nFROM scratch\nCOPY --from=made dist /\n",
			"FROM scratch\nCOPY --from=busybox bin /\n",
		}},
		"CdAlone": {"", map[string]string{
			"FROM busybox\nRUN cd /app\n":              "2 " + ruleCdAlone.Format() + "\nhint: write WORKDIR /app",
			"FROM busybox\nRUN mkdir a && \\\n cd a\n": "2 " + ruleCdAlone.Format() + "\nhint: write WORKDIR a",
		}, []string{"FROM busybox\nRUN cd /app && make\n", "FROM busybox\nRUN (cd /app)\n",
			"FROM busybox\nRUN [\"cd\", \"/app\"]\n", "FROM busybox\nWORKDIR /app\n"}},
		"ExecFormQuotes": {"", map[string]string{
			"FROM busybox\nCMD ['a', 'b c']\n":                      "2 " + ruleExecFormQuotes.Format() + "\nhint: write CMD " + `["a", "b c"]`,
			"FROM busybox\nRUN [“a”]\n":                             "2 " + ruleExecFormQuotes.Format() + "\nhint: write RUN " + `["a"]`,
			"FROM busybox\nENTRYPOINT [\"a\", “b”]\n":               "2 " + ruleExecFormQuotes.Format() + "\nhint: write ENTRYPOINT " + `["a", "b"]`,
			"FROM busybox\nCOPY --chown=1 ['a', '/b']\nWORKDIR /\n": "2 " + ruleExecFormQuotes.Format() + "\nhint: write COPY " + `["a", "/b"]`,
		}, []string{"FROM busybox\nCMD [\"it's\"]\n", "FROM busybox\nRUN [ -f 'a' ]\n",
			"FROM busybox\nRUN [ 'a' = b ] && echo [x]\n", "FROM busybox\nCOPY [a-z] /\n"}},
		"EntrypointAndCmd": {"", map[string]string{
			"FROM busybox\nENTRYPOINT a b\nCMD [\"c\"]\n": "2 ENTRYPOINT is in shell form, so CMD and the " +
				"arguments to run do not reach its program\n" +
				`hint: write ENTRYPOINT ["a", "b"]`,
			"FROM busybox\nCMD c $D\nENTRYPOINT [\"a\"]\n": "2 CMD is in shell form, so ENTRYPOINT " +
				"receives /bin/sh, -c and the command as arguments\n" + `hint: write CMD ["/bin/sh", "-c", "exec c $D"]`,
			"FROM busybox\nENTRYPOINT [\"a\"]\nCMD c\nRUN d\n": "3 CMD is in shell form, so ENTRYPOINT " +
				"receives /bin/sh, -c and the command as arguments\n" + `hint: write CMD ["c"]`,
		}, []string{"FROM busybox\nENTRYPOINT [\"a\"]\nCMD [\"c\"]\n", "FROM busybox\nENTRYPOINT a\n",
			"FROM busybox\nENTRYPOINT a\nENTRYPOINT [\"a\"]\nCMD [\"c\"]\n"}},
		"CopyOverInstalled": {"", map[string]string{
			"FROM node\nCOPY package.json ./\nRUN npm install\nCOPY . .\n": "4 " + ruleCopyOverInstalled.Format("node_modules",
				"npm install") +
				"\nhint: add node_modules to .dockerignore",
			"FROM node\nRUN cd /app && yarn && yarn build\nCOPY ./ /app\n": "3 " + ruleCopyOverInstalled.Format("node_modules",
				"yarn") +
				"\nhint: add node_modules to .dockerignore",
			"FROM node\nRUN npm ci --omit=dev\nCOPY --chown=1 a . /app/\n": "3 " + ruleCopyOverInstalled.Format("node_modules",
				"npm ci") +
				"\nhint: add node_modules to .dockerignore",
		}, []string{
			"FROM node\nCOPY . .\nRUN npm install\n", "FROM node\nRUN npm install\nCOPY src ./src\n",
			"FROM node AS a\nRUN npm install\nFROM node\nCOPY . .\n",
			"FROM node\nRUN composer install\nCOPY . .\n", "FROM node\nRUN echo npm install\nCOPY . .\n",
		}},
		"SourceOutsideContext": {"", map[string]string{
			"FROM busybox\nCOPY ../a /\n": "2 ../a is /a in the context, because .. does not leave it\n" +
				"hint: use the parent directory as the context (minirun build -f DIR/Dockerfile ..), or --build-context",
			"FROM busybox\nADD x/../../a b /\n": "2 x/../../a is /a in the context, because .. does not leave it\n" +
				"hint: use the parent directory as the context (minirun build -f DIR/Dockerfile ..), or --build-context",
		}, []string{"FROM busybox\nCOPY a/../b /\n", "FROM busybox\nCOPY --from=x ../a /\n",
			"FROM busybox\nCOPY ..a /\n"}},
		"WindowsLineEnds": {"", map[string]string{
			"FROM busybox\r\nRUN <<E\r\ntrue\r\nE\r\n": "2 " + ruleWindowsLineEnds.Format() + "\nhint: convert " +
				"the Dockerfile with dos2unix (in git: Dockerfile text eol=lf in .gitattributes)",
			"FROM busybox\r\nCOPY <<E /a\r\ntrue\r\nE\r\n": "2 " + ruleWindowsLineEnds.Format() + "\nhint: convert " +
				"the Dockerfile with dos2unix (in git: Dockerfile text eol=lf in .gitattributes)",
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
