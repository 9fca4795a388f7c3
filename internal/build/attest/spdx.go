package attest

import (
	"fmt"
	"strings"
	"time"

	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// An Inventory is the content of an SBOM.
type Inventory struct {
	Version      string // of minirun
	Name         string // of the image; its digest, if it has none
	Digest       string // of the image's manifest: sha256:HEX
	Created      time.Time
	Distribution Distribution
	Packages     []Package
}

const (
	documentID  = "DOCUMENT"
	imageID     = "Image"
	noAssertion = "NOASSERTION"
)

// SPDX returns the predicate of a statement (https://spdx.github.io/spdx-spec/v2.3/): the image,
// and the packages in it.
func SPDX(i Inventory) *spdx.Document {
	image := newPackage(imageID, i.Name, i.Digest)
	image.PrimaryPackagePurpose = "CONTAINER"
	image.PackageComment = "Packages from the databases of dpkg and apk. Files that belong to no package are not " +
		"listed."
	tool := common.Creator{CreatorType: "Tool", Creator: strings.TrimSuffix("minirun-"+i.Version, "-")}
	d := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: documentID, DocumentName: i.Name,
		DocumentNamespace: "https://github.com/minirun/minirun/spdx/" + strings.ReplaceAll(i.Digest, ":", "-"),
		CreationInfo: &spdx.CreationInfo{Created: i.Created.UTC().Format(time.RFC3339),
			Creators: []common.Creator{tool}},
		Packages:      []*spdx.Package{image},
		Relationships: []*spdx.Relationship{newRelationship(documentID, "DESCRIBES", imageID)},
	}
	used := map[common.ElementID]bool{imageID: true}
	for _, p := range sortPackages(i.Packages) {
		one := p.spdx(i.Distribution, used)
		d.Packages = append(d.Packages, one)
		d.Relationships = append(d.Relationships, newRelationship(imageID, "CONTAINS", one.PackageSPDXIdentifier))
	}
	return d
}

// newPackage returns a package about which minirun asserts no license.
func newPackage(id common.ElementID, name, version string) *spdx.Package {
	return &spdx.Package{
		PackageSPDXIdentifier: id, PackageName: name, PackageVersion: version, PackageDownloadLocation: noAssertion,
		PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion,
	}
}

func newRelationship(from common.ElementID, kind string, to common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{
		RefA: common.DocElementID{ElementRefID: from}, RefB: common.DocElementID{ElementRefID: to},
		Relationship: kind,
	}
}

// spdx returns the package's entry.
func (p Package) spdx(d Distribution, used map[common.ElementID]bool) *spdx.Package {
	out := newPackage(p.spdxID(used), p.Name, p.Version)
	out.PackageDescription = p.Description
	out.PackageExternalReferences = []*spdx.PackageExternalReference{
		{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: p.URL(d)},
	}
	if p.Source != "" {
		out.PackageSourceInfo = "built from the source package " + p.Source
	}
	if p.License != "" { // a distribution's license field is not always an SPDX expression
		out.PackageComment = "license field of the package: " + p.License
	}
	return out
}

// spdxID returns a unique ID for the package, with letters, digits, dots and hyphens only.
func (p Package) spdxID(used map[common.ElementID]bool) common.ElementID {
	clean := func(r rune) rune {
		if r < 0x80 && (r == '.' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '-'
	}
	first := strings.Map(clean, p.Kind+"-"+p.Name+"-"+p.Architecture)
	id := common.ElementID(first)
	for n := 2; used[id]; n++ {
		id = common.ElementID(fmt.Sprintf("%s-%d", first, n))
	}
	used[id] = true
	return id
}
