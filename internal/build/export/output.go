package export

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An Output is one --output.
type Output struct {
	Type        string // image, oci, docker, tar, local or cacheonly
	Dest        string // a file or directory; "-" is standard output; "": none
	Names       []string
	Compression Compression
	Push        bool
	Rewrite     bool // rewrite-timestamp
	Tar         bool // oci: an archive, not a directory
	Annotations map[string]string
}

// types are the outputs that there are, and whether they need a place.
var types = map[string]bool{"image": false, "oci": true, "docker": true, "tar": true, "local": true, "cacheonly": false}

// ParseOutput reads TYPE=…,KEY=VALUE…, or a directory, or - for an archive of the
// file system to standard output.
func ParseOutput(text string) (o Output, err error) {
	o = Output{Tar: true, Annotations: map[string]string{}}
	if text == "-" {
		o.Type, o.Dest = "tar", "-"
		return o, nil
	}
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return o, fmt.Errorf("--output %q: %w", text, err)
	}
	if len(fields) == 1 && !strings.Contains(fields[0], "=") {
		o.Type, o.Dest = "local", fields[0]
		return o, nil
	}
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		if err := o.set(key, value); err != nil {
			return o, fmt.Errorf("--output %q: %w", text, err)
		}
	}
	needs, known := types[o.Type]
	switch {
	case !known:
		return o, fmt.Errorf("--output %q: type %q: must be image, oci, docker, tar, local or cacheonly", text, o.Type)
	case needs && o.Dest == "" && (o.Type == "local" || !o.Tar):
		return o, fmt.Errorf("--output %q: type %s needs dest=DIRECTORY", text, o.Type)
	case needs && o.Dest == "":
		o.Dest = "-"
	}
	return o, nil
}

func (o *Output) set(key, value string) (err error) {
	flag := func(to *bool) {
		if *to = true; value != "" {
			*to, err = strconv.ParseBool(value)
		}
	}
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
		if o.Compression.Kind = value; !slices.Contains([]string{"gzip", "zstd", "uncompressed"}, value) {
			err = fmt.Errorf("compression %q: must be gzip, zstd or uncompressed", value)
		}
	case "compression-level":
		o.Compression.Level, err = strconv.Atoi(value)
	case "push":
		flag(&o.Push)
	case "rewrite-timestamp":
		flag(&o.Rewrite)
	case "tar":
		flag(&o.Tar)
	case "oci-mediatypes", "force-compression", "unpack", "store": // they are always so here
		var on bool
		if flag(&on); err == nil && !on {
			err = fmt.Errorf("%s=%s: minirun's images always have it", key, value)
		}
	default:
		name, ok := strings.CutPrefix(key, "annotation.")
		if !ok {
			return fmt.Errorf("%s: is unknown", key)
		}
		o.Annotations[name] = value
	}
	return err
}
