// Package prompt asks the user of a command: whether to continue, or for a name or a password.
package prompt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// ErrNoTerminal is the cause when a question cannot be asked.
var ErrNoTerminal = errors.New("standard input is not a terminal")

// Confirm prints what is about to happen and asks whether to continue. Only y and yes mean yes,
// and s and sim if the question is in Portuguese. The error is ErrNoTerminal if standard input is not a terminal.
func Confirm(ctx context.Context, what string) (bool, error) {
	if !stdio.Descriptor(os.Stdin.Fd()).IsTerminal() {
		return false, ErrNoTerminal
	}
	termtext.Fprintf(os.Stderr, "%s\n%s ", termtext.Multiline(language.Text(strings.TrimRight(what, "\n"))),
		language.Text("Continue? [y/N]"))
	answer, err := readLine(ctx, os.Stdin)
	if err != nil {
		return false, err
	}
	return isYes(answer), nil
}

func isYes(answer string) bool {
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	case "s", "sim":
		return language.Current() == "pt-BR"
	}
	return false
}

// Line asks for a line of text.
func Line(ctx context.Context, question string) (string, error) {
	if !stdio.Descriptor(os.Stdin.Fd()).IsTerminal() {
		return "", ErrNoTerminal
	}
	termtext.Fprintf(os.Stderr, "%s: ", language.Text(question))
	return readLine(ctx, os.Stdin)
}

// Secret asks for a line of text that the terminal does not show.
func Secret(ctx context.Context, question string) (text string, err error) {
	fd := int(os.Stdin.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", ErrNoTerminal
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &silent); err != nil {
		return "", fmt.Errorf("cannot turn off the terminal's echo: %w", err)
	}
	// Also when a signal ends the context: the shell must echo again.
	defer func() {
		err = errors.Join(err, unix.IoctlSetTermios(fd, unix.TCSETSF, before))
		fmt.Fprintln(os.Stderr)
	}()
	termtext.Fprintf(os.Stderr, "%s: ", language.Text(question))
	return readLine(ctx, os.Stdin)
}

// readLine reads a line, without its end. The end of the input is an empty answer.
func readLine(ctx context.Context, from io.Reader) (string, error) {
	line, err := bufio.NewReader(ctxio.NewReader(ctx, from)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}
