package image

import "runtime"

// alsoRuns are the architectures whose programs a machine runs besides its own, without
// an emulator.
var alsoRuns = map[string]string{"amd64": "386", "arm64": "arm"}

// ForeignPlatform returns the platform of an image, as OS/ARCHITECTURE, if this machine
// does not run its programs without an emulator. It returns "" for an image that does not
// say what it is for.
func ForeignPlatform(os, arch string) string { return foreignPlatform(os, arch, runtime.GOARCH) }

func foreignPlatform(os, arch, machine string) string {
	if os == "" {
		os = "linux"
	}
	if os != "linux" {
		return os + "/" + arch
	}
	if arch == "" || arch == machine || arch == alsoRuns[machine] {
		return ""
	}
	return os + "/" + arch
}

// PlatformWarning is what the user of an image for another platform reads.
func PlatformWarning(name, platform string) string {
	return "image " + name + " is for " + platform + ", and this machine is linux/" + runtime.GOARCH +
		": its programs need an emulator\nhint: choose an image for this machine, or register QEMU: on Debian, apt-get install qemu-user-static binfmt-support"
}
