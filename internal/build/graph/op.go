package graph

import (
	"strconv"
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

// From begins with an image's file system, with a stage's, or with nothing
// (scratch), if both are nil.
type From struct {
	Image *Image
	Stage *Stage
}

// An Image is one that is not built here.
type Image struct {
	Name     string // as it was asked for
	Manifest digest.Digest
	Config   docker.DockerOCIImage
	Layers   []oci.Descriptor // lowest first
	Dirs     []string         // the directories of the unpacked layers, lowest first
	Keys     []digest.Digest  // what names those directories
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
	Hostname string   // "": the one that every step has
	Limits   Limits
	Devices  []Device
}

// A Device is what a RUN --device names.
type Device struct {
	Name  string   // as the Dockerfile has it
	Found []string // the CDI devices that it stands for here; none: there is no such device
}

// Limits are what the command line says of every RUN.
type Limits struct {
	ShmSize int64               // of /dev/shm, bytes; 0: 64 MiB
	Rlimits []specs.POSIXRlimit // by name

	// These two are not part of what a RUN depends on: its files do not depend on them.
	Resources    *specs.LinuxResources // of memory and processors; nil: none
	CgroupParent string                // the cgroup that the containers' cgroups are in; "": minirun's choice
}

// A Mount is a RUN --mount.
type Mount struct {
	Type     string // bind, cache, tmpfs, secret or ssh
	From     *Node  // whose file system a bind shows, or a cache begins with; nil: nothing
	Source   string // a path there
	Target   string // absolute
	ReadOnly bool

	Size     int64  // tmpfs: bytes; 0 for no limit of its own
	ID       string // cache, secret, ssh
	Sharing  string // cache: shared, private or locked
	Required bool   // secret, ssh
	Env      string // secret: the variable that has it; with no Target it has no file
	Mode     uint32 // cache, secret, ssh: permission bits
	UID, GID int
	// Described says that a cache's UID, GID or Mode is given: it is another cache than
	// the one of the same ID without them, even if the values are the default ones.
	Described bool `json:",omitempty"`
}

// Copy is COPY and ADD.
type Copy struct {
	Add     bool
	Sources []Source
	Dest    string // absolute; with / at the end it is a directory

	Chown   string // USER[:GROUP], looked up in the file system; "": 0:0 for contexts, as it is for others
	Chmod   string // octal, or symbolic as chmod(1) has it; "" as it is
	Link    bool   // it does not depend on what is below
	Parents bool
	Resolve bool     // with Parents: a source that is a symbolic link stands for its target
	Exclude []string // patterns, as in .dockerignore

	Unpack     *bool  // ADD --unpack; nil: local archives are unpacked, fetched ones are not
	KeepGitDir *bool  // nil: as the URL says
	Checksum   string // of a URL's content; or a commit
}

// A Source is one of COPY's. Exactly one of From, Context, File and URL says what
// it is of.
type Source struct {
	From    *Node  // the end of a stage, or an image
	Context string // a context's name; MainContext for the build's own
	Path    string // in From or Context: a pattern of path.Match's, cleaned; "." is all

	File *File  // a here-document
	URL  string // http, https, or a git repository
}

var literal = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// Literal makes a pattern that matches one path and no other.
func Literal(path string) string { return literal.Replace(path) }

// MainContext is the name of the context that COPY without --from reads.
const MainContext = "context"

// A File is a here-document.
type File struct {
	Name    string
	Content string
}

// Workdir makes a directory, and those above it, where there is none.
type Workdir struct {
	Path string // absolute
	User string // whom it belongs to; "" for root
}

func itoa(n int) string { return strconv.Itoa(n) }
