package interrupt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestSignalCancelsContext(t *testing.T) {
	ctx, stop := Context()
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	var by *SignalError
	if cause := context.Cause(ctx); !errors.As(cause, &by) || by.Signal != syscall.SIGTERM ||
		!errors.Is(cause, context.Canceled) {
		t.Errorf("%v", context.Cause(ctx))
	}
}

func TestIsOutputBroken(t *testing.T) {
	for want, err := range map[bool]error{
		true:  &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE},
		false: &fs.PathError{Op: "write", Path: "/tmp/f", Err: syscall.EPIPE},
	} {
		if got := IsOutputBroken(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
