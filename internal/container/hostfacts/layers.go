package hostfacts

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/overlay"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// findLayers finds the layers: those of the annotation, then of --layer, then
// root.path itself with --ephemeral.
func (q *Query) findLayers(in *rootfs.Input) error {
	s := q.Spec
	source := fmt.Sprintf("annotations[%q]", spec.AnnotationLayers)
	dirs, err := spec.Layers(s.Annotations)
	if err != nil {
		return err
	}
	for i, dir := range dirs {
		path := fmt.Sprintf("%s[%d]", source, i)
		if err := addLayer(in, q.Bundle, dir, path); err != nil {
			return err
		}
	}
	for _, dir := range q.Layers {
		if err := addLayer(in, "", dir, "--layer"); err != nil {
			return err
		}
	}
	if q.Ephemeral && len(in.Layers) == 0 {
		in.Layers = append(in.Layers, rootfs.Layer{Path: in.Root, Source: "--ephemeral"})
	}
	if upper, ok := s.Annotations[spec.AnnotationUpper]; ok && len(in.Layers) == 0 {
		return &spec.Error{Path: fmt.Sprintf("annotations[%q]", spec.AnnotationUpper), Want: "needs layers: " +
			spec.AnnotationLayers + ", --layer or --ephemeral", Got: fmt.Sprintf("%q", upper)}
	}
	if len(in.Layers) == 0 {
		return nil
	}
	q.findUpper(in)
	if in.OldOverlay, err = isLinuxBefore(6, 8); err != nil {
		return err
	}
	if err := checkLayerCount(in.Layers); err != nil || !in.OldOverlay {
		return err
	}
	if _, options := rootfs.OverlayOptions(*in); len(options) > rootfs.MaxOverlayOptions {
		return &spec.Error{Path: in.Layers[0].Source,
			Want: fmt.Sprintf("must have paths that fit into a page on Linux before 6.8, at most %d bytes: use "+
				"shorter paths below one directory, or fewer layers",
				rootfs.MaxOverlayOptions), Got: fmt.Sprintf("%d layers with %d bytes", len(in.Layers), len(options))}
	}
	return nil
}

// checkLayerCount refuses more layers than overlayfs supports: its only error would be
// EINVAL.
func checkLayerCount(layers []rootfs.Layer) error {
	most, where := overlay.MaxLayers, ""
	if len(layers) > overlay.LayersPerMount {
		old, err := isLinuxBefore(6, 13)
		if err != nil {
			return err
		}
		if old { // it does not accept a mount as a layer
			most, where = overlay.LayersPerMount, " before Linux 6.13"
		}
	}
	if len(layers) <= most {
		return nil
	}
	return &spec.Error{Path: layers[most].Source, Want: fmt.Sprintf("must not be given: overlayfs takes %d layers%s",
		most, where), Got: fmt.Sprintf("%d layers", len(layers))}
}

func addLayer(in *rootfs.Input, base, dir, source string) error {
	if !filepath.IsAbs(dir) && base != "" {
		dir = filepath.Join(base, dir)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(dir); err == nil && !info.IsDir() {
			err = unix.ENOTDIR
		}
	}
	if err != nil {
		return &spec.Error{Path: source, Want: "must be an existing directory", Err: err}
	}
	in.Layers = append(in.Layers, rootfs.Layer{Path: dir, Source: source})
	return nil
}

// findUpper finds the directory that receives writes to the layers.
func (q *Query) findUpper(in *rootfs.Input) {
	s := q.Spec
	in.UserXattrs = q.Rootless() || q.inUserNamespace()
	if upper, ok := s.Annotations[spec.AnnotationUpper]; ok && !q.Ephemeral {
		if !filepath.IsAbs(upper) {
			upper = filepath.Join(q.Bundle, upper)
		}
		in.Upper, in.Stable, in.Volatile = upper, true, s.Annotations[spec.AnnotationVolatile] == "true"
		in.Work = filepath.Join(filepath.Dir(upper), "."+filepath.Base(upper)+".work")
		return
	}
	in.Upper, in.Work = filepath.Join(q.Directory, "upper"), filepath.Join(q.Directory, "work")
}

// FindLayers returns the directories of a bundle's root file system, lowest first, and the
// directory that receives writes to them, if it exists. Without layers it returns only
// root.path.
func FindLayers(q Query) (lower []string, upper string, err error) {
	if q.Bundle, err = FindBundle(q.Bundle); err != nil {
		return nil, "", err
	}
	s, _, err := spec.Load(q.Bundle)
	if err != nil {
		return nil, "", err
	}
	var in rootfs.Input
	if in.Root, err = FindRoot(s, q.Bundle); err != nil {
		return nil, "", err
	}
	q.Spec = s
	if err := q.findLayers(&in); err != nil {
		return nil, "", err
	}
	for _, l := range in.Layers {
		lower = append(lower, l.Path)
	}
	if lower == nil {
		return []string{in.Root}, "", nil
	}
	if _, err := os.Stat(in.Upper); err == nil {
		upper = in.Upper
	}
	return lower, upper, nil
}
