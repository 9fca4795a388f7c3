package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Write creates the directory of a new lab with the files of a template. The directory's name begins
// with the lab's number, such as 20-my-lab. After an error nothing is left.
func Write(template fs.FS, dir string) error {
	number, name, ok := strings.Cut(filepath.Base(dir), "-")
	if !ok || len(number) != 2 || name == "" || strings.Trim(number, "0123456789") != "" {
		return fmt.Errorf("%s: the name must begin with two digits and a dash\nhint: minirun lab new 20-%[1]s",
			filepath.Base(dir))
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	err := fs.WalkDir(template, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		to := filepath.Join(dir, path)
		if d.IsDir() {
			return os.Mkdir(to, 0o755)
		}
		data, err := fs.ReadFile(template, path)
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(data), "{{number}}", strings.TrimLeft(number, "0"))
		return os.WriteFile(to, []byte(text), 0o644)
	})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}
