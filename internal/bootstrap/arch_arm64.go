package bootstrap

// The machine of the image, as in elf(5), and its segment alignment: arm64 kernels
// have pages of 4, 16 or 64 KiB.
const (
	machine = 183 // EM_AARCH64
	align   = 64 << 10
)
