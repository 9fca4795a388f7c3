// Package pack writes everything that labs need to one archive: minirun's programs, busybox, a script
// that installs them, and licences. It is for a USB stick, since a class may have no network.
package pack

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/helper"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/newbundle"
)

// Dir is the directory in the archive.
const Dir = "minirun-labs"

//go:embed install.sh
var install []byte

//go:embed readme.txt
var readme []byte

// licences are files of the busybox package that its licence asks to pass on.
var licences = []string{"/usr/share/doc/busybox-static/copyright", "/usr/share/common-licenses/GPL-2"}

// programs are those that labs use, next to the runtime.
var programs = []string{"minirun-systemd", helper.Engine, helper.Image, helper.Lab, language.Program}

// Write writes the archive. The same programs lead to the same bytes. After an error nothing is left.
func Write(path, runtime string) error {
	busybox, err := newbundle.FindBusybox()
	if err != nil {
		return err
	}
	f, err := atomicfile.Create(path, 0o644)
	if err != nil {
		return err
	}
	compressed := gzip.NewWriter(f)
	a := &archive{out: tar.NewWriter(compressed)}
	a.add("README.txt", 0o644, readme)
	a.add("install.sh", 0o755, install)
	a.addFile("bin/minirun", 0o755, runtime)
	for _, name := range programs {
		program, err := helper.Find("the archive needs", name)
		if err != nil {
			return f.Done(err)
		}
		a.addFile("bin/"+name, 0o755, program)
	}
	a.addFile("bin/busybox", 0o755, busybox)
	for _, file := range licences {
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			a.addFile("licences/busybox-"+filepath.Base(file), 0o644, file)
		}
	}
	a.add("SHA256SUMS", 0o644, a.sums)
	return f.Done(errors.Join(a.err, a.out.Close(), compressed.Close()))
}

// archive adds files until there is an error.
type archive struct {
	out  *tar.Writer
	sums []byte
	err  error
}

func (a *archive) addFile(name string, mode int64, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		a.err = errors.Join(a.err, err)
		return
	}
	a.add(name, mode, data)
}

func (a *archive) add(name string, mode int64, data []byte) {
	if a.err != nil {
		return
	}
	a.sums = fmt.Appendf(a.sums, "%x  %s\n", sha256.Sum256(data), name)
	a.err = a.out.WriteHeader(&tar.Header{Name: Dir + "/" + name, Mode: mode, Size: int64(len(data)),
		ModTime: time.Unix(0, 0), Format: tar.FormatPAX})
	if a.err == nil {
		_, a.err = a.out.Write(data)
	}
}
