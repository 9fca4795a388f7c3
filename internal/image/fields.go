package image

import "time"

// This file defines the fields of an image's documents that are needed to run it (image-spec,
// image-index.md, manifest.md, config.md; moby, image/spec/v1.2.md).
//
// The types of image-spec are not used here, because its digest package compiles regular
// expressions when a program starts. That takes a quarter of a millisecond, which an engine would
// pay for every operation on a container. Packages that only cmd/minirun-image links use
// image-spec's types.

// A Descriptor identifies a document or blob and its type.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
	Platform    *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

func (d *Descriptor) name() string { return d.Annotations["org.opencontainers.image.ref.name"] }

// IsIndex reports whether a media type is that of an index, which is a list of manifests.
func IsIndex(mediaType string) bool {
	return mediaType == "application/vnd.oci.image.index.v1+json" ||
		mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}

type manifests struct {
	Manifests []Descriptor `json:"manifests"`
}

type manifest struct {
	Config Descriptor `json:"config"`
}

// A Config is an image's configuration.
type Config struct {
	Created      *time.Time `json:"created"`
	Author       string     `json:"author"`
	Architecture string     `json:"architecture"`
	Variant      string     `json:"variant"`
	OS           string     `json:"os"`
	OSVersion    string     `json:"os.version"`
	OSFeatures   []string   `json:"os.features"`
	Config       Execution  `json:"config"`
}

// An Execution is the part of a configuration with which the image is run.
type Execution struct {
	User         string
	ExposedPorts map[string]struct{}
	Env          []string
	Entrypoint   []string
	Cmd          []string
	Volumes      map[string]struct{}
	WorkingDir   string
	Labels       map[string]string
	StopSignal   string
	Shell        []string     // Docker extension: for commands in shell form
	Healthcheck  *Healthcheck // Docker extension
}

// A Healthcheck is the command that checks a container's health. Zero means Docker's default.
type Healthcheck struct {
	Test          []string      `json:",omitempty"` // CMD and an argv, CMD-SHELL and a line, or NONE
	Interval      time.Duration `json:",omitempty"`
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration `json:",omitempty"`
	Retries       int           `json:",omitempty"`
}
