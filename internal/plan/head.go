package plan

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/language"
)

// Head writes the part before the steps in human-readable form: the namespaces the
// process is created in, and the descriptors its parent opens for it.
func (p *Plan) Head(w io.Writer, cloneflags uintptr) error {
	var out strings.Builder
	flags := cloneText(uint64(cloneflags) | uint64(unix.SIGCHLD))
	out.WriteString("# parent\n")
	for _, f := range p.Files {
		fmt.Fprintf(&out, "      %-34s %s = %d", language.Text("open "+f.Name), language.Text(f.openingText()), f.Descriptor)
		if f.Source != "" {
			fmt.Fprintf(&out, "  // %s", f.Source)
		}
		out.WriteByte('\n')
	}
	fmt.Fprintf(&out, "      %-34s clone(%s)\n", language.Text("create the process"), flags)
	const execve = `execve("/proc/self/fd/...", ["minirun-init"], [])`
	fmt.Fprintf(&out, "      %-34s %s  // %s\n\n", language.Text("run the plan in it"), execve,
		language.Text("the steps below, in a sealed memfd"))
	_, err := io.WriteString(w, out.String())
	return err
}

func (f *File) openingText() string {
	switch f.Open {
	case MapIDs:
		return fmt.Sprintf("a user namespace with uid_map %q, gid_map %q", f.Maps[0], f.Maps[1])
	case Device:
		return fmt.Sprintf("a mount of mknod(%#o, makedev(%d, %d)), owner %d:%d",
			f.Node.Mode, unix.Major(f.Node.Number), unix.Minor(f.Node.Number), f.Node.UID, f.Node.GID)
	case Process:
		return "pidfd_open(" + f.Path + ", 0)"
	case Pipe:
		return "pipe2(O_CLOEXEC), its reading end"
	case Append:
		return fmt.Sprintf("open(%q, O_WRONLY|O_APPEND|O_CREAT|O_CLOEXEC)", f.Path)
	case Init:
		return fmt.Sprintf("a sealed memfd with the %d steps at the end of this text", len(f.Plan.Steps))
	case Memory:
		return "memfd_create(MFD_CLOEXEC)"
	}
	return fmt.Sprintf("open(%q, O_RDONLY|O_CLOEXEC)", f.Path)
}
