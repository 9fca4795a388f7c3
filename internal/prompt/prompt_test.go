package prompt

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/language"
)

// onTerminal makes a new terminal standard input, types text, and discards standard error.
func onTerminal(t *testing.T, typed string) *os.File {
	t.Helper()
	master, path, err := console.NewPty()
	if err != nil {
		t.Skip("no pseudo-terminal could be opened: ", err)
	}
	slave, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	in, out := os.Stdin, os.Stderr
	os.Stdin, os.Stderr = slave, null
	t.Cleanup(func() {
		os.Stdin, os.Stderr = in, out
		_, _, _ = slave.Close(), master.Close(), null.Close()
	})
	if _, err := master.Write([]byte(typed)); err != nil {
		t.Fatal(err)
	}
	return slave
}

func TestConfirm(t *testing.T) {
	for typed, want := range map[string]bool{
		"y\n": true, "YES\n": true, " y \n": true, "\n": false, "n\n": false, "yy\n": false, "\x04": false,
	} {
		onTerminal(t, typed)
		if got, err := Confirm(context.Background(), "this removes everything"); err != nil || got != want {
			t.Errorf("%q: %v, %v", typed, got, err)
		}
	}
}

// TestConfirmInPortuguese: the letter that the translated question asks for is an answer, and only there.
func TestConfirmInPortuguese(t *testing.T) {
	for typed, want := range map[string]bool{"s\n": true, "Sim\n": true, "y\n": true, "n\n": false, "ss\n": false} {
		onTerminal(t, typed)
		t.Setenv(language.Variable, "pt")
		if got, err := Confirm(context.Background(), ""); err != nil || got != want {
			t.Errorf("%q: %v, %v", typed, got, err)
		}
	}
	onTerminal(t, "s\n")
	t.Setenv(language.Variable, "en")
	if got, err := Confirm(context.Background(), ""); err != nil || got {
		t.Errorf("s in English: %v, %v", got, err)
	}
}

func TestQuestionsNeedTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func(in *os.File) { os.Stdin = in; _ = null.Close() }(os.Stdin)
	os.Stdin = null
	_, err1 := Confirm(context.Background(), "")
	_, err2 := Line(context.Background(), "")
	_, err3 := Secret(context.Background(), "")
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, ErrNoTerminal) {
			t.Errorf("%v", err)
		}
	}
}

// TestEchoReturnsAfterCancel: a question that a signal interrupts leaves the terminal as it was.
func TestEchoReturnsAfterCancel(t *testing.T) {
	slave := onTerminal(t, "")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := Secret(ctx, "Password")
		done <- err
	}()
	for echoes(t, slave) {
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if !echoes(t, slave) {
		t.Error("the terminal does not echo")
	}
}

func echoes(t *testing.T, slave *os.File) bool {
	t.Helper()
	termios, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return termios.Lflag&unix.ECHO != 0
}

func TestReadLine(t *testing.T) {
	for in, want := range map[string]string{"a b\r\nc": "a b", "": "", "end": "end"} {
		if got, err := readLine(context.Background(), strings.NewReader(in)); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}
