package images

import (
	"context"
	"errors"
	"strings"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// image asks for an image in the lab's store: its output, its size, and the files in all of its layers.
type image struct {
	Name    string   `yaml:"name"`
	Prints  string   `yaml:"prints"`  // a run without a network prints this
	Most    string   `yaml:"most"`    // the size of all files in all layers, such as 4M
	Without []string `yaml:"without"` // names or /paths that no layer has, not even a hidden one (path.Match)
}

func (q *image) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	look := "./minirun history " + q.Name
	a, err := export(ctx, s, q.Name)
	var no *refused
	if errors.As(err, &no) {
		return scene.Fail(words.New("an image %s", q.Name), words.New("%s", no.output), "./minirun images")
	}
	if err != nil {
		return nil, err
	}
	all, err := a.images()
	if err != nil {
		return nil, err
	}
	if q.Prints != "" {
		return printed(ctx, s, q.Name, q.Prints)
	}
	for _, p := range all {
		if q.Most != "" {
			most, err := units.RAMInBytes(q.Most)
			if err != nil {
				return nil, err
			}
			size, err := p.size()
			if err != nil {
				return nil, err
			}
			if size > most {
				return scene.Fail(words.New("%s is at most %s large", q.Name, q.Most),
					words.New("%s", units.CustomSize("%.1f%s", float64(size), 1024, []string{"B", "K", "M", "G"})), "%s", look)
			}
		}
		name, layer, err := p.matching(q.Without)
		if err != nil {
			return nil, err
		}
		if name != "" {
			return scene.Fail(words.New("no layer of %s has %s", q.Name, strings.Join(q.Without, ", ")),
				words.New("%s in layer %d", name, layer), "%s", look)
		}
	}
	return nil, nil
}

// printed asks whether an image prints a text when it is run.
func printed(ctx context.Context, s *scene.Scene, name, text string) (*scene.Failure, error) {
	out, err := trialImage(ctx, s, name)
	var no *refused
	if errors.As(err, &no) {
		return scene.Fail(words.New("%s prints %q", name, text), words.New("%s", no.output), "./minirun run --rm %s", name)
	}
	if err != nil {
		return nil, err
	}
	if !strings.Contains(out, text) {
		return scene.Fail(words.New("%s prints %q", name, text), words.New("%q", scene.Shorten(strings.TrimSpace(out))),
			"./minirun run --rm %s", name)
	}
	return nil, nil
}
