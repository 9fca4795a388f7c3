package attest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write testdata/*.json anew")

// golden compares got with testdata/NAME.json.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %v: it is now\n%s", file, err, got)
	}
}

const hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var about = []Subject{{Name: ImageURL("app", "1", "linux/amd64"), Digest: map[string]string{"sha256": hex}}}

func facts() Facts {
	return Facts{
		Version: "1.2", Dockerfile: "Dockerfile", Text: []byte("FROM base\n"),
		Arguments: map[string]string{"B": "2", "A": "1"}, Labels: map[string]string{"l": "x"}, Target: "final",
		Secrets: []Secret{{ID: "key"}, {ID: "other", Optional: true}}, SSH: []Secret{{ID: "default", Optional: true}},
		Locals: []string{"context"},
		Materials: []Material{
			{URI: "https://example.org/f", Digest: map[string]string{"sha256": hex}},
			{URI: ImageURL("base", "latest", "linux/amd64"), Digest: map[string]string{"sha256": hex}},
			{URI: "https://example.org/f", Digest: map[string]string{"sha256": hex}},
		},
		Steps: []Step{
			{Op: map[string]any{"source": map[string]any{"identifier": "docker-image://base"}}, First: 1, Last: 1},
			{Op: map[string]any{"exec": "…"}, Platform: "linux/arm/v7", Inputs: []int{0}, First: 2, Last: 3},
			{Op: map[string]any{}, Inputs: []int{1}},
		},
		Builder: "linux/amd64", Platform: "linux/arm64", Invocation: "X", Started: time.Unix(1e9, 0).UTC(),
		Finished: time.Unix(1e9+60, 0).UTC(),
	}
}

// TestProvenanceMatchesGoldenFiles: the content of each mode.
func TestProvenanceMatchesGoldenFiles(t *testing.T) {
	remote := facts()
	remote.Locals, remote.Context = nil, Material{URI: "https://example.org/r.git#main",
		Digest: map[string]string{"sha1": hex[:40]}}
	remote.Invocation, remote.BuilderID, remote.Reproducible, remote.Hermetic = "", "https://ci.example.org/1", true,
		true
	for name, c := range map[string]struct {
		f Facts
		m Mode
	}{"provenance-min": {facts(), Min}, "provenance-max": {facts(), Max}, "provenance-remote": {remote, Min}} {
		text, err := Statement(ProvenanceType, about, Provenance(c.f, c.m))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, text)
	}
	for name, p := range map[string]any{
		"provenance02-min": Provenance02(facts(), Min), "provenance02-max": Provenance02(facts(), Max),
		"metadata-file": ForMetadataFile(facts(), Min),
	} {
		text, err := Statement(Provenance02Type, about, p)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, text)
	}
	text, err := json.Marshal(Provenance(facts(), Min))
	for _, hidden := range []string{"build-arg", `"key"`, "Dockerfile\",\"data", "RlJPTSBiYXNl"} {
		if err != nil || strings.Contains(string(text), hidden) {
			t.Errorf("mode=min says %s", hidden)
		}
	}
}

const status = `Package: bash
Status: install ok installed
Priority: required
Maintainer: Matthias Klose <doko@debian.org>
Architecture: amd64
Version: 5.2.15-2+b7
Source: bash (5.2.15-2)
Depends: base-files (>= 2.1.12),
 debianutils (>= 5.6-0.1)
Description: GNU Bourne Again SHell
 Bash is an sh-compatible command language interpreter
 .
 Package: not a field

Package: gone
Status: deinstall ok config-files
Version: 1

Package: libc6
Status: hold ok installed
Architecture: amd64
Version: 1:2.36-9

Package: libc6
Status: install ok installed
Architecture: i386
Version: 1:2.36-9
`

const installed = `C:Q1abc=
P:musl
V:1.2.5-r0
A:x86_64
T:the musl c library (libc) implementation
L:MIT
o:musl
m:Natanael Copa <ncopa@alpinelinux.org>
F:lib
R:ld-musl-x86_64.so.1

P:busybox-binsh
V:1.36.1-r29
A:x86_64
o:busybox
`

// TestSPDXMatchesGoldenFile: the databases of two distributions → one document.
func TestSPDXMatchesGoldenFile(t *testing.T) {
	d := ParseOSRelease([]byte("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID='12'\n# comment\n"))
	i := Inventory{
		Version: "1.2", Name: "app:1", Digest: "sha256:" + hex, Created: time.Unix(1e9, 0), Distribution: d,
		Packages: append(ParseAPK([]byte(installed)), ParseDpkg([]byte(status))...),
	}
	text, err := Statement(SPDXType, about, SPDX(i))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "sbom", text)
	var read struct{ Predicate spdx.Document } // as other programs read it
	if err := json.Unmarshal(text, &read); err != nil || len(read.Predicate.Packages) != 1+len(i.Packages) {
		t.Errorf("%d packages, %v", len(read.Predicate.Packages), err)
	}
	i.Packages = nil
	if text, err = json.Marshal(SPDX(i)); err != nil || strings.Count(string(text), "SPDXID") != 2 {
		t.Errorf("without packages: %s, %v", text, err)
	}
}

// TestManifestHasBuildKitLayout: the layout is BuildKit's.
func TestManifestHasBuildKitLayout(t *testing.T) {
	image := oci.Descriptor{
		MediaType: oci.MediaTypeImageManifest, Digest: "sha256:" + hex, Size: 7,
		Platform: &oci.Platform{OS: "linux", Architecture: "amd64"}, Annotations: map[string]string{"a": "b"},
	}
	layer := Layer(ProvenanceType, oci.Descriptor{Digest: "sha256:" + hex, Size: 9})
	m := Manifest(image, []oci.Descriptor{layer})
	text, err := json.MarshalIndent(map[string]any{"manifest": m,
		"entry": Reference(image, oci.Descriptor{MediaType: m.MediaType, Digest: "sha256:" + hex, Size: 8})}, "",
		"  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "manifest", append(text, '\n'))
}

// TestParseOptions: the flags, and which of them take precedence.
func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		attests          []string
		provenance, sbom string
		want             Options
	}{
		{nil, "", "", Options{}},
		{nil, "true", "true", Options{Provenance: Min, SBOM: true}},
		{nil, "false", "0", Options{}},
		{nil, "mode=max,builder-id=https://x,reproducible=true", "",
			Options{Provenance: Max, BuilderID: "https://x", Reproducible: true}},
		{[]string{"type=provenance,mode=max", "type=sbom"}, "", "", Options{Provenance: Max, SBOM: true}},
		{[]string{"type=provenance,mode=max,version=v1"}, "false", "", Options{}},
		{nil, "version=v0.2,inline-only=true", "", Options{Provenance: Min, SLSA02: true, InlineOnly: true}},
		{[]string{"type=provenance,disabled=true", "type=sbom,disabled=false"}, "", "", Options{SBOM: true}},
	} {
		if got, err := Parse(c.attests, c.provenance, c.sbom); err != nil || got != c.want {
			t.Errorf("%q %q %q: %+v, %v; want %+v", c.attests, c.provenance, c.sbom, got, err, c.want)
		}
	}
	for _, bad := range []string{"type=provenance,mode=mid", "type=provenance,colour=red", "type=sbom,generator=x",
		"mode=max", "type=provenance,disabled=perhaps", "type=provenance,version=v2",
		"type=provenance,inline-only=x"} {
		if got, err := Parse([]string{bad}, "", ""); err == nil {
			t.Errorf("%s: %+v", bad, got)
		}
	}
}

// TestReadInstalledStaysBelowRoot: databases are found below an untrusted root, and nowhere else.
func TestReadInstalledStaysBelowRoot(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	root := filepath.Join(dir, "root")
	for name, text := range map[string]string{
		"outside": "Package: secret\nVersion: 1\n", "root/usr/lib/os-release": "ID=alpine\nVERSION_ID=3.22\n",
		"root/usr/lib/apk/db/installed":           installed,
		"root/var/lib/dpkg/status.d/bash":         "Package: bash\nVersion: 5\n",
		"root/var/lib/dpkg/status.d/bash.md5sums": "Package: nothing\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"etc": "usr/../usr/lib", "lib": "/usr/lib",
		"var/lib/dpkg/status": "../../../.." + outside, "var/lib/dpkg/status.d/link": outside} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, list, err := ReadInstalled(f)
	var names []string
	for _, p := range list {
		names = append(names, p.Kind+" "+p.Name)
	}
	if want := []string{"apk busybox-binsh", "apk musl", "deb bash"}; err != nil || d.ID != "alpine" ||
		!slices.Equal(names, want) {
		t.Errorf("%+v %q, %v; want %q", d, names, err, want)
	}
	if err := os.Remove(filepath.Join(root, "var/lib/dpkg/status")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "var/lib/dpkg/status"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadInstalled(f); !errors.Is(err, unix.EISDIR) {
		t.Errorf("of a directory: %v", err)
	}
}

// TestParseDpkgMatchesDpkgQuery: finds the same packages as dpkg's own tool.
func TestParseDpkgMatchesDpkgQuery(t *testing.T) {
	text, err := os.ReadFile("/var/lib/dpkg/status")
	if err != nil {
		t.Skip("this machine is no Debian: ", err)
	}
	out, err := exec.Command("dpkg-query", "-W", "-f",
		"${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package} ${binary:Summary}\\n").Output()
	if err != nil {
		t.Skip("dpkg-query: ", err)
	}
	var want, got []string
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "installed "); ok {
			want = append(want, rest)
		}
	}
	for _, p := range ParseDpkg(text) {
		got = append(got, strings.TrimSpace(strings.Join([]string{p.Name, p.Version, p.Architecture,
			cmp.Or(p.Source, p.Name), p.Description}, " ")))
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%d packages, dpkg-query has %d", len(got), len(want))
	}
}

// FuzzPackages: databases in images may have any content.
func FuzzPackages(f *testing.F) {
	f.Add([]byte(status))
	f.Add([]byte(installed))
	f.Fuzz(func(t *testing.T, text []byte) {
		list := append(ParseDpkg(text), ParseAPK(text)...)
		out, err := json.Marshal(SPDX(Inventory{Packages: list}))
		if err != nil {
			t.Fatal(err)
		}
		var s struct {
			Packages []struct{ SPDXID string } `json:"packages"`
		}
		if err := json.Unmarshal(out, &s); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, p := range s.Packages {
			if seen[p.SPDXID] {
				t.Error(fmt.Sprint("twice: ", p.SPDXID))
			}
			seen[p.SPDXID] = true
		}
	})
}
