package image

import (
	"errors"
	"fmt"
	"strings"
)

// A Name is the full name of an image: docker.io/library/busybox and a tag or a digest. The grammar
// is that of the distribution specification and of Docker, which omits docker.io, library/ and
// :latest.
type Name struct {
	Registry   string // including its port, if any
	Repository string
	Tag        string // "" if there is only a digest
	Digest     string // sha256:HEX, or ""
}

const (
	dockerHub   = "docker.io"
	hubLibrary  = "library/"
	defaultTag  = "latest"
	maxName     = 255 // of registry and repository together, as in Docker
	maxTag      = 128
	digestStart = "sha256:"
)

// ParseName parses a name in the form that users write.
func ParseName(text string) (Name, error) {
	n, err := parseName(text)
	if err == nil {
		return n, nil
	}
	err = fmt.Errorf("image name %q: %w", text, err)
	if lower := strings.ToLower(text); lower != text {
		if _, bad := parseName(lower); bad == nil {
			err = fmt.Errorf("%w\nhint: use %s", err, lower)
		}
	}
	return Name{}, err
}

func parseName(text string) (n Name, err error) {
	rest, digest, pinned := strings.Cut(text, "@")
	if pinned {
		if err := CheckDigest(digest); err != nil {
			return n, err
		}
		n.Digest = digest
	}
	if slash := strings.LastIndexByte(rest, '/'); strings.Contains(rest[slash+1:], ":") {
		colon := strings.LastIndexByte(rest, ':')
		n.Tag, rest = rest[colon+1:], rest[:colon]
		if !isTag(n.Tag) {
			return n, fmt.Errorf("invalid tag %q: must be up to %d letters, digits, _, . and -, and must not begin "+
				"with . or -", n.Tag, maxTag)
		}
	} else if !pinned {
		n.Tag = defaultTag
	}
	first, remainder, several := strings.Cut(rest, "/")
	switch {
	case several && isRegistry(first):
		n.Registry, n.Repository = first, remainder
	default:
		n.Registry, n.Repository = dockerHub, rest
	}
	if n.Registry == "index.docker.io" {
		n.Registry = dockerHub
	}
	if n.Registry == dockerHub && !strings.Contains(n.Repository, "/") {
		n.Repository = hubLibrary + n.Repository
	}
	if !isHost(n.Registry) {
		return n, fmt.Errorf("registry %q is not a host name", n.Registry)
	}
	if len(n.Registry)+1+len(n.Repository) > maxName {
		return n, fmt.Errorf("is longer than %d bytes", maxName)
	}
	for part := range strings.SplitSeq(n.Repository, "/") {
		if !isComponent(part) {
			if strings.ToLower(part) != part {
				return n, errors.New("must be lower case")
			}
			return n, fmt.Errorf("invalid component %q: must be lower-case letters and digits, separated by ., _, __ "+
				"or -", part)
		}
	}
	return n, nil
}

// isRegistry distinguishes a registry from a user name: a registry contains a dot or a port, or is
// localhost.
func isRegistry(first string) bool {
	return strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first
}

func isHost(s string) bool {
	var host, port string
	var hasPort bool
	if strings.HasPrefix(s, "[") { // an IPv6 address
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return false
		}
		host, port, hasPort = s[1:end], s[end+1:], len(s) > end+1
		if strings.Trim(host, "0123456789abcdefABCDEF:.") != "" {
			return false
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		host, port, hasPort = strings.Cut(s, ":")
		for label := range strings.SplitSeq(host, ".") {
			if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
				strings.Trim(strings.ToLower(label), letters+digits+"-") != "" {
				return false
			}
		}
	}
	return host != "" && (!hasPort || port != "" && strings.Trim(port, digits) == "")
}

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

func isAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// isComponent accepts alphanumeric runs, separated by ".", "_", "__" or any number of "-".
func isComponent(s string) bool {
	for i := 0; i < len(s); {
		if !isAlnum(s[i]) {
			return false
		}
		for i < len(s) && isAlnum(s[i]) {
			i++
		}
		if i == len(s) {
			return true
		}
		begin := i
		for i < len(s) && !isAlnum(s[i]) {
			i++
		}
		if sep := s[begin:i]; sep != "." && sep != "_" && sep != "__" && strings.Trim(sep, "-") != "" {
			return false
		}
	}
	return false
}

func isTag(s string) bool {
	if s == "" || len(s) > maxTag || s[0] == '.' || s[0] == '-' {
		return false
	}
	return strings.Trim(strings.ToLower(s), letters+digits+"_.-") == ""
}

// CheckDigest rejects anything but a SHA-256 digest, the only algorithm that images use.
func CheckDigest(s string) error {
	hex, ok := strings.CutPrefix(s, digestStart)
	if !ok || len(hex) != 64 || strings.Trim(hex, digits+"abcdef") != "" {
		return fmt.Errorf("digest %q: must be sha256: followed by 64 hexadecimal digits", s)
	}
	return nil
}

// String returns the full name, which is the one that the store uses.
func (n Name) String() string {
	out := n.Registry + "/" + n.Repository
	if n.Tag != "" {
		out += ":" + n.Tag
	}
	if n.Digest != "" {
		out += "@" + n.Digest
	}
	return out
}

// Familiar returns the name in the short form that users write.
func (n Name) Familiar() string {
	s := n.String()
	if short, ok := strings.CutPrefix(s, dockerHub+"/"); ok {
		s = strings.TrimPrefix(short, hubLibrary)
	}
	return s
}

// Familiar converts an image's full name to the short form that users write. Text that is not a
// name is returned unchanged.
func Familiar(full string) string {
	if n, err := ParseName(full); err == nil {
		return n.Familiar()
	}
	return full
}
