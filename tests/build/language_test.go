package build

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// portuguese makes the store's commands print Portuguese.
func portuguese(s *store) { s.Env = append(s.Env, "MINIRUN_LANG=pt") }

// wantText fails the test if a text does not match one of the expressions.
func wantText(t *testing.T, text string, expressions ...string) {
	t.Helper()
	for _, e := range expressions {
		if !regexp.MustCompile(e).MatchString(text) {
			t.Errorf("%s\ndoes not match %s", text, e)
		}
	}
}

// TestExplainSpeaksPortuguese: the explanation and the progress are in Portuguese, except for instructions,
// names, values, and the words for a step's state.
func TestExplainSpeaksPortuguese(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	portuguese(s)
	dir := contextDir(t, map[string]string{"Dockerfile": explained, "package.json": "{}", "src/main.js": "1\n",
		"src/other.js": "1\n"}, "")
	s.Do("build", "-t", "x", dir)
	change(t, dir, "src/main.js", "two\n")
	change(t, dir, "Dockerfile", strings.Replace(explained, "> modules", "> modules; true", 1)+
		"CMD echo a\nVOLUME /x\n")
	r := s.Minirun("build", "-t", "x", "--explain", "text", dir)
	wantText(t, r.Stdout,
		`(?m)^runner para linux/\w+: construído em \d+\.\ds, usa 2 de 3 estágios\nA imagem tem 1 camada da base e 2 camadas deste build \(14B\); 5 outras camadas \(\d+B\) fora da imagem$`,
		`\n\ndependências dos estágios\n  imagem base +──▶ builder  FROM \(linha 1\)\n`,
		`(?m)^  builder +──▶ runner +COPY --from /app/modules \(linha 13\)$`,
		`(?m)^estágio builder: necessário para COPY --from em runner \(linhas 13, 14\); as camadas dele não estão na imagem$`,
		`(?m)^estágio unused: desnecessário: o alvo não o usa com FROM, COPY --from ou RUN --mount$`,
		`(?m)^estágio runner: o alvo; as camadas dele estão na imagem$`,
		`FROM base AS builder\n +base: 1 camada, [\d.]+MB comprimidos\n`,
		`ARG VERSION=1\n +sem camada, sem metadados: a imagem não muda\n`,
		`WORKDIR /app\n +camada: 0B, adicionados: 1\n +metadados: WorkingDir definido como /app\n +em cache: a instrução e suas entradas não mudaram\n`,
		`> modules; true\n.*\n.*\n +construída em \d+\.\ds: a instrução mudou; era RUN echo installed > modules\n`,
		`COPY src src\n.*\n +maiores: /app/src/main.js 4B, .*\n +construída em \d+\.\ds: uma entrada mudou\n +a etapa anterior\n +src/main.js: alterado\n`,
		`VOLUME \[/x\]\n +só metadados: Volumes /x adicionado\n`,
		`\n\no que o contêiner executa\n  ENTRYPOINT \["cat"\]\n`,
		`  usuário root, diretório de trabalho /, sinal de parada SIGTERM\n  ENTRYPOINT é o programa, e CMD`)
	wantText(t, r.Stderr,
		`(?m)^#1 \[internal\] carregar a definição do build de Dockerfile\n#1 lendo o Dockerfile: \d+B pronto\n#1 DONE`,
		`(?m)^#\d+ \[builder 4/6\] RUN echo installed > modules; true\n#\d+ DONE`,
		`(?m)^#\d+ exportando para image\n#\d+ exportando as camadas pronto\n#\d+ gravando a imagem sha256:\w+ pronto$`,
		`\n 3 avisos encontrados \(execute minirun build --check para ver os detalhes\):\n`,
		`\n - EntrypointAndCmd: CMD está na forma shell, por isso .* \(linha 18\)\n   dica: escreva CMD \["echo", "a"\]\n`)
}

// faulty is a Dockerfile with findings of BuildKit's rules and of minirun's.
const faulty = "FROM base AS Builder\nWORKDIR x\nRUN apt-get update\nFROM base\nCMD run $HOME\n"

// TestCheckSpeaksPortuguese: findings, hints, errors and the summary are in Portuguese.
func TestCheckSpeaksPortuguese(t *testing.T) {
	s := newStore(t)
	portuguese(s)
	dir := contextDir(t, map[string]string{"Dockerfile": faulty}, "")
	r := s.Minirun("build", "--check", dir)
	wantText(t, r.Stdout,
		`^Verificação concluída: 4 avisos encontrados!\n`,
		`\nAVISO: StageNameCasing - https://\S+\nO nome do estágio 'Builder' deveria estar em minúsculas\nDockerfile:1\n`,
		`\nAVISO: WorkdirRelativePath - .*\nO WORKDIR relativo "x" pode .*\ndica: escreva WORKDIR /x, porque `,
		`\nAVISO: AptGetUpdateAlone \(regra do minirun\)\nO resultado .*\ndica: escreva RUN apt-get update && apt-get install …\n`)
	r.Fails(t, "minirun: build --check: 4 avisos")
	change(t, dir, "Dockerfile", "FROM scratch\nCOPY a\n")
	r = s.Minirun("build", "--check", dir)
	wantText(t, r.Stdout, `^\nERRO: .*COPY exige pelo menos dois .*\nDockerfile:2\n`)
	change(t, dir, "Dockerfile", "FROM scratch\nCOPY . /\n")
	if out := s.Do("build", "--check", dir); out != "Verificação concluída: nenhum aviso encontrado." {
		t.Error(out)
	}
}

// TestFailedBuildSpeaksPortuguese: the error of a RUN that a signal ended is translated as a whole.
func TestFailedBuildSpeaksPortuguese(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	portuguese(s)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base AS one\nRUN exit 137\nFROM base\n" +
		"COPY --from=one / /\n"}, "")
	r := s.Minirun("build", dir)
	wantText(t, r.Stderr, `\nDockerfile:2, no estágio one\n`,
		`não terminou com sucesso: código de saída: 137 \(encerrado pelo sinal 9, SIGKILL\), talvez porque `)
}

// TestDataStaysEnglish: what other programs read is the same in both languages, and so are records.
func TestDataStaysEnglish(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	dir := contextDir(t, map[string]string{
		"Dockerfile": strings.Replace(faulty, "RUN apt-get update", "RUN true", 1),
	}, "")
	metadata := filepath.Join(t.TempDir(), "metadata")
	s.Env = append(s.Env, "BUILDX_METADATA_WARNINGS=true")
	seconds := regexp.MustCompile(`\d+\.\d+|sha256:\w+|"[0-9T:.-]+Z"`)
	outputs := func(language string) (out []string) {
		for _, args := range [][]string{
			{"build", "--check", "--format", "json", dir},
			{"build", "--explain", "json", "--progress", "rawjson", "--metadata-file", metadata, dir},
			{"build", "--call", "outline", dir},
			{"build", "history", "logs"},
		} {
			r := s.Minirun(append([]string{"--lang", language}, args...)...)
			out = append(out, seconds.ReplaceAllString(r.Stdout, ""))
		}
		data, err := os.ReadFile(metadata)
		if err != nil {
			t.Fatal(err)
		}
		return append(out, string(data))
	}
	outputs("en") // fills the cache
	english, translated := outputs("en"), outputs("pt")
	for i, want := range []string{"Stage name 'Builder' should be lowercase", "the target; its layers are in the image",
		"", "exporting to image", base64.StdEncoding.EncodeToString([]byte("Stage names should be lowercase"))} {
		if !strings.Contains(english[i], want) || i != 4 && english[i] != translated[i] || !strings.Contains(translated[i], want) {
			t.Errorf("%d: %s\nin English, and in Portuguese\n%s\nwant %q", i, english[i], translated[i], want)
		}
	}
}
