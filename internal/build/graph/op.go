package graph

import (
	"regexp"
	"strings"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// An Op is what a node does to a file system: *From, *Run, *Copy or *Workdir.
type Op interface{ op() }

func (*From) op()    {}
func (*Run) op()     {}
func (*Copy) op()    {}
func (*Workdir) op() {}

// From starts with an image's or a stage's file system, or with nothing (scratch) if both are
// nil.
type From struct {
	Name  string // of the image, as in the Dockerfile
	Image *Image
	Stage *Stage
}

// An Image is an image that is not built here.
type Image struct {
	Name     string // as requested
	Manifest digest.Digest
	Config   docker.DockerOCIImage
	Layers   []oci.Descriptor // lowest first
	Dirs     []string         // the directories of the unpacked layers, lowest first
	Keys     []digest.Digest  // identify those directories
}

// Run executes a program.
type Run struct {
	Argv     []string
	Env      []string // NAME=VALUE
	Cwd      string   // absolute
	User     string   // USER[:GROUP], looked up in the file system
	Mounts   []Mount
	Network  string   // "default", "none" or "host"
	Insecure bool     // --security=insecure
	Files    []File   // here-documents that are programs: Argv names them
	Hosts    []string // NAME=ADDRESS, for /etc/hosts
	Hostname string   // "": the default for all steps
	Limits   Limits
	Devices  []Device
}

// A Device is the device of a RUN --device.
type Device struct {
	Name  string   // as in the Dockerfile
	Found []string // the CDI devices that it refers to on this host; none: the device does not exist
}

// Limits come from the command line and apply to every RUN.
type Limits struct {
	ShmSize int64               // of /dev/shm, bytes; 0: 64 MiB
	Rlimits []specs.POSIXRlimit // by name

	// The next two are not part of the cache key: the files of a RUN do not depend on them.
	Resources    *specs.LinuxResources // of memory and processors; nil: none
	CgroupParent string                // the parent of the containers' cgroups; "": minirun's choice
}

// A Mount is a RUN --mount.
type Mount struct {
	Type     string // bind, cache, tmpfs, secret or ssh
	From     *Node  // the file system of a bind, or the initial content of a cache; nil: none
	Source   string // a path in From
	Target   string // absolute
	ReadOnly bool

	Size     int64  // tmpfs: bytes; 0: no limit
	ID       string // cache, secret, ssh
	Sharing  string // cache: shared, private or locked
	Required bool   // secret, ssh
	Env      string // secret: the variable that holds it; no file is created without a Target
	Mode     uint32 // cache, secret, ssh: permission bits
	UID, GID int
	// Described reports whether a cache's UID, GID or Mode is given. Then the cache differs
	// from the one with the same ID without them, even if the values are the defaults.
	Described bool `json:",omitempty"`
}

// Copy is COPY and ADD.
type Copy struct {
	Add     bool
	Sources []Source
	Dest    string // absolute; with a trailing / it is a directory

	Chown   string // USER[:GROUP], looked up in the file system; "": 0:0 for contexts, unchanged for others
	Chmod   string // octal, or symbolic as in chmod(1); "": unchanged
	Link    bool   // independent of the layers below
	Parents bool
	Resolve bool     // with Parents: a source that is a symbolic link is replaced by its target
	Exclude []string // patterns, as in .dockerignore

	Unpack     *bool  // ADD --unpack; nil: local archives are unpacked, fetched ones are not
	KeepGitDir *bool  // nil: as the URL says
	Checksum   string // of a URL's content; or a commit

	Words CopyWords `json:"-"` // no part of the cache key
}

// CopyWords are the words of a COPY or ADD as written, with variables expanded.
type CopyWords struct {
	Flags   []string
	Sources []string
	Dest    string
}

// A Source is a source of COPY. Exactly one of From, Context, File and URL is set.
type Source struct {
	From    *Node  // the end of a stage, or an image
	Context string // a context's name; MainContext for the build's own
	Path    string // in From or Context: a path.Match pattern, cleaned; "." is everything

	File *File  // a here-document
	URL  string // http, https, or a git repository
}

// InTreeOf reports whether a source is in the same context, stage or image as another one.
func (s *Source) InTreeOf(other Source) bool {
	return s.From == other.From && s.Context == other.Context && s.File == nil && s.URL == ""
}

var literal = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// Literal returns a pattern that matches exactly one path.
func Literal(path string) string { return literal.Replace(path) }

// escaped matches an escaped character in a pattern.
var escaped = regexp.MustCompile(`(?s)\\(.)`)

// Unescape returns a pattern without its escapes.
func Unescape(pattern string) string { return escaped.ReplaceAllString(pattern, "$1") }

// HasWildcards reports whether a pattern can match more than one path.
func HasWildcards(pattern string) bool {
	return strings.ContainsAny(escaped.ReplaceAllString(pattern, ""), `*?[`)
}

// Pattern returns the pattern for a source as a Dockerfile spells it. A source without
// wildcards is a path: a backslash in it is part of a name.
func Pattern(source string) string {
	if HasWildcards(source) {
		return source
	}
	return Literal(source)
}

// MainContext is the name of the context that COPY without --from reads.
const MainContext = "context"

// A File is a here-document.
type File struct {
	Name    string
	Content string
}

// Workdir creates a directory and its parents, if they do not exist.
type Workdir struct {
	Path string // absolute
	User string // its owner; "" for root
}
