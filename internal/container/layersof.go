package container

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// LayersIn are the directories that a bundle's root file system is made of,
// lowest first: root.path alone if it has no layers.
func LayersIn(bundle string) ([]string, error) {
	lower, _, err := stack(Options{Bundle: bundle, ID: "stack"})
	return lower, err
}

// LayersOf are a container's layers, lowest first, and the directory that takes
// what it writes. A container that runs is asked for its mount, since layers may
// have been given on the command line. Without layers upper is "".
func LayersOf(root, id string) (lower []string, upper string, err error) {
	r, err := readRecord(root, id)
	if err != nil {
		if _, there := os.Stat(filepath.Join(root, id)); errors.Is(there, os.ErrNotExist) {
			err = errors.Join(err, os.ErrNotExist)
		}
		return nil, "", err
	}
	if lower, upper = overlayOf(r.Pid); lower != nil {
		return lower, upper, nil
	}
	return stack(Options{Root: root, ID: id, Bundle: r.Bundle})
}

func stack(o Options) (lower []string, upper string, err error) {
	if o.Bundle, err = bundlePath(o.Bundle); err != nil {
		return nil, "", err
	}
	s, _, err := spec.Load(o.Bundle)
	if err != nil {
		return nil, "", err
	}
	var in rootfs.Input
	if in.Root, err = rootPath(s, o.Bundle); err != nil {
		return nil, "", err
	}
	if err := layersInput(&in, s, &o); err != nil {
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

// overlayOf reads the layers of a process's root from its mount table; nil if
// that is no overlay, or there is no such process.
func overlayOf(pid int) (lower []string, upper string) {
	if pid == 0 {
		return nil, ""
	}
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mountinfo")
	if err != nil {
		return nil, ""
	}
	defer f.Close()
	table, _ := mountinfo.GetMountsFromReader(f, mountinfo.SingleEntryFilter("/"))
	if len(table) == 0 || table[len(table)-1].FSType != "overlay" {
		return nil, ""
	}
	for option := range strings.SplitSeq(table[len(table)-1].VFSOptions, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "lowerdir", "lowerdir+": // highest first
			lower = append(lower, strings.Split(value, ":")...)
		case "upperdir":
			upper = value
		}
	}
	slices.Reverse(lower)
	return lower, upper
}
