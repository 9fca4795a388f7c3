package workspace

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/newbundle"
)

// images has a Dockerfile for each image that a lab may start with. They are built without a network
// from the busybox that the package minirun depends on. Their programs are in bases/: stand-ins, small
// shell scripts that do to files what apt-get, node and npm do.
var images = map[string]string{
	"box": "",
	"debian": `COPY bases/debian /
RUN chmod 755 /usr/bin/apt-get /usr/share/labs/packages/* \
 && rm -f /usr/sbin/httpd /usr/bin/httpd /usr/bin/wget /usr/bin/nc /bin/nc \
 && mkdir -p /var/lib/apt/lists /var/www/html \
 && echo 'www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin' >>/etc/passwd && echo 'www-data:x:33:' >>/etc/group
`,
	"node": `COPY bases/node bases/npm /
RUN chmod 755 /usr/local/bin/* && mkdir -p /usr/lib/gcc \
 && dd if=/dev/urandom of=/usr/lib/gcc/cc1 bs=1M count=6 2>/dev/null \
 && dd if=/dev/urandom of=/usr/local/lib/node_modules/npm/npm.bundle bs=1M count=2 2>/dev/null \
 && for t in gcc make; do ln -s /bin/true /usr/bin/$t; done
`,
	"node-slim": "COPY bases/node /\nRUN chmod 755 /usr/local/bin/node\n",
}

//go:embed all:bases
var bases embed.FS

// buildImage builds one of the images in the lab's store. Containers created from it have the lab's mark.
func (w *Workspace) buildImage(ctx context.Context, name string) error {
	dockerfile, ok := images[name]
	if !ok {
		return errors.New("there is no such image for labs")
	}
	context, err := os.MkdirTemp(w.data(), "image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(context) }()
	if err := (newbundle.Settings{}).WriteBusybox(filepath.Join(context, "bundle")); err != nil {
		return err
	}
	if err := writeBases(context); err != nil {
		return err
	}
	text := "FROM scratch\nCOPY bundle/rootfs /\nENV " + scene.MarkVariable + "=" +
		scene.Mark(w.Values[course.Token], "image") + "\nCMD [\"sh\"]\n" + dockerfile
	if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte(text), 0o644); err != nil {
		return err
	}
	words := append(w.Command(), "build", "-q", "--network", "none", "-t", name, context)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "MINIRUN_BUILD_HISTORY=0") // the history is the learner's
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// writeBases writes the files of the stand-ins to a build context.
func writeBases(context string) error {
	return fs.WalkDir(bases, "bases", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(context, name)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := bases.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}
