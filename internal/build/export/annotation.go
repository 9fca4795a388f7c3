package export

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// An Annotation is a key and value stored in one of a result's documents.
type Annotation struct {
	On         string // one of places
	Platform   string // for a manifest; "": for each
	Key, Value string
}

// Where an annotation can be stored. That of a descriptor is in the index. If there is no
// index, or it is the index's own descriptor, the annotation is in index.json.
const (
	onManifest           = "manifest"
	onManifestDescriptor = "manifest-descriptor"
	onIndex              = "index"
	onIndexDescriptor    = "index-descriptor"
)

var annotationTypes = []string{onManifest, onManifestDescriptor, onIndex, onIndexDescriptor}

var (
	// annotation-TYPE[PLATFORM].KEY, for --output
	keyPattern = regexp.MustCompile(`^annotation(?:-([a-z-]+))?(?:\[([^]]*)\])?\.(.+)$`)
	// TYPE[PLATFORM],TYPE…:KEY=VALUE, for --annotation; without types a key may contain a colon
	typesPattern = regexp.MustCompile(`^((?:[a-z-]+(?:\[[^]]*\])?)(?:,[a-z-]+(?:\[[^]]*\])?)*):(.*)$`)
	typePattern  = regexp.MustCompile(`^([a-z-]+)(?:\[([^]]*)\])?$`)
)

// addAnnotation parses a key of --output that is not a known option.
func (o *Output) addAnnotation(key, value string) error {
	m := keyPattern.FindStringSubmatch(key)
	if m == nil {
		return fmt.Errorf("unknown key %q", key)
	}
	on := m[1]
	if on == "" {
		on = onManifest
	}
	a, err := newAnnotation(on, m[2], m[3], value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	o.Annotations = append(o.Annotations, a)
	return nil
}

func newAnnotation(on, platform, key, value string) (Annotation, error) {
	a := Annotation{On: on, Key: key, Value: value}
	if !slices.Contains(annotationTypes, on) {
		return a, fmt.Errorf("annotation type %q: must be one of %s", on, strings.Join(annotationTypes, ", "))
	}
	if platform != "" {
		p, err := platforms.Parse(platform)
		if err != nil {
			return a, err
		}
		a.Platform = platforms.Format(platforms.Normalize(p))
	}
	return a, nil
}

// ParseAnnotation reads --annotation [TYPE[,TYPE…]:]KEY=VALUE, where a type may
// name a platform: manifest[linux/amd64].
func ParseAnnotation(text string) (out []Annotation, err error) {
	types, rest := onManifest, text
	key, _, _ := strings.Cut(text, "=")
	if m := typesPattern.FindStringSubmatch(key); m != nil {
		types, rest = m[1], text[len(m[1])+1:]
	}
	key, value, ok := strings.Cut(rest, "=")
	if key == "" || !ok {
		return nil, fmt.Errorf("--annotation %q: must be [TYPE:]KEY=VALUE", text)
	}
	for t := range strings.SplitSeq(types, ",") {
		m := typePattern.FindStringSubmatch(t)
		a, err := newAnnotation(m[1], m[2], key, value)
		if err != nil {
			return nil, fmt.Errorf("--annotation %q: %w", text, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// selectAnnotations returns the annotations of one document; for a manifest, those of its platform.
func selectAnnotations(list []Annotation, on string, p oci.Platform) map[string]string {
	var out map[string]string
	for _, a := range list {
		if a.On != on || a.Platform != "" && a.Platform != platforms.Format(platforms.Normalize(p)) {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[a.Key] = a.Value
	}
	return out
}

// NeedsIndex reports whether any annotations belong to an index.
func NeedsIndex(list []Annotation) bool {
	return slices.ContainsFunc(list, func(a Annotation) bool { return a.On == onIndex || a.On == onIndexDescriptor })
}
