package remotecache

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/keyvalue"
)

// The types of caches, with buildx's names.
const (
	Local    = "local"
	Registry = "registry"
	Inline   = "inline"
)

// A To is the value of one --cache-to.
type To struct {
	Type        string
	Dest        string     // local: the directory
	Tag         string     // local
	Ref         image.Name // registry
	Max         bool       // all steps, not only those of the result's own layers
	Compression export.Compression
	Ignore      bool // an error becomes a warning
}

// String is how the cache appears in messages.
func (t To) String() string {
	switch t.Type {
	case Local:
		return t.Dest + " (" + t.Tag + ")"
	case Registry:
		return t.Ref.Familiar()
	}
	return "the image"
}

// A From is the value of one --cache-from.
type From struct {
	Type   string
	Src    string        // local: the directory
	Tag    string        // local; "": latest, or the only one
	Digest digest.Digest // local: of the manifest
	Ref    image.Name    // registry
}

func (f From) String() string {
	if f.Type == Registry {
		return f.Ref.Familiar()
	}
	return f.Src
}

// ParseTo reads type=TYPE,KEY=VALUE…, or the name of a repository in a registry.
func ParseTo(text string) (t To, err error) {
	t = To{Tag: "latest"}
	fields, err := splitFields(text)
	if err == nil {
		err = setFields(fields, t.set)
	}
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return t, fmt.Errorf("--cache-to %q: %w", text, err)
	}
	return t, nil
}

// ParseFrom reads the value of --cache-from in the same format.
func ParseFrom(text string) (f From, err error) {
	fields, err := splitFields(text)
	if err == nil {
		err = setFields(fields, f.set)
	}
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return f, fmt.Errorf("--cache-from %q: %w", text, err)
	}
	return f, nil
}

// splitFields splits at commas; a name alone is that of a registry cache.
func splitFields(text string) ([]string, error) {
	fields, err := keyvalue.Fields(text)
	if err != nil {
		return nil, err
	}
	if len(fields) == 1 && !strings.Contains(fields[0], "=") {
		return []string{"type=" + Registry, "ref=" + fields[0]}, nil
	}
	return fields, nil
}

// setFields sets the fields in order. The type comes first, because the meaning of the other keys
// depends on it.
func setFields(fields []string, set func(key, value string) error) error {
	for _, f := range fields {
		if kind, ok := strings.CutPrefix(f, "type="); ok {
			if err := checkType(kind); err != nil {
				return err
			}
		}
	}
	for _, f := range fields {
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			return fmt.Errorf("%q is not KEY=VALUE", f)
		}
		if err := set(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (t *To) set(key, value string) (err error) {
	switch key {
	case "type":
		t.Type = value
	case "dest":
		t.Dest = value
	case "tag":
		t.Tag = value
	case "ref":
		t.Ref, err = image.ParseName(value)
	case "mode":
		if t.Max = value == "max"; !t.Max && value != "min" {
			err = fmt.Errorf("mode=%s is not min or max", value)
		}
	case "compression":
		if t.Compression.Kind = value; !slices.Contains([]string{"gzip", "zstd", "uncompressed"}, value) {
			err = fmt.Errorf("compression=%s is not gzip, zstd or uncompressed", value)
		}
	case "compression-level":
		t.Compression.Level, err = strconv.Atoi(value)
	case "ignore-error":
		t.Ignore, err = strconv.ParseBool(value)
	case "image-manifest", "oci-mediatypes", "oci-artifact": // always true here
		var on bool
		if on, err = strconv.ParseBool(value); err == nil && !on {
			err = fmt.Errorf("%s=%s is not supported: it is always on", key, value)
		}
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}

func (t *To) check() error {
	if err := checkType(t.Type); err != nil {
		return err
	}
	switch {
	case t.Type == Local && t.Dest == "":
		return errors.New("type=local needs dest=DIRECTORY")
	case t.Type != Local && t.Dest != "":
		return fmt.Errorf("dest is for type=local, not for %s", t.Type)
	case t.Type == Local && t.Tag == "":
		return errors.New("tag= is empty")
	case t.Type == Registry && t.Ref.Repository == "":
		return errors.New("type=registry needs ref=NAME")
	case t.Type != Registry && t.Ref.Repository != "":
		return fmt.Errorf("ref is for type=registry, not for %s", t.Type)
	case t.Ref.Digest != "":
		return fmt.Errorf("ref=%s must be NAME[:TAG], not a digest", t.Ref)
	case t.Type == Inline && t.Max:
		return errors.New("mode=max needs type=registry or type=local, because an image has only its own layers")
	case t.Type == Inline && t.Compression != (export.Compression{}):
		return errors.New("compression does not apply to type=inline\nhint: use it with --output")
	}
	return nil
}

func (f *From) set(key, value string) (err error) {
	switch key {
	case "type":
		f.Type = value
	case "src":
		f.Src = value
	case "tag":
		f.Tag = value
	case "digest":
		if err = image.CheckDigest(value); err == nil {
			f.Digest = digest.Digest(value)
		}
	case "ref":
		f.Ref, err = image.ParseName(value)
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}

func (f *From) check() error {
	if f.Type == Inline {
		return errors.New(
			"type=inline is for --cache-to\nhint: read the cache with type=registry,ref=IMAGE or type=local,src=DIRECTORY",
		)
	}
	if err := checkType(f.Type); err != nil {
		return err
	}
	switch {
	case f.Type == Local && f.Src == "":
		return errors.New("type=local needs src=DIRECTORY")
	case f.Type != Local && (f.Src != "" || f.Tag != "" || f.Digest != ""):
		return errors.New("src, tag and digest are for type=local\nhint: ref=NAME:TAG or ref=NAME@DIGEST")
	case f.Type == Registry && f.Ref.Repository == "":
		return errors.New("type=registry needs ref=NAME")
	case f.Type != Registry && f.Ref.Repository != "":
		return errors.New("ref is for type=registry")
	}
	return nil
}

func checkType(kind string) error {
	if !slices.Contains([]string{Local, Registry, Inline}, kind) {
		return fmt.Errorf("unknown type %q\nhint: use local (a directory), registry, or inline (in the image)", kind)
	}
	return nil
}
