package build

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// builds returns how many edits TestCacheGivesSameImageAfterRandomEdits makes; MINIRUN_BUILDS overrides it.
func builds(t *testing.T) int {
	t.Helper()
	if text := os.Getenv("MINIRUN_BUILDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 25
}

// TestCacheGivesSameImageAfterRandomEdits: after each of a random sequence of edits, a build with the
// cache of all previous builds produces the same image as a build without a cache, in a separate store.
// Either both fail or neither does.
func TestCacheGivesSameImageAfterRandomEdits(t *testing.T) {
	testbundleRoot(t)
	seed := rand.Uint64()
	if text := os.Getenv("MINIRUN_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MINIRUN_SEED=%d", seed)
	warm := newStore(t)
	clean := warm.fork("clean")
	e := newEditor(t, seed)
	cached, ran, failed, fails := 0, 0, 0, 0
	var log []string
	for n := range builds(t) {
		if n > 0 {
			log = append(log, fmt.Sprint(n, ": ", e.edit()))
			if fails > 1 { // later builds would fail too
				log = append(log, e.heal())
			}
		}
		e.write()
		a, aBuilt := e.image(warm)
		b, _ := e.image(clean, "--no-cache")
		cached, ran = cached+len(aBuilt.cached), ran+len(aBuilt.ran)
		if fails++; aBuilt.Status == 0 {
			fails, e.good = 0, e.stages
		} else {
			failed++
		}
		if !slices.Equal(a, b) {
			t.Fatalf("build %d, arguments %q, of\n%s\nafter the edits\n%s\nwith the cache:\n%s\nwithout:\n%s\nran %q, cached %q",
				n, e.flags(), e.dockerfile(), strings.Join(log, "\n"), difference1(a, b), difference1(b, a), aBuilt.ran, aBuilt.cached)
		}
	}
	t.Logf("%d steps cached, %d run; %d builds failed", cached, ran, failed)
	if cached < ran/4 || ran == 0 || failed > builds(t)*9/10 {
		t.Errorf("%d steps cached, %d run, %d builds failed: this shows nothing", cached, ran, failed)
	}
}

// difference1 returns the lines of a that are not in b.
func difference1(a, b []string) string {
	var out []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// An editor edits a context and a Dockerfile.
type editor struct {
	*rand.Rand
	t      *testing.T
	shelf  *shelf
	dir    string
	stages [][]string
	args   map[string]string
	past   [][][]string // earlier Dockerfiles
	good   [][]string   // the last Dockerfile that built
	count  int
}

func newEditor(t *testing.T, seed uint64) *editor {
	e := &editor{Rand: rand.New(rand.NewPCG(seed, 0)), t: t, shelf: newShelf(t), dir: t.TempDir(), args: map[string]string{}}
	e.heal()
	for n := range 3 {
		stage := []string{"FROM " + e.base(n) + " AS s" + strconv.Itoa(n), "WORKDIR /w"}
		for range 2 + e.IntN(3) {
			stage = append(stage, e.instruction(n))
		}
		e.stages = append(e.stages, stage)
	}
	return e
}

// heal restores a Dockerfile and files that can be built.
func (e *editor) heal() string {
	shell(e.t, e.dir, "mkdir -p d/s e; for f in a b c d/x d/y d/s/z e/x; do [ -e $f ] || echo first > $f; done; ln -sfn x d/link; ln -f d/x d/same; echo Dockerfile > .dockerignore")
	if e.good != nil {
		e.stages = e.good
	}
	return "heal"
}

func (e *editor) base(stage int) string {
	if stage > 0 && e.IntN(3) == 0 {
		return fmt.Sprint("s", e.IntN(stage))
	}
	return pick(e, "base", "base", "configured")
}

func pick(e *editor, list ...string) string { return list[e.IntN(len(list))] }

// instruction generates an instruction for a stage. Its result is the same for the same inputs.
func (e *editor) instruction(stage int) string {
	e.count++
	n := e.count
	source := pick(e, "a", "b", "d", "d/x", "e", "d/link", "d/s", ".", "[ab]", "d/*")
	flags := pick(e, "", "", "", "--link ", "--chmod=640 ", "--chown=app ", "--chown=app --link ", "--parents ", "--exclude=*x ")
	const list = `find /w -type f ! -name out\* | sort | xargs sha256sum > out`
	list2 := fmt.Sprintf(`find /w /c%d ! -type l 2>/dev/null | sort | xargs stat -c '%%n %%a %%u %%F' | grep -v out > /tmp/out%d`, e.IntN(3), n)
	from := ""
	if stage > 0 {
		from = fmt.Sprint("s", e.IntN(stage))
	}
	kind := e.IntN(12)
	if from == "" && kind >= 9 {
		kind -= 9
	}
	switch kind {
	case 0, 1, 2:
		return fmt.Sprintf("COPY %s%s /w/c%d/", flags, source, e.IntN(4))
	case 3:
		return "RUN " + list + strconv.Itoa(n)
	case 4:
		return "USER root\nRUN " + list2
	case 5:
		return fmt.Sprintf("ARG X%d\nENV E=${X%d:-%d}\nRUN echo $E $X%d >> /tmp/env || true", n%2, n%2, e.IntN(2), n%2)
	case 6:
		return fmt.Sprintf("WORKDIR /w/c%d", e.IntN(4))
	case 7:
		return fmt.Sprintf("USER root\nRUN --mount=target=/m%s find /m/ -type f | sort | xargs cat | sha256sum > /tmp/m%d", pick(e, "", ",source=d", ",source=e", ",source=a"), n)
	case 8:
		return fmt.Sprintf("COPY <<EOF /w/here\n%d $E\nEOF", e.IntN(3))
	case 9:
		return fmt.Sprintf("COPY %s--from=%s /w /w/of-%s", pick(e, "", "--link ", "--chmod=644 "), from, from)
	case 10:
		return fmt.Sprintf("USER root\nRUN --mount=from=%s,source=/w,target=/m,rw find /m/ -type f | sort | xargs sha256sum > /tmp/of-%s; echo x > /m/out", from, from)
	}
	return fmt.Sprintf("COPY --from=%s /tmp /w/tmp", from)
}

// edit makes a random change, and returns its description.
func (e *editor) edit() string {
	files := "find . -type f ! -name Dockerfile ! -name .dockerignore | sort"
	script := ""
	n := strconv.Itoa(e.IntN(1000))
	at := e.IntN(len(e.stages))
	stage := slices.Clone(e.stages[at])
	replace := func(new []string) {
		e.past = append(e.past, slices.Clone(e.stages))
		e.stages = slices.Clone(e.stages)
		e.stages[at] = new
	}
	what := pick(e, "content", "content", "back", "new", "gone", "mode", "time", "link", "hard link", "ignore", "argument", "argument", "add", "remove", "swap", "change", "base", "undo", "nothing")
	switch what {
	case "content":
		script = "f=$(" + files + " | sed -n $((1 + " + n + " % $(" + files + " | wc -l)))p); echo " + n + " > $f"
	case "back": // to an earlier Dockerfile
		script = "for f in a b d/x; do [ ! -d $f ] && mkdir -p d && rm -f $f && echo first > $f; done"
	case "new":
		script = "mkdir -p d/n" + n + "; echo " + n + " > d/n" + n + "/f; echo " + n + " > n" + n
	case "gone":
		script = "f=$(" + files + " | grep -v '/[abc]$' | sed -n $((1 + " + n + " % 5))p); [ -z \"$f\" ] || rm -f $f"
	case "mode":
		script = "chmod $((600 + " + n + " % 2 * 44)) a; mkdir -p d; chmod $((700 + " + n + " % 3)) d"
	case "time":
		script = "touch a b; find . -type f -exec touch {} +"
	case "link":
		script = "mkdir -p d; ln -sfn " + pick(e, "x", "y", "../a", "nowhere", "/etc/passwd") + " d/link"
	case "hard link":
		script = "mkdir -p d; cp a d/h; rm -f d/same; " + pick(e, "cp", "ln") + " d/h d/same"
	case "ignore":
		script = "printf 'Dockerfile\\n" + pick(e, "", "b\\n", "d/*\\n!d/x\\n", "**/x\\n", "e\\n") + "' > .dockerignore"
	case "argument":
		e.args["X"+strconv.Itoa(e.IntN(2))] = strconv.Itoa(e.IntN(3))
	case "add":
		replace(slices.Insert(stage, 2+e.IntN(len(stage)-1), e.instruction(at)))
	case "remove":
		if len(stage) > 3 {
			i := 2 + e.IntN(len(stage)-2)
			replace(slices.Delete(stage, i, i+1))
		}
	case "swap":
		if len(stage) > 4 {
			i := 2 + e.IntN(len(stage)-3)
			stage[i], stage[i+1] = stage[i+1], stage[i]
			replace(stage)
		}
	case "change":
		stage[2+e.IntN(max(1, len(stage)-2))] = e.instruction(at)
		replace(stage)
	case "base":
		stage[0] = "FROM " + e.base(at) + " AS s" + strconv.Itoa(at)
		replace(stage)
	case "undo":
		if len(e.past) > 0 {
			e.stages = e.past[e.IntN(len(e.past))]
		}
	}
	shell(e.t, e.dir, script)
	return strings.Join([]string{what, script}, " ")
}

func (e *editor) dockerfile() string {
	var out strings.Builder
	for _, s := range e.stages {
		out.WriteString(strings.Join(s, "\n") + "\n")
	}
	out.WriteString("FROM s2\nCOPY --from=s0 /w /all/0\nCOPY --from=s1 /w /all/1\n")
	return out.String()
}

func (e *editor) write() {
	if err := os.WriteFile(filepath.Join(e.dir, "Dockerfile"), []byte(e.dockerfile()), 0o644); err != nil {
		e.t.Fatal(err)
	}
}

func (e *editor) flags() (out []string) {
	for name, value := range e.args {
		out = append(out, "--build-arg", name+"="+value)
	}
	return out
}

// image builds and returns a description of the image, or of the failure.
func (e *editor) image(s *store, flags ...string) ([]string, *built) {
	e.t.Helper()
	out := filepath.Join(e.t.TempDir(), "out.tar")
	b := s.try(e.dir, append(append(e.flags(), flags...), "-o", "type=oci,compression=uncompressed,dest="+out)...)
	if b.Status != 0 {
		return []string{lastLine(b.Stderr)}, b
	}
	return e.shelf.picture(e.t, out), b
}
