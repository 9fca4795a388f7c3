package export

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/keyvalue"
)

// An Output is the value of one --output.
type Output struct {
	Type        string // image, oci, docker, tar, local or cacheonly
	Dest        string // a file or directory; "-" is standard output; "": none
	Names       []string
	Compression Compression
	Push        bool
	Rewrite     bool  // rewrite-timestamp
	Tar         bool  // oci, docker: an archive, not a directory
	Split       *bool // local, tar: a directory for each platform; nil: if there are several
	Annotations []Annotation

	// Epoch is source-date-epoch, the time of this output, which overrides that of the build.
	// If it is given without a value, files keep their times.
	Epoch     *time.Time
	KeepTimes bool
}

// FileEpoch returns the time that limits the times of the output's files, or nil. build is the
// SOURCE_DATE_EPOCH of the build.
func (o *Output) FileEpoch(build *time.Time) *time.Time {
	if o.KeepTimes {
		return nil
	}
	return cmp.Or(o.Epoch, build)
}

// IsStored reports whether an output is an image in the store.
func (o *Output) IsStored() bool { return o.Type == "image" || o.Type == "docker" && o.Dest == "" }

// IsImage reports whether an output consists of images, not of files.
func (o *Output) IsImage() bool { return o.Type == "image" || o.Type == "oci" || o.Type == "docker" }

// needsDest maps the types of outputs to whether they require a destination.
var needsDest = map[string]bool{
	"image": false, "oci": true, "docker": true, "tar": true, "local": true, "cacheonly": false,
}

// ParseOutput reads TYPE=…,KEY=VALUE…, or a directory, or - for an archive of the file system
// on standard output.
func ParseOutput(text string) (o Output, err error) {
	o = Output{Tar: true}
	if text == "-" {
		o.Type, o.Dest = "tar", "-"
		return o, nil
	}
	fields, err := keyvalue.Fields(text)
	if err != nil {
		return o, fmt.Errorf("--output %q: %w", text, err)
	}
	if len(fields) == 1 && !strings.Contains(fields[0], "=") {
		o.Type, o.Dest = "local", fields[0]
		return o, nil
	}
	given := map[string]bool{}
	for _, f := range fields {
		key, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		if err := o.setKey(key, value); err != nil {
			return o, fmt.Errorf("--output %q: %w", text, err)
		}
		given[key] = true
	}
	if err = o.setDefaults(); err == nil {
		err = o.checkKeys(given)
	}
	if err != nil {
		return o, fmt.Errorf("--output %q: %w", text, err)
	}
	return o, nil
}

// setDefaults sets defaults.
func (o *Output) setDefaults() error {
	needs, known := needsDest[o.Type]
	switch {
	case !known:
		return fmt.Errorf("type %q: must be image, registry, oci, docker, tar, local or cacheonly", o.Type)
	case o.Type == "docker" && o.Dest == "" && o.Tar: // buildx loads it into Docker's store; here it is minirun's
	case needs && o.Dest == "" && (o.Type == "local" || !o.Tar):
		return fmt.Errorf("type %s needs dest=DIRECTORY", o.Type)
	case needs && o.Dest == "":
		o.Dest = "-"
	case o.Dest == "-" && (o.Type == "local" || !o.Tar):
		return errors.New("dest=-: a directory cannot be written to standard output\nhint: use type=tar")
	}
	return o.Compression.check()
}

// keyTypes maps the keys that are valid for some types only.
var keyTypes = map[string]string{
	"compression": "image oci docker", "compression-level": "image oci docker",
	"force-compression": "image oci docker", "rewrite-timestamp": "image oci docker",
	"source-date-epoch": "image oci docker tar local",
	"name":              "image oci docker", "push": "image", "tar": "oci docker", "platform-split": "local tar",
	"mode": "local", "dest": "oci docker tar local",
}

// checkKeys rejects options that would have no effect.
func (o *Output) checkKeys(given map[string]bool) error {
	for key := range given {
		if list, ok := keyTypes[key]; ok && !strings.Contains(" "+list+" ", " "+o.Type+" ") {
			return fmt.Errorf("%s is only for type=%s, not for type=%s", key, strings.ReplaceAll(list, " ", "|"),
				o.Type)
		}
	}
	if len(o.Annotations) > 0 && !o.IsImage() {
		return fmt.Errorf("annotations are only for images, not for type=%s", o.Type)
	}
	return nil
}

func (o *Output) setKey(key, value string) (err error) {
	switch key {
	case "type":
		o.Type = value
		if value == "registry" {
			o.Type, o.Push = "image", true
		}
	case "dest":
		o.Dest = value
	case "name":
		o.Names = strings.Split(value, ",")
	case "compression":
		o.Compression.Kind = value
	case "compression-level":
		o.Compression.Level, err = parseLevel(value)
	case "force-compression":
		o.Compression.Force, err = parseBool(value)
	case "push":
		o.Push, err = parseBool(value)
	case "rewrite-timestamp":
		o.Rewrite, err = parseBool(value)
	case "source-date-epoch":
		o.Epoch, err = parseEpoch(value)
		o.KeepTimes = value == ""
	case "tar":
		o.Tar, err = parseBool(value)
	case "platform-split":
		var split bool
		split, err = parseBool(value)
		o.Split = &split
	case "mode":
		if value != "copy" {
			return fmt.Errorf("mode=%s: must be copy, which keeps other files in the directory", value)
		}
	case "oci-mediatypes", "oci-artifact", "unpack", "store": // always true here
		var on bool
		if on, err = parseBool(value); err == nil && !on {
			err = errors.New("cannot be turned off")
		}
	default:
		return o.addAnnotation(key, value)
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", key, value, err)
	}
	return nil
}

// parseLevel parses a compression level; 0 is valid too.
func parseLevel(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, errors.New("must be a number")
	}
	if n == 0 {
		return LevelNone, nil
	}
	return n, nil
}

// parseEpoch parses a time, which may be empty.
func parseEpoch(value string) (*time.Time, error) {
	if value == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	when := time.Unix(seconds, 0).UTC()
	if err != nil || when.Year() < 0 || when.Year() > 9999 {
		return nil, errors.New("must be seconds since 1970, up to the year 9999")
	}
	return &when, nil
}

// parseBool parses a switch; its name alone turns it on.
func parseBool(value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, errors.New("must be true or false")
	}
	return on, nil
}
