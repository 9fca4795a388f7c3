package bootstrap

// The machine of the image, as in elf(5), and its segment alignment.
const (
	machine = 62 // EM_X86_64
	align   = 4096
)
