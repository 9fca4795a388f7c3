package images

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// rebuild builds a copy of a directory of the learner, changes a file in the copy, and builds it again.
// The image shows what the second build did: a step that installs leaves a file with a random
// content, which is the same only if the step came from the cache.
type rebuild struct {
	Context string `yaml:"context"`
	File    string `yaml:"file"`   // this file is changed: …
	Text    string `yaml:"text"`   // … a random text replaces this one in it
	Keeps   string `yaml:"keeps"`  // the end of the path of a file in the image that must be the same
	Renews  string `yaml:"renews"` // … or another one
	Prints  bool   `yaml:"prints"` // the second image prints the random text
}

func (q *rebuild) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	b, err := copyContext(s, q.Context)
	if err != nil {
		return nil, err
	}
	defer b.close(ctx)
	before, after := "", ""
	if q.Keeps+q.Renews != "" {
		if _, err := b.build(ctx); err != nil {
			return q.failedBuild(err)
		}
		if before, err = b.content(ctx, q.Keeps+q.Renews); err != nil {
			return nil, err
		}
		if before == "" {
			return scene.Fail(words.New("the image has a file %s", q.Keeps+q.Renews), words.New("it does not exist"), "%s",
				q.look())
		}
	}
	text := random()
	found, err := b.replace(q.File, q.Text, text)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(q.Context, q.File)
	if !found {
		return scene.Fail(words.New("%s contains %q", path, q.Text), words.New("another text"), "cat %s", path)
	}
	explanation, err := b.build(ctx, "--explain", "json")
	if err != nil {
		return q.failedBuild(err)
	}
	if q.Keeps+q.Renews != "" {
		if after, err = b.content(ctx, q.Keeps+q.Renews); err != nil {
			return nil, err
		}
	}
	steps, err := readSteps([]byte(explanation))
	if err != nil {
		return nil, err
	}
	switch {
	case q.Keeps != "" && (before != after || !anyRunCached(steps)):
		return scene.Fail(words.New("after a change of %s the packages come from the cache", path), ranAgain(steps), "%s",
			q.look())
	case q.Renews != "" && before == after:
		return scene.Fail(words.New("after a change of %s the packages are installed again", path),
			words.New("those of the build before"), "%s", q.look())
	case q.Prints:
		f, err := printed(ctx, s, b.tag, text)
		if f != nil {
			f.Expected = words.New("after a change of %s a new image prints the new text %q", path, text)
			f.Look = q.look()
		}
		return f, err
	}
	return nil, nil
}

func (q *rebuild) look() string { return "./minirun build --explain text " + q.Context }

// failedBuild returns the failure for a Dockerfile that cannot be built.
func (q *rebuild) failedBuild(err error) (*scene.Failure, error) {
	var no *refused
	if errors.As(err, &no) {
		return scene.Fail(words.New("%s can be built", q.Context), words.New("%s", no.output), "./minirun build %s",
			q.Context)
	}
	return nil, err
}

// content returns the text of a file in the image that was built last.
func (b *trialBuild) content(ctx context.Context, suffix string) (string, error) {
	p, err := b.image(ctx)
	if err != nil {
		return "", err
	}
	return p.content(suffix)
}

// A buildStep is an instruction as `minirun build --explain json` describes it.
type buildStep struct {
	Line        int    `json:"line"`
	Instruction string `json:"instruction"`
	Text        string `json:"text"`
	Kind        string `json:"kind"`
	Needed      bool   `json:"needed"`
	Cached      bool   `json:"cached"`
}

// readSteps returns the steps of an explanation that were needed.
func readSteps(data []byte) (steps []buildStep, err error) {
	var explanation struct {
		Stages []struct {
			Instructions []buildStep `json:"instructions"`
		} `json:"stages"`
	}
	if err := json.Unmarshal(data, &explanation); err != nil {
		return nil, err
	}
	for _, stage := range explanation.Stages {
		for _, step := range stage.Instructions {
			if step.Needed {
				steps = append(steps, step)
			}
		}
	}
	return steps, nil
}

func anyRunCached(steps []buildStep) bool {
	for _, step := range steps {
		if step.Instruction == "RUN" && step.Cached {
			return true
		}
	}
	return false
}

// ranAgain returns a sentence with the first RUN that was not taken from the cache.
func ranAgain(steps []buildStep) words.Text {
	for _, step := range steps {
		if step.Instruction == "RUN" && !step.Cached {
			return words.New("line %d ran again: %s", step.Line, strings.TrimSpace(step.Text))
		}
	}
	return words.New("they were installed again")
}
