package images

import (
	"archive/tar"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// The tests in this file unpack random stacks of layers with minirun and with umoci.
//
//	random_layers_test.go    the comparison, and the search for the smallest stack that fails
//	random_stack_test.go     the generator of stacks

// TestRandomLayers: minirun unpacks random stacks of layers in the same way as umoci, or both reject
// them. MINIRUN_LAYER_STACKS is the number of stacks, MINIRUN_LAYER_SEED the first seed: the seed of
// a stack is printed with it.
func TestRandomLayers(t *testing.T) {
	need(t, "umoci", "umoci")
	if os.Geteuid() != 0 {
		t.Skip("needs root: layers have files of others")
	}
	first, count := environment(t, "MINIRUN_LAYER_SEED", 1), environment(t, "MINIRUN_LAYER_STACKS", 40)
	c := &comparison{t: t, store: newStore(t)}
	// In a directory that other users may enter, the root's mode is 0700.
	if err := os.Chmod(c.store.Host, 0o700); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for seed := first; seed < first+count; seed++ {
		stack := randomStack(rand.New(rand.NewPCG(uint64(seed), 0)))
		difference, isRefused := c.compare(stack)
		if isRefused {
			refused++
		}
		if difference == "" {
			continue
		}
		small := smallest(stack, func(s []layer) bool {
			d, _ := c.compare(s)
			return d != ""
		})
		difference, _ = c.compare(small)
		t.Errorf("seed %d: %s\n%s", seed, show(small), difference)
		if c.failed++; c.failed == 10 {
			t.Fatal("no more stacks are tried")
		}
	}
	t.Logf("%d stacks, of which umoci refuses %d", count, refused)
	if refused > count/2 {
		t.Error("too many stacks are refused: they test little")
	}
	c.store.Check()
}

func environment(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

type comparison struct {
	t      *testing.T
	store  *store
	failed int
}

// compare unpacks a stack twice and returns how the results differ, "" if they do not, and whether
// umoci rejects it.
func (c *comparison) compare(stack []layer) (difference string, isRefused bool) {
	c.t.Helper()
	l := &layout{t: c.t, dir: filepath.Join(c.store.Host, "layout"), index: oci.Index{MediaType: oci.MediaTypeImageIndex}}
	l.index.SchemaVersion = 2
	theirs, ours := filepath.Join(c.store.Host, "umoci"), filepath.Join(c.store.Host, "minirun")
	defer c.remove(l.dir, theirs, ours)
	l.write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	l.add("stack", runs("sh"), stack...)
	l.add("umoci", runs("sh"), withoutGlobalHeaders(stack)...)
	refused := runUmoci(c.t, l.dir+":umoci", theirs)
	failure := c.unpack(l.dir, ours)
	if refused != "" {
		if failure == "" && !isLenient(refused) {
			return "umoci refuses it, and minirun does not: " + refused, true
		}
		return "", true
	}
	if failure != "" {
		return "minirun refuses it, and umoci does not: " + failure, false
	}
	many := len(stack) > 1
	return differences(comparable(tree(c.t, ours), many), comparable(tree(c.t, filepath.Join(theirs, "rootfs")), many)), false
}

// unpack unpacks the stack with minirun and returns the error message if it fails.
func (c *comparison) unpack(layout, out string) (failure string) {
	c.t.Helper()
	if r := c.store.Minirun("load", "-q", layout); r.Status != 0 {
		return r.Stderr
	}
	defer c.store.Minirun("rmi", "stack", "umoci")
	if r := c.store.Minirun("unpack", "stack", out); r.Status != 0 {
		return r.Stderr
	}
	return ""
}

func (c *comparison) remove(dirs ...string) {
	for _, d := range dirs {
		if err := os.RemoveAll(d); err != nil {
			c.t.Fatal(err)
		}
	}
}

// runUmoci unpacks an image and returns the error message if it fails.
func runUmoci(t *testing.T, image, to string) (failure string) {
	t.Helper()
	out, err := exec.Command("umoci", "unpack", "--image", image, to).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return strings.TrimSpace(string(out))
	}
	if err != nil {
		t.Fatal(err)
	}
	return ""
}

// isLenient reports whether minirun may accept what umoci rejects: a path through a file of a lower
// layer, which containerd also replaces with a directory.
func isLenient(refused string) bool { return strings.Contains(refused, "not a directory") }

// withoutGlobalHeaders removes what umoci 0.4.7 rejects.
func withoutGlobalHeaders(stack []layer) []layer {
	out := slices.Clone(stack)
	for i, y := range out {
		out[i].entries = slices.DeleteFunc(slices.Clone(y.entries), func(h tar.Header) bool { return h.Typeflag == tar.TypeXGlobalHeader })
	}
	return out
}

var (
	dirTime   = regexp.MustCompile(`^(4\d+ \S+) @\S+`)
	linkNames = regexp.MustCompile(` names=\[.*\]$`)
)

// comparable removes times of directories, which umoci changes when it adds files to them, and, if
// there are several layers, the information about which names are hard links: overlayfs copies up a
// file under one name only, so a hard link to it no longer refers to the same file as its other
// names.
func comparable(tree map[string]string, severalLayers bool) map[string]string {
	for name, text := range tree {
		text = dirTime.ReplaceAllString(text, "$1")
		if severalLayers {
			text = linkNames.ReplaceAllString(text, "")
		}
		tree[name] = text
	}
	return tree
}

func differences(ours, theirs map[string]string) string {
	var out strings.Builder
	all := maps.Clone(ours)
	maps.Copy(all, theirs)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if ours[name] != theirs[name] {
			fmt.Fprintf(&out, "%s\n  minirun: %s\n  umoci:   %s\n", name, ours[name], theirs[name])
		}
	}
	return out.String()
}

// smallest removes layers and entries as long as the stack still fails.
func smallest(stack []layer, fails func([]layer) bool) []layer {
	for again := true; again; {
		again = false
		for i := range stack {
			without := slices.Delete(slices.Clone(stack), i, i+1)
			if len(without) > 0 && fails(without) {
				stack, again = without, true
				break
			}
		}
		for i := 0; i < len(stack) && !again; i++ {
			for j := range stack[i].entries {
				without := slices.Clone(stack)
				without[i].entries = slices.Delete(slices.Clone(stack[i].entries), j, j+1)
				if fails(without) {
					stack, again = without, true
					break
				}
			}
		}
	}
	return stack
}

// show returns a stack in readable form.
func show(stack []layer) string {
	var out strings.Builder
	for i, y := range stack {
		fmt.Fprintf(&out, "\n  layer %d", i+1)
		for _, h := range y.entries {
			fmt.Fprintf(&out, "\n    %-8s %q", kinds[h.Typeflag], h.Name)
			if h.Linkname != "" {
				fmt.Fprintf(&out, " %q", h.Linkname)
			}
			fmt.Fprintf(&out, " %o %d:%d", h.Mode, h.Uid, h.Gid)
			if !h.ModTime.IsZero() {
				fmt.Fprintf(&out, " %s", h.ModTime.UTC().Format(time.RFC3339Nano))
			}
			if len(h.PAXRecords) > 0 {
				fmt.Fprintf(&out, " %q", h.PAXRecords)
			}
		}
	}
	return out.String()
}

var kinds = map[byte]string{
	0: "file", tar.TypeDir: "dir", tar.TypeSymlink: "symlink", tar.TypeLink: "hardlink", tar.TypeFifo: "fifo", tar.TypeChar: "char",
	tar.TypeXGlobalHeader: "global",
}
