// Command minirun-translate translates the texts of minirun's other programs, which start it if the language
// is not English. It is a separate program because the catalogue, and the library that prints its messages,
// would make each start of a container slower.
//
//	printf 'permission denied\0' | minirun-translate pt-BR
//
// Each text ends with a zero byte, and so does its translation. A text without a translation comes back as it
// is. The program exits at the end of its input.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/translate"
)

func main() {
	// The signals of a terminal are for the program that reads the answers.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "minirun-translate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	name := language.Current()
	if len(args) > 0 {
		name = args[0]
	}
	text := func(text string) string { return text }
	if name != language.English {
		t, err := translate.New(name)
		if err != nil {
			return err
		}
		text = t.Text
	}
	return answer(os.Stdin, os.Stdout, text)
}

// answer translates each text as soon as it is complete.
func answer(r io.Reader, w io.Writer, translate func(string) string) error {
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadString(0)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if _, err := io.WriteString(w, translate(strings.TrimSuffix(text, "\x00"))+"\x00"); err != nil {
			return err
		}
	}
}
