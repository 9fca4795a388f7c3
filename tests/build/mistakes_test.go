package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A mistake is a Dockerfile with a common mistake, and the messages it must produce.
type mistake struct {
	dockerfile string
	args       []string
	ignore     string   // .dockerignore, if not the default one; "-": none
	builds     bool     // the build succeeds: the message is a warning
	says       []string // in what the build prints
	check      []string // in what --check prints
	not        []string // in the output of neither
}

// stages is a builder stage with files below its WORKDIR.
const stages = "FROM base AS builder\nWORKDIR /app\nRUN mkdir -p node_modules/x dist && touch node_modules/x/y dist/server.js package.json\nFROM base AS runner\nWORKDIR /srv\n"

var mistakes = map[string]mistake{
	"--from begins at WORKDIR: a directory": {
		dockerfile: stages + "COPY --from=builder node_modules ./\n",
		says: []string{
			`"/node_modules" not found in stage builder`, "begin at the root of stage builder, not at its WORKDIR /app",
			"\n    COPY --from=builder /app/node_modules ./node_modules\n", "Dockerfile:6, in stage runner\n", "   6 | >>> COPY --from=builder node_modules ./\n",
		},
		check: []string{"WARNING: CopyFromWorkdir", "did you mean /app/node_modules?"},
	},
	"--from begins at WORKDIR: several lines": {
		dockerfile: stages + "COPY --from=builder dist ./dist\nCOPY --from=builder node_modules .\nCOPY --from=builder /bin/sh /sh\nCOPY --from=builder package.json ./\n",
		says: []string{
			"\n    COPY --from=builder /app/dist ./dist\n    COPY --from=builder /app/node_modules ./node_modules\n    COPY --from=builder /app/package.json ./\n",
		},
		not: []string{"COPY --from=builder /bin/sh /sh\n    "},
	},
	"--from begins at WORKDIR: several sources": {
		dockerfile: stages + "COPY --from=builder --chown=app package.json dist ./\n",
		says:       []string{"\n    COPY --from=builder --chown=app /app/dist ./dist\n    COPY --from=builder --chown=app /app/package.json ./\n"},
	},
	"--from: a name misspelt":               {dockerfile: stages + "COPY --from=builder /app/nod_modules ./\n", says: []string{`"/app/nod_modules" not found in stage builder`, "hint: did you mean /app/node_modules?"}},
	"--from: a directory misspelt":          {dockerfile: stages + "COPY --from=builder /apps/node_modules ./\n", says: []string{"did you mean /app?"}},
	"--mount begins at WORKDIR":             {dockerfile: stages + "RUN --mount=from=builder,source=dist,target=/m ls /m\n", says: []string{"not at its WORKDIR /app, where the file is; write source=/app/dist"}},
	"--mount: a name misspelt":              {dockerfile: stages + "RUN --mount=from=builder,source=/app/disst,target=/m ls /m\n", says: []string{"did you mean /app/dist?"}},
	"--mount: not in the context":           {dockerfile: "FROM base\nRUN --mount=source=pakage.json,target=/m ls /m\n", says: []string{"   2 | >>> RUN", "\"/pakage.json\" not found in the context\nhint: did you mean /package.json?"}},
	"context: a name misspelt":              {dockerfile: "FROM base\nCOPY pakage.json /\n", says: []string{"\"/pakage.json\" not found in the context\nhint: did you mean /package.json?"}},
	"context: a path of the host":           {dockerfile: "FROM base\nCOPY /home/me/app.js /\n", says: []string{"sources are relative to the context, even with a leading /"}},
	"context: what is ignored":              {dockerfile: "FROM base\nCOPY secret.key /\n", says: []string{"not found in the context (.dockerignore excludes it)", "CopyIgnoredFile"}, check: []string{"WARNING: CopyIgnoredFile"}},
	"context: outside":                      {dockerfile: "FROM base\nCOPY ../x /\n", says: []string{"../x is outside the context", "minirun build -f DIR/Dockerfile .."}, check: []string{"WARNING: SourceOutsideContext"}},
	"context: outside, and there":           {dockerfile: "FROM base\nCOPY ../package.json /\n", builds: true, says: []string{"../package.json is /package.json in the context"}},
	"COPY: several without a /":             {dockerfile: "FROM base\nCOPY package.json src /app\n", says: []string{"/app is not a directory in the image"}},
	"COPY: no destination":                  {dockerfile: "FROM base\nCOPY package.json\n", says: []string{"Destination could not be determined"}},
	"COPY: a user whom nobody knows":        {dockerfile: "FROM base\nCOPY --chown=nodee package.json /\n", says: []string{`user "nodee"`, "the image's /etc/passwd"}},
	"COPY over installed packages":          {dockerfile: npm + "RUN npm install\nCOPY . .\n", builds: true, says: []string{"CopyOverInstalled"}, check: []string{"node_modules from the context, possibly for another system, over what npm install installed", "add node_modules to .dockerignore"}},
	"COPY over installed packages, ignored": {dockerfile: npm + "RUN npm install\nCOPY . .\n", ignore: "node_modules\n", builds: true, not: []string{"CopyOverInstalled"}},
	"COPY over installed packages, none is": {dockerfile: npm + "RUN npm install\nCOPY . .\n", ignore: "-", builds: true, says: []string{"CopyOverInstalled"}},
	"FROM: a stage misspelt":                {dockerfile: "FROM base AS builder\nFROM bulder\nRUN true\n", says: []string{"did you mean builder?", "   2 | >>> FROM bulder"}},
	"FROM: an image that is not here":       {dockerfile: "FROM bass:1\nRUN true\n", says: []string{"bass:1 is not in the store (minirun images), which has base:latest", "minirun load", "minirun import ROOTFS.tar bass:1"}},
	"FROM: none":                            {dockerfile: "RUN true\nFROM base\n", says: []string{"no build stage in current context\nhint: only ARG may precede the first FROM"}},
	"--from: a stage misspelt":              {dockerfile: "FROM base AS builder\nRUN true\nFROM base\nCOPY --from=bulder /etc/passwd /\n", says: []string{"--from=bulder is not a stage (did you mean builder?)"}},
	"--target: a stage misspelt":            {dockerfile: "FROM base AS builder\nFROM base\n", args: []string{"--target", "bulder"}, says: []string{"did you mean builder?", "the stages are builder, 1"}, check: []string{"did you mean builder?"}},
	"WORKDIR: relative":                     {dockerfile: "FROM base\nWORKDIR app\n", builds: true, says: []string{"1 warning found (run minirun build --check for details)", " - WorkdirRelativePath: "}, check: []string{"write WORKDIR /app"}},
	"CMD: shell form": {
		dockerfile: "FROM base\nCMD node server.js\n", builds: true, says: []string{" - JSONArgsRecommended: ", "(line 2)"},
		check: []string{"WARNING: JSONArgsRecommended", "may not forward signals", `write CMD ["node", "server.js"]`},
	},
	"CMD: shell form that needs one":      {dockerfile: "FROM base\nCMD node $APP\n", builds: true, check: []string{`write CMD ["/bin/sh", "-c", "exec node $APP"]`}},
	"CMD: shell form with quotes":         {dockerfile: "FROM base\nCMD nginx -g \"daemon off;\"\n", builds: true, check: []string{`write CMD ["nginx", "-g", "daemon off;"]`}},
	"CMD: shell form, ENTRYPOINT":         {dockerfile: "FROM base\nENTRYPOINT [\"node\"]\nCMD dist/main\n", builds: true, check: []string{"ENTRYPOINT receives /bin/sh, -c and the command as arguments", `write CMD ["dist/main"]`}},
	"ENTRYPOINT: shell form, CMD":         {dockerfile: "FROM base\nENTRYPOINT node\nCMD [\"dist/main\"]\n", builds: true, check: []string{"CMD and the arguments to run do not reach its program", `write ENTRYPOINT ["node"]`}},
	"several CMD and ENTRYPOINT":          {dockerfile: "FROM base\nCMD [\"a\"]\nCMD [\"b\"]\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]\n", builds: true, says: []string{"Multiple CMD instructions", "Multiple ENTRYPOINT instructions"}},
	"apt-get update alone":                {dockerfile: apt + "RUN apt-get update\nRUN apt-get install -y curl\n", builds: true, says: []string{"AptGetUpdateAlone"}, check: []string{"RUN apt-get update && apt-get install"}},
	"a secret in ARG":                     {dockerfile: "FROM base\nARG DB_PASSWORD\nRUN true\n", builds: true, says: []string{"SecretsUsedInArgOrEnv"}, check: []string{"in its history", "--mount=type=secret,id=db_password,env=DB_PASSWORD"}},
	"a secret in ENV":                     {dockerfile: "FROM base\nENV API_KEY=x\n", builds: true, check: []string{"in its configuration", "--secret id=api_key,src=FILE"}},
	"EXPOSE: ports of the host":           {dockerfile: "FROM base\nEXPOSE 8080:80\n", builds: true, says: []string{"ExposeInvalidFormat"}},
	"EXPOSE: a protocol":                  {dockerfile: "FROM base\nEXPOSE 80/http\n", says: []string{"must be tcp, udp or sctp"}},
	"EXPOSE: commas":                      {dockerfile: "FROM base\nEXPOSE 80,443\n", says: []string{"separate ports with spaces"}},
	"an instruction misspelt":             {dockerfile: "FROM base\nCOYP a /b\n", says: []string{"unknown instruction: COYP (did you mean COPY?)", "   2 | >>> COYP a /b"}, check: []string{"did you mean COPY?"}},
	"FROM misspelt":                       {dockerfile: "FORM base\n", says: []string{"did you mean FROM?"}},
	"a flag misspelt: COPY":               {dockerfile: "FROM base\nCOPY --form=x a b\n", says: []string{"unknown flag: --form (did you mean from?)"}},
	"a flag misspelt: RUN":                {dockerfile: "FROM base\nRUN --mont=type=cache,target=/x true\n", says: []string{"unknown flag: --mont (did you mean mount?)"}},
	"a flag misspelt: HEALTHCHECK":        {dockerfile: "FROM base\nHEALTHCHECK --intervall=3s CMD true\n", says: []string{"unknown flag: --intervall (did you mean interval?)"}},
	"a missing backslash":                 {dockerfile: "FROM base\nRUN echo a\n    echo b\n", says: []string{"unknown instruction: echo", "belongs to the instruction in line 2", "with a backslash"}, check: []string{"belongs to the instruction in line 2"}},
	"a missing backslash behind &&":       {dockerfile: "FROM base\nRUN echo a &&\necho b\n", says: []string{"belongs to the instruction in line 2"}},
	"a space behind the backslash":        {dockerfile: "FROM base\nRUN echo a && \\  \n    echo b\n", builds: true, says: []string{" b\n"}, not: []string{"warning found"}},
	"line ends of Windows":                {dockerfile: "FROM base\r\nRUN echo a && \\\r\n    echo b\r\nCMD [\"x\"]\r\n", builds: true, says: []string{" b\n"}, not: []string{"warning found", "\r"}},
	"line ends of Windows: here-document": {dockerfile: "FROM base\r\nCOPY <<E /x.sh\r\ntrue\r\nE\r\n", builds: true, says: []string{"WindowsLineEnds"}, check: []string{"dos2unix"}},
	"typographic quotes: CMD":             {dockerfile: "FROM base\nCMD [“node”, “server.js”]\n", builds: true, says: []string{"ExecFormQuotes"}, check: []string{`write CMD ["node", "server.js"]`}},
	"typographic quotes: RUN":             {dockerfile: "FROM base\nRUN [“echo”, “hi”]\n", says: []string{"looks like the exec form, but its quotes are not JSON's", `hint: write RUN ["echo", "hi"]`}},
	"single quotes: CMD":                  {dockerfile: "FROM base\nCMD ['node', 'server.js']\n", builds: true, check: []string{`write CMD ["node", "server.js"]`}},
	"single quotes: COPY":                 {dockerfile: "FROM base\nCOPY ['package.json', '/x']\n", says: []string{"its quotes are \"", `hint: write COPY ["package.json", "/x"]`}},
	"RUN cd":                              {dockerfile: "FROM base\nRUN cd /tmp\nRUN pwd\n", builds: true, says: []string{"CdAlone", " /\n"}, check: []string{"write WORKDIR /tmp"}},
	"exec form: no such program":          {dockerfile: "FROM base\nRUN [\"wgett\", \"x\"]\n", says: []string{"minirun: wgett is not in PATH", "did you mean wget?"}},
	"exec form: no such file":             {dockerfile: "FROM base\nRUN [\"/usr/local/bin/nodee\"]\n", says: []string{"minirun: /usr/local/bin/nodee is not in the image"}},
	"exec form: not executable":           {dockerfile: "FROM base\nCOPY noexec.sh /\nRUN [\"/noexec.sh\"]\n", says: []string{"minirun: /noexec.sh is not executable (mode 0644). Use RUN chmod +x /noexec.sh or COPY --chmod=755"}},
	"exec form: no interpreter":           {dockerfile: "FROM base\nCOPY bash.sh /\nRUN [\"/bash.sh\"]\n", says: []string{"/bash.sh exists, but its interpreter /bin/nosuchbash does not"}},
	"exec form: CRLF":                     {dockerfile: "FROM base\nCOPY crlf.sh /\nRUN [\"/crlf.sh\"]\n", says: []string{"/crlf.sh has Windows line endings", `the interpreter "/bin/sh\r"`}},
	"exec form: env finds nothing":        {dockerfile: "FROM base\nCOPY env.sh /\nRUN [\"/env.sh\"]\n", says: []string{"(command not found)"}},
	"exec form: a directory":              {dockerfile: "FROM base\nRUN [\"/etc\"]\n", says: []string{"/etc is a directory"}},
	"no shell":                            {dockerfile: "FROM scratch\nRUN echo hi\n", says: []string{"/bin/sh is not in the image\nhint: RUN in shell form needs a shell"}, not: []string{"--debug"}},
	"shell: not executable":               {dockerfile: "FROM base\nCOPY noexec.sh /\nRUN true && /noexec.sh\n", says: []string{"exit code: 126 (found, but it cannot be executed)\nhint: /noexec.sh is not executable (mode 0644)"}},
	"shell: no interpreter":               {dockerfile: "FROM base\nWORKDIR /w\nCOPY bash.sh .\nRUN ./bash.sh\n", says: []string{"exit code: 127 (command not found)\nhint: /w/bash.sh exists, but its interpreter /bin/nosuchbash does not"}},
	"shell: CRLF":                         {dockerfile: "FROM base\nCOPY crlf.sh /\nRUN /crlf.sh\n", says: []string{"/crlf.sh has Windows line endings"}},
	"shell: env finds nothing":            {dockerfile: "FROM base\nCOPY env.sh /\nRUN /env.sh\n", says: []string{"/env.sh exists, but nosuchpython is not in PATH"}},
	"shell: sudo":                         {dockerfile: "FROM base\nRUN X=1 sudo true\n", says: []string{"sudo is not in PATH", "RUN already runs as root"}},
	"shell: another distribution's":       {dockerfile: apt + "RUN apk add curl\n", says: []string{"apk is not in PATH", "this image has apt-get"}},
	"USER whom nobody knows":              {dockerfile: "FROM base\nUSER nodee\nRUN true\n", says: []string{`user "nodee"`, "the image's /etc/passwd"}, not: []string{"--debug"}},
	"RUN fails": {
		dockerfile: "FROM base AS one\nRUN true\nFROM base AS two\nRUN echo hello && \\\n    nosuchprogram\nRUN echo never\n",
		says: []string{
			" > [two 2/3] RUN echo hello", " hello\n", "Dockerfile:4, in stage two\n", "   3 |     FROM base AS two\n   4 | >>> RUN echo hello && \\\n   5 | >>>     nosuchprogram\n   6 |     RUN echo never\n",
			"did not complete successfully: exit code: 127 (command not found)\nhint: nosuchprogram is not in PATH", "hint: for a shell in the failed step, run minirun build --debug",
		},
		not: []string{"two 3/3"},
	},
	"RUN fails: a status":      {dockerfile: "FROM base\nRUN exit 3\n", says: []string{"minirun: process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3\n"}},
	"RUN fails: killed":        {dockerfile: "FROM base\nRUN sh -c 'kill -9 $$'; exit $?\n", says: []string{"exit code: 137 (killed by signal 9, SIGKILL), perhaps because the system ran out of memory"}},
	"RUN fails: a signal":      {dockerfile: "FROM base\nRUN sh -c 'kill -15 $$'; exit $?\n", says: []string{"exit code: 143 (killed by signal 15, SIGTERM)"}},
	"check=error":              {dockerfile: "# check=error=true\nFROM base\nRUN touch /x\nCMD x\n", says: []string{"lint violation found for rules: JSONArgsRecommended"}, not: []string{"[2/2]"}},
	"check=skip":               {dockerfile: "# check=skip=JSONArgsRecommended;error=true\nFROM base\nCMD x\n", builds: true, not: []string{"warning found"}},
	"check of an argument":     {dockerfile: "FROM base\nCMD x\n", args: []string{"--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=true"}, says: []string{"lint violation found"}, check: []string{"lint violation found"}},
	"ARG that nobody asks for": {dockerfile: "FROM base\n", args: []string{"--build-arg", "VERSIONN=1"}, builds: true, says: []string{"--build-arg VERSIONN: the Dockerfile has no such ARG"}},
}

// npm and apt are images with a program of that name that does nothing.
const (
	npm = "FROM base\nRUN echo '#!/bin/sh' > /bin/npm && chmod +x /bin/npm\n"
	apt = "FROM base\nRUN echo '#!/bin/sh' > /bin/apt-get && chmod +x /bin/apt-get\n"
)

var mistaken = map[string]string{
	"package.json": "{}", "src/index.js": "1", "node_modules/a/index.js": "1", "secret.key": "1", ".dockerignore": "*.key\n",
	"noexec.sh": "#!/bin/sh\n", "bash.sh": "#!/bin/nosuchbash\n", "crlf.sh": "#!/bin/sh\r\ntrue\r\n", "env.sh": "#!/usr/bin/env nosuchpython\n",
}

// TestMessagesForCommonMistakes: the messages that users get for common mistakes.
func TestMessagesForCommonMistakes(t *testing.T) {
	testbundleRoot(t)
	s := newStore(t)
	s.Do("build", "--quiet", "--tag", "base", withEnv(t)) // scripts expect env at this path
	for name, m := range mistakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := contextDir(t, mistaken, "chmod 755 bash.sh crlf.sh env.sh")
			if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(m.dockerfile), 0o644); err != nil {
				t.Fatal(err)
			}
			ignore(t, dir, m.ignore)
			args := append([]string{"--progress", "plain", "--no-cache"}, m.args...)
			r := s.Minirun(append(append([]string{"build"}, args...), dir)...)
			if (r.Status == 0) != m.builds {
				t.Errorf("status %d, and it builds: %t", r.Status, m.builds)
			}
			checked := s.Minirun(append(append([]string{"build", "--check"}, m.args...), dir)...)
			tells(t, r.Stdout+r.Stderr, m.says, m.not)
			tells(t, checked.Stdout+checked.Stderr, m.check, m.not)
		})
	}
}

func ignore(t *testing.T, dir, text string) {
	t.Helper()
	file, err := filepath.Join(dir, ".dockerignore"), error(nil)
	switch text {
	case "":
	case "-":
		err = os.Remove(file)
	default:
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func tells(t *testing.T, text string, want, not []string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("it does not say %q:\n%s", w, text)
		}
	}
	for _, n := range not {
		if strings.Contains(text, n) {
			t.Errorf("it says %q:\n%s", n, text)
		}
	}
}

func withEnv(t *testing.T) string {
	return contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN mkdir -p /usr/bin && ln -s /bin/env /usr/bin/env\n"}, "")
}
