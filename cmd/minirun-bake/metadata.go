package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// digestKey is the key of the image's digest in the metadata of a build.
const digestKey = "containerimage.digest"

func readMetadata(file string) (map[string]any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return out, nil
}

// writeMetadata writes the metadata of each build by target, as buildx does. A target that was
// built only because others need it is included, without an image.
func writeMetadata(file string, jobs []*job) error {
	all := map[string]any{}
	for _, j := range jobs {
		switch {
		case j.metadata != nil && j.linked:
			all[j.name] = map[string]any{}
		case j.metadata != nil:
			all[j.name] = j.metadata
		}
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = replaceFile(file, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("build bake: --metadata-file: %w", err)
	}
	return nil
}

// replaceFile writes a file atomically. It writes directly to a device or a pipe.
func replaceFile(file string, text []byte) (err error) {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(file, text, 0o644)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".bake-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err = f.Write(text); err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
