package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/util/contentutil"
	"github.com/moby/buildkit/util/testutil/integration"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// An image replaces one of Docker Hub's images, which the tests copy into a separate registry: an
// image that is already there under the same name is not fetched.
type image struct {
	name      string
	cmd       []string
	os        string // /etc/os-release
	hardLinks bool   // applets are hard links, as in busybox's image, not symbolic links
}

var images = []image{
	{name: "library/busybox:latest", cmd: []string{"sh"}, hardLinks: true},
	{name: "library/busybox:stable-musl", cmd: []string{"sh"}, hardLinks: true},
	{name: "library/alpine:latest", cmd: []string{"/bin/sh"},
		os: "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.18.2\n"},
	{name: "amd64/debian:bullseye-20230109-slim", cmd: []string{"bash"},
		os: "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"11\"\n"},
	{name: "tonistiigi/hellofs:latest", cmd: []string{"sh"}},
}

const (
	passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
sync:x:4:100:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`
	group = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
wheel:x:10:root
mail:x:8:
www-data:x:33:
users:x:100:
nobody:x:65534:
`
)

// Debian's busybox has neither of these programs.
const (
	addgroup = `#!/bin/sh
gid= name=
while [ $# -gt 0 ]; do
	case $1 in
	-g) gid=$2; shift ;;
	-*) ;;
	*) [ -z "$name" ] || { sed -i "s/^\($1:.*[^:]\)$/\1,$name/; s/^\($1:.*:\)$/\1$name/" /etc/group; exit; }; name=$1 ;;
	esac
	shift
done
[ -n "$gid" ] || { gid=1000; while grep -q "^[^:]*:[^:]*:$gid:" /etc/group; do gid=$((gid+1)); done; }
echo "$name:x:$gid:" >>/etc/group
`
	adduser = `#!/bin/sh
uid= name= group= home= shell=/bin/sh
while [ $# -gt 0 ]; do
	case $1 in
	-u) uid=$2; shift ;;
	-G) group=$2; shift ;;
	-h) home=$2; shift ;;
	-s) shell=$2; shift ;;
	-g) shift ;;
	-*) ;;
	*) [ -z "$name" ] || exec addgroup "$name" "$1"; name=$1 ;;
	esac
	shift
done
[ -n "$uid" ] || { uid=1000; while grep -q "^[^:]*:[^:]*:$uid:" /etc/passwd; do uid=$((uid+1)); done; }
if [ -z "$group" ]; then group=$name; addgroup -g "$uid" "$name"; fi
gid=$(grep "^$group:" /etc/group | cut -d: -f3)
: "${home:=/home/$name}"
echo "$name:x:$uid:$gid:Linux User,,,:$home:$shell" >>/etc/passwd
mkdir -p "$home" && chown "$uid:$gid" "$home"
`
)

// seedRegistry fills the directory of the tests' registry.
func seedRegistry(ctx context.Context, dir, busybox string) error {
	mirror, stop, err := integration.NewRegistry(dir)
	if err != nil {
		return err
	}
	defer func() { _ = stop() }()
	for i := range images {
		if err := images[i].pushTo(ctx, mirror, busybox); err != nil {
			return fmt.Errorf("%s: %w", images[i].name, err)
		}
	}
	return nil
}

func (i *image) pushTo(ctx context.Context, mirror, busybox string) error {
	layer, diffID, err := i.layer(busybox)
	if err != nil {
		return err
	}
	created := time.Date(2023, 6, 14, 0, 0, 0, 0, time.UTC)
	config := oci.Image{
		Created: &created, Platform: oci.Platform{OS: "linux", Architecture: "amd64"},
		Config: oci.ImageConfig{Cmd: i.cmd,
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
		RootFS: oci.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
		History: []oci.History{
			{Created: &created, CreatedBy: "/bin/sh -c #(nop) ADD rootfs in / "},
			{Created: &created, CreatedBy: fmt.Sprintf("/bin/sh -c #(nop)  CMD %q", i.cmd), EmptyLayer: true},
		},
	}
	to, err := contentutil.IngesterFromRef(ctx, mirror+"/"+i.name)
	if err != nil {
		return err
	}
	manifest := oci.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest}
	if manifest.Config, err = writeBlob(ctx, to, oci.MediaTypeImageConfig, config); err != nil {
		return err
	}
	desc, err := writeBlob(ctx, to, oci.MediaTypeImageLayerGzip, layer)
	if err != nil {
		return err
	}
	manifest.Layers = []oci.Descriptor{desc}
	_, err = writeBlob(ctx, to, oci.MediaTypeImageManifest, manifest)
	return err
}

// writeBlob writes a blob: bytes as they are, and anything else as JSON.
func writeBlob(ctx context.Context, to content.Ingester, kind string, value any) (oci.Descriptor, error) {
	text, ok := value.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(value); err != nil {
			return oci.Descriptor{}, err
		}
	}
	desc := oci.Descriptor{MediaType: kind, Digest: digest.FromBytes(text), Size: int64(len(text))}
	return desc, content.WriteBlob(ctx, to, desc.Digest.String(), bytes.NewReader(text), desc)
}

// layer packs the machine's static busybox with its applets, and a few files of /etc.
func (i *image) layer(busybox string) (packed []byte, diffID digest.Digest, err error) {
	program, err := os.ReadFile(busybox)
	if err != nil {
		return nil, "", err
	}
	list, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	hash := digest.Canonical.Digester()
	w := &archive{tar: tar.NewWriter(io.MultiWriter(zip, hash.Hash()))}
	for _, dir := range []string{"bin", "dev", "etc", "home", "lib", "root", "sbin", "tmp", "usr", "usr/bin",
		"usr/sbin", "var", "var/spool", "var/www"} {
		mode := int64(0o755)
		switch dir {
		case "tmp":
			mode = 0o1777
		case "root":
			mode = 0o700
		}
		w.add(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: mode}, "")
	}
	w.add(&tar.Header{Name: "bin/busybox", Mode: 0o755}, string(program))
	for _, applet := range strings.Fields(string(list)) {
		if applet == "busybox" {
			continue
		}
		header := &tar.Header{
			Typeflag: tar.TypeSymlink, Name: filepath.Join("bin", applet), Linkname: "/bin/busybox", Mode: 0o777,
		}
		if i.hardLinks {
			header.Typeflag, header.Linkname, header.Mode = tar.TypeLink, "bin/busybox", 0o755
		}
		w.add(header, "")
	}
	w.add(&tar.Header{Name: "bin/adduser", Mode: 0o755}, adduser)
	w.add(&tar.Header{Name: "bin/addgroup", Mode: 0o755}, addgroup)
	w.add(&tar.Header{Name: "etc/passwd", Mode: 0o644}, passwd)
	w.add(&tar.Header{Name: "etc/group", Mode: 0o644}, group)
	w.add(&tar.Header{Name: "etc/shadow", Mode: 0o600}, "root:*::0:::::\n")
	if i.os != "" {
		w.add(&tar.Header{Name: "etc/os-release", Mode: 0o644}, i.os)
		w.add(&tar.Header{Name: "etc/alpine-release", Mode: 0o644}, "3.18.2\n")
	}
	w.close()
	if w.err == nil {
		w.err = zip.Close()
	}
	return out.Bytes(), hash.Digest(), w.err
}

// An archive is a tar writer that remembers its first error.
type archive struct {
	tar *tar.Writer
	err error
}

func (a *archive) add(h *tar.Header, text string) {
	if a.err != nil {
		return
	}
	if h.Typeflag == 0 {
		h.Typeflag, h.Size = tar.TypeReg, int64(len(text))
	}
	h.ModTime = time.Date(2023, 6, 14, 0, 0, 0, 0, time.UTC)
	if a.err = a.tar.WriteHeader(h); a.err == nil && text != "" {
		_, a.err = a.tar.Write([]byte(text))
	}
}

func (a *archive) close() {
	if a.err == nil {
		a.err = a.tar.Close()
	}
}
