package images

import (
	"archive/tar"
	"encoding/base64"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// compressedArchives returns archives that are compressed as a whole, in each format and in several
// streams.
func compressedArchives() map[string]unusual {
	out := map[string]unusual{}
	for kind, write := range map[string]func(*saved, *testing.T) string{"docker": (*saved).docker, "OCI": (*saved).oci} {
		for _, how := range []string{"gzip", "bzip2", "xz", "zstd"} {
			out[kind+" in "+how] = unusual{make: func(t *testing.T) string { return squeeze(t, how, write(newSaved(t), t)) }}
			out[kind+" in two streams of "+how] = unusual{make: func(t *testing.T) string {
				text := write(newSaved(t), t)
				return squeeze(t, how, text[:3000]) + squeeze(t, how, text[3000:])
			}}
		}
		out[kind+" in zstd after a skippable frame"] = unusual{make: func(t *testing.T) string {
			return "\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + squeeze(t, "zstd", write(newSaved(t), t))
		}}
		out[kind+" with names after ./"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.prefix = "./"
			return write(s, t)
		}}
		out[kind+" with absolute names"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.prefix = "/"
			return write(s, t)
		}}
		out[kind+" with a global header"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.more = []tar.Header{{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}}}
			return write(s, t)
		}}
		out[kind+" with junk after its end"] = unusual{make: func(t *testing.T) string {
			return write(newSaved(t), t) + strings.Repeat("junk", 1000)
		}}
		out[kind+" in the format of 1988"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.format = tar.FormatUSTAR
			return write(s, t)
		}}
		out[kind+" in GNU's format"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.format = tar.FormatGNU
			s.paths[0] = strings.Repeat("long", 40) + "/layer.tar"
			return write(s, t)
		}}
		out[kind+" without an architecture"] = unusual{onlyLoad: true, make: func(t *testing.T) string {
			s := newSaved(t)
			s.config = object{"architecture": "", "os": ""}
			return write(s, t)
		}}
		out[kind+" with an empty layer"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.add(string(archive(t, nil)))
			return write(s, t)
		}}
		out[kind+" with a layer of no bytes"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.add("")
			return write(s, t)
		}}
		out[kind+" with the same layer twice"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.add(s.plain[0])
			return write(s, t)
		}}
		out[kind+" with the same layer in two compressions"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.add(s.plain[0])
			s.blobs[2] = squeeze(t, "gzip", s.plain[0])
			return write(s, t)
		}}
		out[kind+" with a history of other layers"] = unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			s.config = object{"history": []object{{"created_by": "x", "empty_layer": true}, {"created_by": "y", "empty_layer": true}}}
			return write(s, t)
		}}
	}
	return out
}

func dockerArchives() map[string]unusual {
	with := func(change func(t *testing.T, s *saved)) unusual {
		return unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			change(t, s)
			return s.docker(t)
		}}
	}
	out := map[string]unusual{
		"docker": with(func(*testing.T, *saved) {}),
		"docker of 2016": with(func(_ *testing.T, s *saved) {
			s.more = []tar.Header{dir("0/"), file("0/VERSION", "1.0"), file("0/json", `{"id":"0"}`), file("repositories", `{"x":{"1":"0"}}`)}
		}),
		"docker with paths from the root": with(func(_ *testing.T, s *saved) {
			s.entry = object{"Config": "/config.json", "Layers": []string{"/0/layer.tar", "/00/layer.tar"}}
		}),
		"docker with null for names":      with(func(_ *testing.T, s *saved) { s.entry = object{"RepoTags": nil} }),
		"docker without names":            with(func(_ *testing.T, s *saved) { s.entry = object{"RepoTags": []string{}} }),
		"docker with two names":           with(func(_ *testing.T, s *saved) { s.entry = object{"RepoTags": []string{"x:1", "y:2"}} }),
		"docker with the name of no name": with(func(_ *testing.T, s *saved) { s.entry = object{"RepoTags": []string{"<none>:<none>"}} }),
		"docker with one path twice":      with(func(_ *testing.T, s *saved) { s.add(s.plain[0]); s.paths[2] = s.paths[0] }),
		"docker with sources of layers": with(func(_ *testing.T, s *saved) {
			s.entry = object{"LayerSources": object{digest.FromString(s.plain[0]).String(): object{"size": 1}}}
		}),
		"docker with a member twice":         with(func(_ *testing.T, s *saved) { s.more = []tar.Header{file(s.paths[0], s.plain[1])} }),
		"docker with a layer without an end": with(func(_ *testing.T, s *saved) { s.plain[1] = s.plain[1][:1024]; s.blobs[1] = s.plain[1] }),
		"docker with names of digests": with(func(t *testing.T, s *saved) {
			s.all(t, "gzip")
			for i := range s.paths {
				s.paths[i] = digest.FromString(s.blobs[i]).String() + ".tar.gz"
			}
		}),
		"docker with a symbolic link to a layer": with(func(_ *testing.T, s *saved) {
			s.add(s.plain[0])
			s.more = []tar.Header{link(s.paths[2], "../0/layer.tar")}
			s.entry = object{"Layers": s.paths}
			s.paths = s.paths[:2]
		}),
		"docker with a hard link to a layer": with(func(_ *testing.T, s *saved) {
			s.add(s.plain[0])
			s.more = []tar.Header{hard(s.paths[2], "0/layer.tar")}
			s.entry = object{"Layers": s.paths}
			s.paths = s.paths[:2]
		}),
		"docker in the format of 2024": {make: func(t *testing.T) string {
			s := newSaved(t)
			members, d := s.layout()
			for i, p := range s.plain {
				s.paths[i] = "blobs/sha256/" + digest.FromString(p).Encoded()
			}
			entry := object{"Config": "blobs/sha256/" + digest.FromBytes(s.configuration()).Encoded(), "RepoTags": []string{"x:1"}, "Layers": s.paths}
			return s.pack(t, append(members, file("index.json", string(encode(object{"schemaVersion": 2, "manifests": []object{d}}))), file("manifest.json", string(encode([]object{entry})))))
		}},
	}
	for _, how := range []string{"gzip", "bzip2", "xz", "zstd"} {
		out["docker with layers in "+how] = with(func(t *testing.T, s *saved) { s.all(t, how) })
	}
	for what, change := range map[string]func(*saved){
		"no layers":           func(*saved) {},
		"null for its layers": func(s *saved) { s.entry, s.manifest = object{"Layers": nil}, object{"layers": []object(nil)} },
		"one empty layer":     func(s *saved) { s.add(strings.Repeat("\x00", 1024)) },
	} {
		for kind, write := range map[string]func(*saved, *testing.T) string{"docker": (*saved).docker, "OCI": (*saved).oci} {
			out[kind+" with "+what] = unusual{files: nothing, make: func(t *testing.T) string {
				s := newSaved(t, []tar.Header{})
				s.plain, s.blobs, s.types, s.paths = nil, nil, nil, []string{}
				change(s)
				return write(s, t)
			}}
		}
	}
	return out
}

func ociArchives() map[string]unusual {
	with := func(change func(t *testing.T, s *saved)) unusual {
		return unusual{make: func(t *testing.T) string {
			s := newSaved(t)
			change(t, s)
			return s.oci(t)
		}}
	}
	layersIn := func(how, mediaType string) unusual {
		return with(func(t *testing.T, s *saved) {
			s.all(t, how)
			s.types = []string{mediaType, mediaType}
		})
	}
	const dockerManifest, dockerLayer = "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"
	return map[string]unusual{
		"OCI":                          with(func(*testing.T, *saved) {}),
		"OCI with gzip":                layersIn("gzip", oci.MediaTypeImageLayerGzip),
		"OCI with zstd":                layersIn("zstd", oci.MediaTypeImageLayerZstd),
		"OCI with gzip called plain":   {onlyLoad: true, make: layersIn("gzip", oci.MediaTypeImageLayer).make},
		"OCI with zstd called gzip":    layersIn("zstd", oci.MediaTypeImageLayerGzip),
		"OCI with plain called gzip":   layersIn("plain", oci.MediaTypeImageLayerGzip),
		"OCI with xz called plain":     layersIn("xz", oci.MediaTypeImageLayer),
		"OCI with bzip2 called gzip":   layersIn("bzip2", oci.MediaTypeImageLayerGzip),
		"OCI without media types":      with(func(_ *testing.T, s *saved) { s.manifest, s.index = object{"mediaType": nil}, object{"mediaType": nil} }),
		"OCI without a name":           with(func(_ *testing.T, s *saved) { s.index = object{"annotations": nil} }),
		"OCI with null for its config": with(func(_ *testing.T, s *saved) { s.config = object{"config": nil} }),
		"OCI with a subject": with(func(_ *testing.T, s *saved) {
			s.manifest = object{"artifactType": "a/b", "subject": object{"mediaType": "a/b", "digest": digest.FromString("").String(), "size": 0}}
		}),
		"OCI with Docker's media types": with(func(t *testing.T, s *saved) {
			s.all(t, "gzip")
			s.types = []string{dockerLayer, dockerLayer}
			s.manifest, s.index = object{"mediaType": dockerManifest}, object{"mediaType": dockerManifest}
		}),
		"OCI without oci-layout": {make: func(t *testing.T) string { return without(t, newSaved(t).oci(t), "oci-layout") }},
		"OCI with a layer in its descriptor": {make: func(t *testing.T) string {
			s := newSaved(t)
			s.describe = func(i int, d object) { d["data"] = base64.StdEncoding.EncodeToString([]byte(s.blobs[i])) }
			return without(t, s.oci(t), "blobs/sha256/"+digest.FromString(s.blobs[0]).Encoded())
		}},
		"OCI with an index below": {make: func(t *testing.T) string {
			s := newSaved(t)
			members, d := s.layout()
			delete(d, "annotations")
			attached := object{"mediaType": oci.MediaTypeImageManifest, "digest": digest.FromString("none").String(), "size": 4, "platform": object{"os": "unknown", "architecture": "unknown"}}
			d["platform"] = object{"os": "linux", "architecture": runtime.GOARCH}
			index := string(encode(object{"schemaVersion": 2, "mediaType": oci.MediaTypeImageIndex, "manifests": []object{attached, d}}))
			top := object{"mediaType": oci.MediaTypeImageIndex, "digest": digest.FromString(index).String(), "size": len(index), "annotations": object{oci.AnnotationRefName: "x:1"}}
			return s.pack(t, append(members, file("blobs/sha256/"+digest.FromString(index).Encoded(), index), file("index.json", string(encode(object{"schemaVersion": 2, "manifests": []object{top}})))))
		}},
	}
}

// unusualLayers returns layers as Kaniko, Buildpacks, Bazel and git archive write them.
func unusualLayers() map[string]unusual {
	global := tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}}
	out := map[string]unusual{}
	for name, c := range map[string]struct {
		files  string
		layers [][]tar.Header
	}{
		"absolute names":                  {"a a/f b", [][]tar.Header{{dir("/"), dir("/a"), file("/a/f", "f")}, {file("/b", "b")}}},
		"an absolute whiteout":            {"a", [][]tar.Header{{dir("/a"), file("/a/f", "f")}, {file("/a/.wh.f", "")}}},
		"the root only":                   {nothing, [][]tar.Header{{dir("/")}, {dir("./")}}},
		"names with ./ and //":            {"a a/f b", [][]tar.Header{{dir("./"), file(".//a///f", "f")}, {file("./b", "b")}}},
		"a link, then below it":           {"sbin usr usr/bin usr/bin/tool", [][]tar.Header{{dir("usr/bin"), link("sbin", "usr/bin"), file("sbin/tool", "t")}}},
		"an absolute link, then below it": {"sbin usr usr/bin usr/bin/tool", [][]tar.Header{{link("sbin", "/usr/bin"), file("sbin/tool", "t")}}},
		"a link of the layer below":       {"lib usr usr/lib usr/lib/x", [][]tar.Header{{dir("usr/lib"), link("lib", "usr/lib")}, {file("lib/x", "x")}}},
		"a whiteout through a link":       {"lib usr usr/lib", [][]tar.Header{{dir("usr/lib"), file("usr/lib/x", "x"), link("lib", "usr/lib")}, {file("lib/.wh.x", "")}}},
		"a hard link to an absolute path": {"a b", [][]tar.Header{{file("a", "a"), hard("b", "/a")}}},
		"a file twice":                    {"a", [][]tar.Header{{file("a", "1"), file("a", "2")}}},
		".. that stays inside":            {"a b", [][]tar.Header{{dir("a"), file("a/../b", "b")}}},
		"parents that are not listed":     {"a a/b a/b/c", [][]tar.Header{{file("a/b/c", "c")}}},
	} {
		out["layers with "+name] = unusual{files: c.files, make: func(t *testing.T) string { return newSaved(t, c.layers...).oci(t) }}
	}
	out["layers with a global header"] = unusual{onlyLoad: true, make: func(t *testing.T) string {
		return newSaved(t, []tar.Header{global, file("a/f", "f")}, []tar.Header{file("b", "b")}).docker(t)
	}}
	return out
}
