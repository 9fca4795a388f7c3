// Package reconfigure changes the config.json of a container created from an image, which is stopped or
// keeps running with what it was started with.
package reconfigure

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// Move returns a config.json for a container whose directory is renamed.
func Move(config []byte, from, to string) ([]byte, error) {
	return change(config, func(c *specs.Spec) error {
		move := func(path string) string {
			if rest, ok := strings.CutPrefix(path, from+"/"); ok {
				return filepath.Join(to, rest)
			}
			return path
		}
		for i := range c.Mounts {
			c.Mounts[i].Source = move(c.Mounts[i].Source)
		}
		for i := range c.Linux.Namespaces {
			c.Linux.Namespaces[i].Path = move(c.Linux.Namespaces[i].Path)
		}
		for key, value := range c.Annotations {
			c.Annotations[key] = move(value)
		}
		return moveLayers(c, move)
	})
}

// moveLayers moves the layers: an image without any has an empty directory.
func moveLayers(c *specs.Spec, move func(string) string) error {
	text, ok := c.Annotations[spec.AnnotationLayers]
	if !ok {
		return nil
	}
	var layers []string
	if err := json.Unmarshal([]byte(text), &layers); err != nil {
		return fmt.Errorf("%s: %w", spec.AnnotationLayers, err)
	}
	for i := range layers {
		layers[i] = move(layers[i])
	}
	quoted, err := json.Marshal(layers)
	c.Annotations[spec.AnnotationLayers] = string(quoted)
	return err
}

// Limit returns a config.json with changed resources. Fields that the changes do not have stay, and so
// do devices, which are not limits.
func Limit(config []byte, changes *specs.LinuxResources) ([]byte, error) {
	return change(config, func(c *specs.Spec) error {
		if c.Linux.Resources == nil {
			c.Linux.Resources = &specs.LinuxResources{}
		}
		before, err := toObject(c.Linux.Resources)
		if err != nil {
			return err
		}
		after, err := toObject(changes)
		if err != nil {
			return err
		}
		delete(after, "devices")
		for name, value := range after {
			old, isOld := before[name].(map[string]any)
			fields, isObject := value.(map[string]any)
			if isOld && isObject {
				maps.Copy(old, fields)
			} else {
				before[name] = value
			}
		}
		text, err := json.Marshal(before)
		if err != nil {
			return err
		}
		c.Linux.Resources = &specs.LinuxResources{}
		return json.Unmarshal(text, c.Linux.Resources)
	})
}

func toObject(r *specs.LinuxResources) (object map[string]any, err error) {
	text, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(text, &object)
	}
	return object, err
}

// change decodes and encodes a config.json.
func change(config []byte, do func(*specs.Spec) error) ([]byte, error) {
	var c specs.Spec
	err := json.Unmarshal(config, &c)
	if err == nil {
		err = do(&c)
	}
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return spec.Compact(&c)
}
