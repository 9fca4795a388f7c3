package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/predicate"
	"github.com/minirun/minirun/internal/newbundle"
)

// images has a Dockerfile for each image that a lab may start with. They are built without a network
// from the busybox that the package minirun depends on.
var images = map[string]string{
	"box": "",
}

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
	defer os.RemoveAll(context)
	if err := (newbundle.Settings{}).WriteBusybox(filepath.Join(context, "bundle")); err != nil {
		return err
	}
	text := "FROM scratch\nCOPY bundle/rootfs /\nENV " + predicate.MarkVariable + "=" +
		predicate.Mark(w.Values[course.Token], "image") + "\nCMD [\"sh\"]\n" + dockerfile
	if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte(text), 0o644); err != nil {
		return err
	}
	words := append(w.Command(), "build", "-q", "-t", name, context)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
