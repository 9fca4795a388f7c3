package attest

import (
	"fmt"
	"strings"
	"time"
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

// The predicate (https://spdx.github.io/spdx-spec/v2.3/).
type (
	spdx struct {
		ID            string         `json:"SPDXID"`
		Version       string         `json:"spdxVersion"`
		License       string         `json:"dataLicense"`
		Name          string         `json:"name"`
		Namespace     string         `json:"documentNamespace"`
		Creation      creation       `json:"creationInfo"`
		Packages      []spdxPackage  `json:"packages"`
		Relationships []relationship `json:"relationships"`
	}
	creation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID          string     `json:"SPDXID"`
		Name        string     `json:"name"`
		Version     string     `json:"versionInfo,omitempty"`
		Download    string     `json:"downloadLocation"`
		Analyzed    bool       `json:"filesAnalyzed"`
		Concluded   string     `json:"licenseConcluded"`
		Declared    string     `json:"licenseDeclared"`
		Copyright   string     `json:"copyrightText"`
		Source      string     `json:"sourceInfo,omitempty"`
		Description string     `json:"description,omitempty"`
		Purpose     string     `json:"primaryPackagePurpose,omitempty"`
		Comment     string     `json:"comment,omitempty"`
		References  []external `json:"externalRefs,omitempty"`
	}
	external struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	relationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

const (
	documentID  = "SPDXRef-DOCUMENT"
	imageID     = "SPDXRef-Image"
	noAssertion = "NOASSERTION"
)

// SPDX returns the predicate of a statement: the image, and the packages in it.
func SPDX(i Inventory) any {
	s := &spdx{
		ID: documentID, Version: "SPDX-2.3", License: "CC0-1.0", Name: i.Name,
		Namespace: "https://github.com/minirun/minirun/spdx/" + strings.ReplaceAll(i.Digest, ":", "-"),
		Creation:  creation{i.Created.UTC().Format(time.RFC3339), []string{strings.TrimSuffix("Tool: minirun-"+i.Version, "-")}},
		Packages: []spdxPackage{{
			ID: imageID, Name: i.Name, Version: i.Digest, Download: noAssertion, Concluded: noAssertion, Declared: noAssertion, Copyright: noAssertion, Purpose: "CONTAINER",
			Comment: "the packages of dpkg and apk, by their own databases; files that no package owns are not listed",
		}},
		Relationships: []relationship{{documentID, "DESCRIBES", imageID}},
	}
	used := map[string]bool{imageID: true}
	for _, p := range sortPackages(i.Packages) {
		one := spdxPackage{
			ID: p.spdxID(used), Name: p.Name, Version: p.Version, Download: noAssertion, Concluded: noAssertion, Declared: noAssertion, Copyright: noAssertion,
			Description: p.Description, References: []external{{"PACKAGE-MANAGER", "purl", p.URL(i.Distribution)}},
		}
		if p.Source != "" {
			one.Source = "built from the source package " + p.Source
		}
		if p.License != "" { // a distribution's license field is not always an SPDX expression
			one.Comment = "license, as the package says: " + p.License
		}
		s.Packages = append(s.Packages, one)
		s.Relationships = append(s.Relationships, relationship{imageID, "CONTAINS", one.ID})
	}
	return s
}

// spdxID returns a unique ID for the package, with letters, digits, dots and hyphens only.
func (p Package) spdxID(used map[string]bool) string {
	clean := func(r rune) rune {
		if r < 0x80 && (r == '.' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '-'
	}
	first := "SPDXRef-" + strings.Map(clean, p.Kind+"-"+p.Name+"-"+p.Architecture)
	id := first
	for n := 2; used[id]; n++ {
		id = fmt.Sprintf("%s-%d", first, n)
	}
	used[id] = true
	return id
}
