package build

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestOutputMetadata: the provenance and the lint findings in --metadata-file, as the environment
// variables select them.
func TestOutputMetadata(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nARG A\nRUN echo $A > /a\nCOPY f /f\nMAINTAINER x\n", "f": "content\n"}, "")
	file := filepath.Join(t.TempDir(), "metadata")
	type metadata struct {
		Ref        string                   `json:"buildx.build.ref"`
		Descriptor oci.Descriptor           `json:"containerimage.descriptor"`
		Warnings   []struct{ Short []byte } `json:"buildx.build.warnings"`
		Provenance *struct {
			BuildType  string
			Invocation struct {
				Parameters struct {
					Frontend string
					Args     map[string]string
				}
			}
			Materials   []struct{ URI string }
			BuildConfig *struct {
				LLBDefinition []struct {
					ID     string
					Inputs []string
					Op     struct{ Op map[string]any }
				}
			}
			Metadata *struct{ Completeness struct{ Parameters bool } }
		} `json:"buildx.build.provenance"`
	}
	ask := func(provenance, warnings string) (m metadata) {
		t.Helper()
		t.Setenv("BUILDX_METADATA_PROVENANCE", provenance)
		t.Setenv("BUILDX_METADATA_WARNINGS", warnings)
		s.build("--build-arg", "A=1", "-t", "x", "--metadata-file", file, dir)
		read(t, file, &m)
		return m
	}
	m := ask("", "")
	p := m.Provenance
	if !strings.HasPrefix(m.Ref, "default/default/") || p == nil || m.Warnings != nil || m.Descriptor.Platform == nil || m.Descriptor.Annotations[oci.AnnotationCreated] == "" {
		t.Fatalf("by default: %+v", m)
	}
	if p.Invocation.Parameters.Frontend != "dockerfile.v0" || len(p.Invocation.Parameters.Args) > 0 || p.BuildConfig != nil || p.Metadata != nil || len(p.Materials) != 1 {
		t.Errorf("min: %+v", p)
	}
	m = ask("max", "1")
	if p = m.Provenance; p == nil || p.BuildConfig == nil || p.Metadata == nil || !p.Metadata.Completeness.Parameters || p.Invocation.Parameters.Args["build-arg:A"] != "1" {
		t.Fatalf("max: %+v", p)
	}
	var ops []string
	for i, d := range p.BuildConfig.LLBDefinition {
		for kind := range d.Op.Op {
			ops = append(ops, fmt.Sprintf("%s %s %q", d.ID, kind, d.Inputs))
		}
		if d.ID != fmt.Sprintf("step%d", i) {
			t.Errorf("step %d is %s", i, d.ID)
		}
	}
	if want := []string{`step0 source []`, `step1 exec ["step0:0"]`, `step2 source []`, `step3 file ["step1:0" "step2:0"]`}; !slices.Equal(ops, want) {
		t.Errorf("the build definition: %q, want %q", ops, want)
	}
	if len(m.Warnings) != 1 || !strings.HasPrefix(string(m.Warnings[0].Short), "MaintainerDeprecated: ") {
		t.Errorf("warnings: %+v", m.Warnings)
	}
	if m = ask("disabled", "0"); m.Provenance != nil || m.Warnings != nil {
		t.Errorf("disabled: %+v", m)
	}
	t.Setenv("BUILDX_METADATA_PROVENANCE", "some")
	s.Minirun("build", "--metadata-file", file, dir).Fails(t, "BUILDX_METADATA_PROVENANCE=some", "min, max or disabled")
}

// TestOutputProvenance: provenance in SLSA 0.2 and SLSA 1 format; with inline-only, only images in
// the store have it.
func TestOutputProvenance(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --network=none echo x > /x\n"}, "")
	for version, field := range map[string]string{"v0.2": "invocation", "v1": "buildDefinition"} {
		out := t.TempDir()
		s.build("--provenance", "mode=max,version="+version, "-o", out, dir)
		var statement struct {
			PredicateType string
			Predicate     map[string]any
		}
		read(t, filepath.Join(out, "provenance.json"), &statement)
		if statement.PredicateType != "https://slsa.dev/provenance/"+version || statement.Predicate[field] == nil {
			t.Errorf("%s: %+v", version, statement)
		}
		if text := fmt.Sprint(statement.Predicate); !strings.Contains(text, "llbDefinition:[map[id:step0 op:map[Op:map[source:map[identifier:docker-image://base@sha256:") ||
			!strings.Contains(text, "locations:map[step0:map[locations:[map[ranges:[map[end:map[line:1]") || !strings.Contains(text, "network:2") {
			t.Errorf("%s: no build definition: %s", version, text)
		}
	}
	out, file := t.TempDir(), filepath.Join(t.TempDir(), "image.tar")
	s.build("--provenance", "inline-only=true", "-t", "inline", "-o", out, "-o", "type=oci,dest="+file, "-o", "type=image", dir)
	if _, err := os.Stat(filepath.Join(out, "provenance.json")); err == nil {
		t.Error("with inline-only the files have a provenance")
	}
	if r := openResult(t, file); r.top.MediaType != oci.MediaTypeImageManifest {
		t.Errorf("with inline-only the archive is of %s", r.top.MediaType)
	}
	sent := filepath.Join(t.TempDir(), "sent.tar")
	s.Do("save", "-q", "-o", sent, "inline")
	if r := openResult(t, sent); len(r.index.Manifests) != 2 {
		t.Errorf("with inline-only the image of the store has %d manifests", len(r.index.Manifests))
	}
}

// TestPushedIndexIsUnchangedAfterPull: an index of two platforms with attestations is pushed to a
// registry and pulled back unchanged.
func TestPushedIndexIsUnchangedAfterPull(t *testing.T) {
	host := testbundle.Registry(t)
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /f\n", "amd64": "for amd64\n", "arm64": "for arm64\n"}, "")
	name := host + "/app:1"
	s.build("--platform", "linux/amd64,linux/arm64", "--provenance", "true", "--sbom", "true", "-t", name, "--push", "-o", "type=local,dest="+filepath.Join(t.TempDir(), "too"), dir)
	sent := filepath.Join(t.TempDir(), "sent.tar")
	s.Do("save", "-q", "-o", sent, name)
	want := openResult(t, sent)
	other := newStore(t)
	other.Do("pull", "-q", "--all-platforms", name)
	came := filepath.Join(t.TempDir(), "came.tar")
	other.Do("save", "-q", "-o", came, name)
	got := openResult(t, came)
	if got.top.Digest != want.top.Digest || len(got.index.Manifests) != 4 {
		t.Fatalf("came %s with %d, sent %s", got.top.Digest, len(got.index.Manifests), want.top.Digest)
	}
	for _, d := range got.index.Manifests {
		var m oci.Manifest
		got.read(d, &m)
		for _, l := range append(m.Layers, m.Config) {
			if text, err := os.ReadFile(blob(got.dir, l)); err != nil || digestOf(text) != l.Digest.String() {
				t.Errorf("%s of %s: %v", l.Digest, d.Digest, err)
			}
		}
	}
	other.Check()
	other.Do("rmi", name)
	if left, err := os.ReadDir(filepath.Join(other.StoreDir, "blobs", "sha256")); err != nil || len(left) == 0 {
		t.Error("the base images have gone, too", err)
	}
	other.Check()
	if text := string(got.plain(got.manifest("linux/arm64").Layers[0])); !strings.Contains(text, "for arm64") {
		t.Error("the image for arm64 has other files")
	}
	again := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}, "")
	s.build("-o", "type=registry,name="+host+"/app:2", again)
	newStore(t).Do("pull", "-q", host+"/app:2")
}

// TestOutputAttestations: which attestations are attached to an image, and that the image itself does
// not change.
func TestOutputAttestations(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{
		"Dockerfile": "ARG FROM=base\nFROM $FROM\nARG OPEN\nCOPY status /real/status\nRUN --mount=type=secret,id=key --network=none mkdir -p /var/lib/dpkg && ln -s /real/status /var/lib/dpkg/status && echo $OPEN\n",
		"status":     "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n",
		"key":        "very secret\n",
	}, "")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	of := func(args ...string) *result {
		file := filepath.Join(t.TempDir(), "out.tar")
		args = append(args, "--secret", "id=key,src="+filepath.Join(dir, "key"), "--build-arg", "OPEN=to everybody", "-o", "type=oci,rewrite-timestamp=true,dest="+file, dir)
		s.build(args...)
		return openResult(t, file)
	}
	bare, attested := of(), of("--attest", "type=provenance,mode=max", "--sbom", "true")
	entry := attested.descriptor("linux/amd64")
	if entry.Digest != bare.top.Digest {
		t.Errorf("with attestations the image is %s, without %s", entry.Digest, bare.top.Digest)
	}
	extra := attested.descriptor("unknown/unknown")
	if extra.Annotations["vnd.docker.reference.type"] != "attestation-manifest" || extra.Annotations["vnd.docker.reference.digest"] != entry.Digest.String() {
		t.Errorf("the entry of the attestations says %v", extra.Annotations)
	}
	var m oci.Manifest
	attested.read(extra, &m)
	if m.Subject == nil || m.Subject.Digest != entry.Digest || m.Config.MediaType != oci.MediaTypeEmptyJSON || len(m.Layers) != 2 {
		t.Fatalf("the manifest of the attestations is %+v", m)
	}
	statements := map[string][]byte{}
	for _, l := range m.Layers {
		text, err := os.ReadFile(blob(attested.dir, l))
		if err != nil || l.MediaType != "application/vnd.in-toto+json" || !bytes.Contains(text, []byte(entry.Digest.Encoded())) {
			t.Errorf("%s: %v", l.MediaType, err)
		}
		statements[l.Annotations["in-toto.io/predicate-type"]] = text
	}
	provenance := string(statements["https://slsa.dev/provenance/v1"])
	for _, words := range []string{`"build-arg:OPEN": "to everybody"`, `"id": "key"`, "pkg:docker/base@latest", `"minirun_hermetic": true`, `"targetPlatform": "linux/amd64"`} {
		if !strings.Contains(provenance, words) {
			t.Errorf("the provenance has no %s:\n%s", words, provenance)
		}
	}
	if sbom := string(statements["https://spdx.dev/Document"]); !strings.Contains(sbom, "pkg:deb/bash@5.2-1?arch=amd64") {
		t.Errorf("the SBOM has no bash: %s", sbom)
	}
	less, err := exec.Command("grep", "-rlE", "to everybody|very secret", of("--provenance", "mode=min").dir+"/blobs").CombinedOutput()
	// The RUN instruction itself is in the configuration.
	if fewer := strings.Fields(string(less)); err == nil && len(fewer) > 1 {
		t.Errorf("mode=min has said too much: %s", less)
	}
	if out, err := exec.Command("grep", "-rl", "very secret", attested.dir).CombinedOutput(); err == nil {
		t.Errorf("the secret is in %s", out)
	}
}

// TestProvenanceListsMaterials: everything that was fetched is listed, with digests and without
// passwords, and also if it came from the cache.
func TestProvenanceListsMaterials(t *testing.T) {
	s := newStore(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fetched\n") }))
	defer server.Close()
	at := strings.Replace(server.URL, "http://", "http://user:password@", 1) + "/f"
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base AS a\nFROM scratch\nADD " + at + " /f\nCOPY --from=configured /bin/busybox /\n"}, "")
	for range 2 {
		out := t.TempDir()
		s.build("--provenance", "true", "-o", out, dir)
		text, err := os.ReadFile(filepath.Join(out, "provenance.json"))
		if err != nil {
			t.Fatal(err)
		}
		var statement struct {
			Predicate struct {
				BuildDefinition struct{ ResolvedDependencies []struct{ URI string } }
			}
		}
		if err := json.Unmarshal(text, &statement); err != nil {
			t.Fatal(err)
		}
		var uris []string
		for _, m := range statement.Predicate.BuildDefinition.ResolvedDependencies {
			uris = append(uris, m.URI)
		}
		if want := []string{server.URL + "/f", "pkg:docker/configured@latest?platform=linux%2F" + runtime.GOARCH}; !slices.Equal(uris, want) {
			t.Errorf("materials: %q, want %q", uris, want)
		}
		if strings.Contains(string(text), "password") || !strings.Contains(string(text), strings.TrimPrefix(digestOf([]byte("fetched\n")), "sha256:")) {
			t.Errorf("the provenance is %s", text)
		}
	}
}

// TestOutputAttestationsOfFiles: attestations of an output that is not an image are written next to its
// files.
func TestOutputAttestationsOfFiles(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	out := t.TempDir()
	s.build("--platform", "linux/arm64,linux/amd64", "--provenance", "true", "-o", out, dir)
	for _, platform := range []string{"linux_amd64", "linux_arm64"} {
		checkOnly(t, filepath.Join(out, platform), "f", "provenance.json")
		text, err := os.ReadFile(filepath.Join(out, platform, "provenance.json"))
		if err != nil || !strings.Contains(string(text), strings.TrimPrefix(digestOf([]byte("content\n")), "sha256:")) {
			t.Errorf("%s: %v: %s", platform, err, text)
		}
	}
	one := t.TempDir() // for all platforms
	s.build("--platform", "linux/arm64,linux/amd64", "--provenance", "true", "--sbom", "true", "-o", "type=local,platform-split=false,dest="+one, dir)
	checkOnly(t, one, "f", "provenance.linux_amd64.json", "provenance.linux_arm64.json", "sbom.linux_amd64.spdx.json", "sbom.linux_arm64.spdx.json")
}
