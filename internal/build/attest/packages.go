package attest

import (
	"bufio"
	"bytes"
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// A Package is a package installed by a distribution's package manager.
type Package struct {
	Kind         string // deb or apk: its type in package URLs
	Name         string
	Version      string
	Architecture string
	Source       string // the source package's name; "" if it is the same
	License      string // as in the database; dpkg's does not contain licenses
	Description  string // in one line
}

// A Distribution holds fields of /etc/os-release.
type Distribution struct{ ID, Version, Name string }

// parseStanzas parses paragraphs of "Field: value" lines; a line that begins with a space continues
// the previous one.
func parseStanzas(text []byte, each func(fields map[string]string)) {
	fields := map[string]string{}
	last := ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "":
			if len(fields) > 0 {
				each(fields)
			}
			fields, last = map[string]string{}, ""
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				fields[last] += "\n" + strings.TrimSpace(line)
			}
		default:
			name, value, ok := strings.Cut(line, ":")
			if ok {
				last = name
				fields[name] = strings.TrimSpace(value)
			}
		}
	}
	if len(fields) > 0 {
		each(fields)
	}
}

// ParseDpkg returns the installed packages in dpkg's status file (deb-control(5), dpkg(1)). A
// file of status.d, as in distroless images, is one such paragraph without a status.
func ParseDpkg(status []byte) (out []Package) {
	parseStanzas(status, func(f map[string]string) {
		state := strings.Fields(f["Status"])
		if f["Package"] == "" || len(state) > 0 && state[len(state)-1] != "installed" {
			return
		}
		from, _, _ := strings.Cut(f["Source"], " ")
		summary, _, _ := strings.Cut(f["Description"], "\n")
		out = append(out, Package{
			Kind: "deb", Name: f["Package"], Version: f["Version"], Architecture: f["Architecture"], Source: from,
			Description: summary,
		})
	})
	return out
}

// ParseAPK reads apk's database of installed packages: lines of one letter, a colon and a value.
func ParseAPK(installed []byte) (out []Package) {
	parseStanzas(installed, func(f map[string]string) {
		if f["P"] == "" {
			return
		}
		from := f["o"]
		if from == f["P"] {
			from = ""
		}
		out = append(out, Package{
			Kind: "apk", Name: f["P"], Version: f["V"], Architecture: f["A"], Source: from, License: f["L"],
			Description: f["T"],
		})
	})
	return out
}

// ParseOSRelease reads os-release(5).
func ParseOSRelease(text []byte) (d Distribution) {
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch name {
		case "ID":
			d.ID = value
		case "VERSION_ID":
			d.Version = value
		case "PRETTY_NAME":
			d.Name = value
		}
	}
	return d
}

// URL returns the package's URL: pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12.
func (p Package) URL(d Distribution) string {
	out := "pkg:" + p.Kind + "/"
	if d.ID != "" {
		out += url.PathEscape(d.ID) + "/"
	}
	out += escapeURL(p.Name) + "@" + escapeURL(p.Version)
	q := url.Values{}
	if p.Architecture != "" {
		q.Set("arch", p.Architecture)
	}
	if d.ID != "" && d.Version != "" {
		q.Set("distro", d.ID+"-"+d.Version)
	}
	if p.Source != "" {
		q.Set("upstream", p.Source)
	}
	if len(q) == 0 {
		return out
	}
	return out + "?" + q.Encode()
}

func escapeURL(text string) string { return strings.ReplaceAll(url.PathEscape(text), "+", "%2B") }

// sortPackages returns packages sorted by name.
func sortPackages(list []Package) []Package {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Architecture, b.Architecture), cmp.Compare(a.Version, b.Version))
	})
	return slices.Compact(out)
}
