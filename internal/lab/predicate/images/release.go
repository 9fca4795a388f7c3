package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// A release is a directory of the learner with a Dockerfile that downloads a program with a secret. The
// download is a script of the lab, fetch.sh: it writes a fingerprint of the secret into the program, and
// keeps what it has downloaded in a directory. So the program shows which secret was used, and when.
type release struct {
	Context string `yaml:"context"`
	Program string `yaml:"program"` // the name of its file in the image
}

// Names in a release.
const (
	secretFile  = "token.txt"
	versionFile = "version.txt"
	fetchScript = "fetch.sh"
)

// A releaseBuild builds copies of a release with secrets that the learner does not know.
type releaseBuild struct {
	*trialBuild
	secret string // the path of the file with the secret of the next build
}

// prepare copies a release for a build with a version that was never downloaded.
func (r *release) prepare(s *scene.Scene) (*releaseBuild, error) {
	b, err := copyContext(s, r.Context)
	if err != nil {
		return nil, err
	}
	script, err := os.ReadFile(filepath.Join(s.Start, r.Context, fetchScript))
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{fetchScript: string(script), versionFile: random() + "\n"} {
		if err := replaceFile(filepath.Join(b.dir, name), text); err != nil {
			return nil, err
		}
	}
	return &releaseBuild{b, filepath.Join(s.Work, "secret-"+random())}, nil
}

// replaceFile writes a file in place of whatever has this name.
func replaceFile(path, text string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// newSecret chooses a secret for the next build. If the learner's directory still has the file with the
// secret, the copy has the new one.
func (b *releaseBuild) newSecret() (secret string, err error) {
	secret = random() + random()
	if err := replaceFile(b.secret, secret+"\n"); err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, secretFile)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return secret, nil
	}
	return secret, replaceFile(path, secret+"\n")
}

// fingerprint returns what fetch.sh writes for a secret.
func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret + "\n"))
	return hex.EncodeToString(sum[:])[:16]
}

// run builds the copy. The secret is in a file outside of it.
func (b *releaseBuild) run(ctx context.Context, env []string, args ...string) error {
	command := []string{"build", "--progress", "plain", "-t", b.tag, "--secret", "id=token,src=" + b.secret}
	_, err := minirunIn(ctx, b.scene, env, slices.Concat(command, args, []string{b.dir})...)
	return err
}

// failedBuild returns the failure for a Dockerfile that cannot be built.
func (r *release) failedBuild(err error, args string) (*scene.Failure, error) {
	var no *refused
	if !errors.As(err, &no) {
		return nil, err
	}
	return scene.Fail(words.New("%s can be built", r.Context), words.New("%s", no.output),
		"./minirun build %s%s", args, r.Context)
}

// platforms asks whether a release can be built for several platforms without emulating their processors.
type platforms struct {
	release `yaml:",inline"`
	Are     []string `yaml:"are"`  // linux/amd64, …
	Says    string   `yaml:"says"` // the program of each has this text, followed by the architecture
}

func (q *platforms) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	b, err := q.prepare(s)
	if err != nil {
		return nil, err
	}
	defer b.close(ctx)
	if _, err := b.newSecret(); err != nil {
		return nil, err
	}
	flag := "--platform " + strings.Join(q.Are, ",")
	if err := b.run(ctx, nil, strings.Fields(flag)...); err != nil {
		return q.failedBuild(err, flag+" ")
	}
	a, err := export(ctx, s, b.tag)
	if err != nil {
		return nil, err
	}
	all, err := a.images()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, p := range all {
		found = append(found, p.platform)
		text, err := p.content(q.Program)
		if err != nil {
			return nil, err
		}
		_, architecture, _ := strings.Cut(p.platform, "/")
		if want := q.Says + architecture; !strings.Contains(text, want) {
			return scene.Fail(words.New("/%s of %s contains %q", q.Program, p.platform, want), words.New("%q",
				scene.Shorten(text)),
				"./minirun build %s -o out %s", flag, q.Context)
		}
	}
	slices.Sort(found)
	if !slices.Equal(found, slices.Sorted(slices.Values(q.Are))) {
		return scene.Fail(words.New("an image for each of %s", strings.Join(q.Are, ", ")),
			words.New("%s", strings.Join(found, ", ")), "./minirun build %s %s", flag, q.Context)
	}
	return nil, nil
}

// secret asks whether a release uses its secret and leaves no trace of it: not in the image, and not in the
// layers of any stage, which a cache for other builders has (mode=max).
type secret struct {
	release `yaml:",inline"`
}

func (q *secret) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	b, err := q.prepare(s)
	if err != nil {
		return nil, err
	}
	defer b.close(ctx)
	secret, err := b.newSecret()
	if err != nil {
		return nil, err
	}
	cache := filepath.Join(s.Work, "cache-"+random())
	if err := b.run(ctx, nil, "--cache-to", "type=local,mode=max,dest="+cache); err != nil {
		return q.failedBuild(err, "--secret id=token,src=…/token.txt ")
	}
	p, err := b.image(ctx)
	if err != nil {
		return nil, err
	}
	text, err := p.content(q.Program)
	if err != nil {
		return nil, err
	}
	look := "./minirun build --explain text " + q.Context
	if want := fingerprint(secret); !strings.Contains(text, want) {
		return scene.Fail(words.New("/%s was fetched with the secret: it contains the fingerprint %s", q.Program, want),
			words.New("%q", scene.Shorten(text)), "%s", look)
	}
	where, err := findText([]string{p.archive.dir, cache}, secret)
	if err != nil {
		return nil, err
	}
	if where != "" {
		return scene.Fail(words.New("no layer of any stage, and no configuration, has the secret"),
			words.New("it is in %s", where),
			"%s", look)
	}
	return nil, nil
}

// cachemount asks whether a second build finds what the first one downloaded, although no step comes from
// the cache: a cache mount.
type cachemount struct {
	release `yaml:",inline"`
}

func (q *cachemount) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	b, err := q.prepare(s)
	if err != nil {
		return nil, err
	}
	defer b.close(ctx)
	first, err := b.newSecret()
	if err != nil {
		return nil, err
	}
	if err := b.run(ctx, nil); err != nil {
		return q.failedBuild(err, "")
	}
	if _, err := b.newSecret(); err != nil {
		return nil, err
	}
	if err := b.run(ctx, nil, "--no-cache"); err != nil {
		return q.failedBuild(err, "--no-cache ")
	}
	text, err := b.content(ctx, q.Program)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(text, fingerprint(first)) {
		return scene.Fail(words.New("a second build with --no-cache finds the download of the first in a cache mount"),
			words.New("it was downloaded again"), "./minirun build du")
	}
	return nil, nil
}

// reproducible asks whether two builds without a cache give the same bytes: equal digests.
type reproducible struct {
	release `yaml:",inline"`
}

// epoch is the time that the builds are given, as a release would use the time of its last commit.
const epoch = "SOURCE_DATE_EPOCH=1700000000"

func (q *reproducible) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	b, err := q.prepare(s)
	if err != nil {
		return nil, err
	}
	defer b.close(ctx)
	if _, err := b.newSecret(); err != nil {
		return nil, err
	}
	var digests []string
	for i := range 2 {
		metadata := filepath.Join(s.Work, fmt.Sprint("metadata-", i))
		err := b.run(ctx, []string{epoch}, "--no-cache", "--metadata-file", metadata,
			"-o", "type=image,rewrite-timestamp=true")
		if err != nil {
			return q.failedBuild(err, "--no-cache ")
		}
		data, err := os.ReadFile(metadata)
		if err != nil {
			return nil, err
		}
		var result struct {
			Digest string `json:"containerimage.digest"`
		}
		if err := json.Unmarshal(data, &result); err != nil {
			return nil, err
		}
		digests = append(digests, result.Digest)
		if i == 0 {
			time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // a clock shows another second
		}
	}
	if digests[0] == "" || digests[0] != digests[1] {
		return scene.Fail(words.New("two builds with the same SOURCE_DATE_EPOCH have equal digests"),
			words.New("%s and %s", shortDigest(digests[0]), shortDigest(digests[1])),
			"for i in 1 2; do ./release.sh -q --no-cache; sleep 1; done")
	}
	return nil, nil
}

// shortDigest returns a digest as tables show it.
func shortDigest(digest string) string {
	const digits = 12
	_, value, _ := strings.Cut(digest, ":")
	return value[:min(digits, len(value))]
}
