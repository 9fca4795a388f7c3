package export

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

func yes(v bool) *bool { return &v }

// TestParseOutput: values of --output, and their meaning.
func TestParseOutput(t *testing.T) {
	minute := time.Unix(60, 0).UTC()
	for text, want := range map[string]Output{
		"-":                            {Type: "tar", Dest: "-", Tar: true},
		"dir":                          {Type: "local", Dest: "dir", Tar: true},
		"type=local,dest=a b":          {Type: "local", Dest: "a b", Tar: true},
		"type=tar":                     {Type: "tar", Dest: "-", Tar: true},
		"type=tar,platform-split=0":    {Type: "tar", Dest: "-", Tar: true, Split: yes(false)},
		"type=local,dest=d,mode=copy":  {Type: "local", Dest: "d", Tar: true},
		"type=image":                   {Type: "image", Tar: true},
		"type=cacheonly":               {Type: "cacheonly", Tar: true},
		"type=registry,name=a/b:1":     {Type: "image", Push: true, Names: []string{"a/b:1"}, Tar: true},
		`type=image,"name=a,b",push`:   {Type: "image", Push: true, Names: []string{"a", "b"}, Tar: true},
		"type=docker":                  {Type: "docker", Tar: true},
		"type=docker,dest=-":           {Type: "docker", Dest: "-", Tar: true},
		"type=oci,tar=false,dest=d":    {Type: "oci", Dest: "d"},
		"type=oci,oci-mediatypes=true": {Type: "oci", Dest: "-", Tar: true},
		"type=oci,rewrite-timestamp=true,compression=zstd,compression-level=22,force-compression=true": {
			Type: "oci", Dest: "-", Tar: true, Rewrite: true, Compression: Compression{"zstd", 22, true},
		},
		"type=tar,source-date-epoch=60": {Type: "tar", Dest: "-", Tar: true, Epoch: &minute},
		"type=oci,source-date-epoch=":   {Type: "oci", Dest: "-", Tar: true, KeepTimes: true},
		"type=oci,compression-level=0": {Type: "oci", Dest: "-", Tar: true,
			Compression: Compression{Level: LevelNone}},
		"type=oci,annotation.a.b=c=d,annotation-index[linux/arm64/v8].k=v": {
			Type: "oci", Dest: "-", Tar: true, Annotations: []Annotation{{"manifest", "", "a.b", "c=d"},
				{"index", "linux/arm64", "k", "v"}},
		},
	} {
		if got, err := ParseOutput(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

// TestParseAnnotation: types, platforms, and keys with colons.
func TestParseAnnotation(t *testing.T) {
	for text, want := range map[string]string{
		"a=b":                       "[{manifest  a b}]",
		"a=":                        "[{manifest  a }]",
		"a=b:c=d":                   "[{manifest  a b:c=d}]",
		"org.example:a=b":           "[{manifest  org.example:a b}]",
		"index:a=b":                 "[{index  a b}]",
		"manifest[linux/amd64]:a=b": "[{manifest linux/amd64 a b}]",
		"index-descriptor,manifest-descriptor[linux/arm/v7]:a=b": "[{index-descriptor  a b} {manifest-descriptor " +
			"linux/arm/v7 a b}]",
	} {
		if got, err := ParseAnnotation(text); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v; want %s", text, got, err, want)
		}
	}
	for text, words := range map[string]string{"a": "KEY=VALUE", "=b": "KEY=VALUE", "index:": "KEY=VALUE",
		"layer:a=b": "must be one of manifest", "manifest[x/y/z/w]:a=b": "x/y/z/w"} {
		if got, err := ParseAnnotation(text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, %v; want %q", text, got, err, words)
		}
	}
}

// TestCompressionRecognizesMediaType: a layer with the right compression is not packed again, whichever tool
// created it.
func TestCompressionRecognizesMediaType(t *testing.T) {
	for _, c := range []struct {
		kind, mediaType string
		want            bool
	}{
		{"", oci.MediaTypeImageLayerGzip, true},
		{"gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip", true},
		{"uncompressed", "application/vnd.docker.image.rootfs.diff.tar", true},
		{"zstd", oci.MediaTypeImageLayerZstd, true},
		{"zstd", "application/vnd.docker.image.rootfs.diff.tar.gzip", false},
		{"gzip", oci.MediaTypeImageLayer, false},
	} {
		if got := (Compression{Kind: c.kind}).matches(oci.Descriptor{MediaType: c.mediaType}); got != c.want {
			t.Errorf("%q has %s: %t", c.kind, c.mediaType, got)
		}
	}
}
