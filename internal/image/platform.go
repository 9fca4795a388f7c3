package image

import (
	"runtime"
	"strings"
)

// compatibleArch returns another architecture whose programs a machine runs without an emulator, or "".
func compatibleArch(machine string) string {
	switch machine {
	case "amd64":
		return "386"
	case "arm64":
		return "arm"
	}
	return ""
}

// ForeignPlatform returns the platform of an image, as OS/ARCHITECTURE, if this machine needs an
// emulator to run its programs. It returns "" for an image that does not specify its platform.
func ForeignPlatform(os, arch string) string { return foreignPlatform(os, arch, runtime.GOARCH) }

func foreignPlatform(os, arch, machine string) string {
	if os == "" {
		os = "linux"
	}
	if os != "linux" {
		return os + "/" + arch
	}
	if arch == "" || arch == machine || arch == compatibleArch(machine) {
		return ""
	}
	return os + "/" + arch
}

// PlatformWarning returns the warning for an image built for another platform.
func PlatformWarning(name, platform string) string {
	return "image " + name + " is for " + platform + ", but this machine is linux/" + runtime.GOARCH +
		"; its programs need an emulator\nhint: choose an image for this machine, or install QEMU: on Debian, " +
		"apt-get install qemu-user-static binfmt-support"
}

// IsForPlatform reports whether an image is for a platform, OS/ARCHITECTURE[/VARIANT], or "" for any.
func (c *Config) IsForPlatform(platform string) bool {
	if platform == "" {
		return true
	}
	parts := strings.Split(platform, "/")
	return parts[0] == c.OS && parts[1] == c.Architecture && (len(parts) == 2 || c.Variant == "" || parts[2] == c.Variant)
}
