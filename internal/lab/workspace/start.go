package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/lab/course"
)

// Start brings the lab into its start state: whatever was there is removed or saved, as in Reset. The
// files are generated in a directory that the learner does not see, and then copied, so that a process
// that was killed leaves nothing half-written under a final name.
func (w *Workspace) Start(ctx context.Context) error {
	if err := w.Remove(ctx); err != nil {
		return err
	}
	if err := w.generate(ctx); err != nil {
		return fmt.Errorf("prepare the lab's files: %w", err)
	}
	if err := w.saveChanges(); err != nil {
		return fmt.Errorf("save the changed files: %w", err)
	}
	if err := w.removeLeftovers(); err != nil {
		return fmt.Errorf("remove what is not in the start state: %w", err)
	}
	if err := w.makeDir(); err != nil {
		return err
	}
	if err := w.install(w.start(), w.Dir()); err != nil {
		return fmt.Errorf("write the lab's files: %w", err)
	}
	for _, image := range w.Lab.Images {
		if err := w.buildImage(ctx, image); err != nil {
			return fmt.Errorf("build the image %s: %w", image, err)
		}
	}
	return nil
}

// makeDir creates the directory of the lab and the one above for the learner.
func (w *Workspace) makeDir() error {
	for _, dir := range []string{w.Learner.Labs(), w.Dir()} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.Lchown(dir, w.Learner.UID, w.Learner.GID); err != nil {
			return err
		}
	}
	return nil
}

// generate creates the start state: the lab's files, its bundles, and the program minirun.
func (w *Workspace) generate(ctx context.Context) error {
	if err := os.RemoveAll(w.start()); err != nil {
		return err
	}
	if err := os.MkdirAll(w.start(), 0o755); err != nil {
		return err
	}
	for _, b := range w.Lab.Bundles {
		if err := w.writeBundle(b, w.start()); err != nil {
			return err
		}
	}
	if err := w.copyFiles("files", w.start()); err != nil {
		return err
	}
	if err := w.setModes(w.start()); err != nil {
		return err
	}
	return w.writeProgram(w.start())
}

// writeProgram writes the program minirun of the lab: it has its own containers and images.
func (w *Workspace) writeProgram(dir string) error {
	text := "#!/bin/sh\n# minirun with the containers and images of this lab only\n" +
		"[ \"$(id -u)\" = " + fmt.Sprint(os.Geteuid()) + " ] || exec sudo \"$0\" \"$@\"\n" +
		"export " + config.CgroupParentVariable + "=" + w.imageCgroup() + "\n" +
		"exec " + quoteAll(w.Command()) + " \"$@\"\n"
	return os.WriteFile(filepath.Join(dir, "minirun"), []byte(text), 0o755)
}

// quoteAll quotes words for a shell.
func quoteAll(words []string) string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(out, " ")
}

// Apply copies the files of a variant over the learner's; the caller runs its script.
func (w *Workspace) Apply(v course.Variant) error {
	if err := w.copyFiles(v.Dir, w.Dir()); err != nil {
		return err
	}
	for _, name := range []string{"do.sh", "fails"} { // they are not for the learner
		if err := os.Remove(filepath.Join(w.Dir(), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Script returns a variant's script with the learner's values.
func (w *Workspace) Script(v course.Variant) (string, error) {
	data, err := fs.ReadFile(w.Lab.Files, path.Join(v.Dir, "do.sh"))
	return course.Fill(string(data), w.Values), err
}

// copyFiles copies a directory of the lab with the learner's values in its texts. A missing directory is
// an empty one. Scripts are executable.
func (w *Workspace) copyFiles(from, to string) error {
	if _, err := fs.Stat(w.Lab.Files, from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fs.WalkDir(w.Lab.Files, from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := fs.ReadFile(w.Lab.Files, name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(string(data), "#!") {
			mode = 0o755
		}
		if utf8.Valid(data) {
			data = []byte(course.Fill(string(data), w.Values))
		}
		return atomicfile.Write(target, data, mode)
	})
}

// install copies the start state into the learner's directory. Generated root file systems are
// replaced; they belong to root, everything else to the learner.
func (w *Workspace) install(from, to string) error {
	for _, b := range w.Lab.Bundles {
		if err := os.RemoveAll(filepath.Join(to, b.Dir, "rootfs")); err != nil {
			return err
		}
	}
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil || rel == "." {
			return err
		}
		return w.installOne(name, filepath.Join(to, rel), rel, d)
	})
	return err
}

func (w *Workspace) installOne(from, to, rel string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		if err := os.Mkdir(to, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		_ = os.Remove(to)
		if err := os.Symlink(target, to); err != nil {
			return err
		}
	default:
		if err := copyFile(from, to, info.Mode().Perm()); err != nil {
			return err
		}
	}
	if info.Mode().Type() != fs.ModeSymlink {
		if err := os.Chmod(to, info.Mode().Perm()|info.Mode()&fs.ModeSticky); err != nil {
			return err
		}
	}
	if w.isGenerated(rel) {
		return nil
	}
	return os.Lchown(to, w.Learner.UID, w.Learner.GID)
}

// isGenerated reports whether a path is in a generated root file system. What the lab's files add to it
// is the learner's to edit.
func (w *Workspace) isGenerated(rel string) bool {
	for _, b := range w.Lab.Bundles {
		root := path.Join(b.Dir, "rootfs")
		if rel == root {
			return true
		}
		if strings.HasPrefix(rel, root+"/") {
			_, err := fs.Stat(w.Lab.Files, path.Join("files", rel))
			return err != nil
		}
	}
	return false
}

func copyFile(from, to string, mode fs.FileMode) error {
	if sameFile(from, to) {
		return nil // the disk may be full
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(to); err == nil && !info.Mode().IsRegular() {
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	return atomicfile.Write(to, data, mode)
}

// Run runs a script in the learner's directory, with the lab's minirun first in PATH, and returns what it
// prints. Its output goes to a file, since containers that it leaves in the background would hold a pipe open.
func (w *Workspace) Run(ctx context.Context, script string) (output string, err error) {
	f, err := os.CreateTemp("", "minirun-lab-output-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer f.Close()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-eu", "-c", script)
	cmd.Dir, cmd.Env = w.Dir(), w.Environment()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	err = cmd.Run()
	data, failed := os.ReadFile(f.Name())
	return string(data), errors.Join(err, failed, w.giveFiles())
}

// giveFiles gives the files in the learner's directory to the learner. Those in directories may be
// part of a container's file system, where owners matter.
func (w *Workspace) giveFiles() error {
	entries, err := os.ReadDir(w.Dir())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			if err := os.Lchown(filepath.Join(w.Dir(), e.Name()), w.Learner.UID, w.Learner.GID); err != nil {
				return err
			}
		}
	}
	return nil
}

// longestOutput is how much of a command's output is shown as evidence.
const longestOutput = 4000

// Output returns what commands print in the learner's directory. Their failure is part of it.
func (w *Workspace) Output(ctx context.Context, script string) (string, error) {
	// A file, since what the commands leave in the background would hold a pipe open.
	f, err := os.CreateTemp("", "lab-output-")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil { // the descriptor is enough
		return "", err
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	cmd.Dir, cmd.Env = w.Dir(), w.Environment()
	cmd.Stdout, cmd.Stderr = f, f
	err = cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		return "", err
	}
	out := make([]byte, longestOutput)
	n, err := f.ReadAt(out, 0)
	if err == nil { // there is more
		return string(out[:n]) + "…\n", nil
	}
	return string(out[:n]), ctx.Err()
}
