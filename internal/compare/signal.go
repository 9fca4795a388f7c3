package compare

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/signals"
)

// CancelOnSignal returns a context that is canceled by a signal that asks to exit:
// compare has containers to delete. A stop from the terminal stops it.
func CancelOnSignal() (context.Context, error) {
	queue, err := signals.Catch()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { // ends with minirun
		for {
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(queue.FD), Events: unix.POLLIN}}, -1)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
			came, err := queue.Pending()
			if err != nil {
				return
			}
			for _, s := range came {
				switch {
				case signals.IsTermination(s):
					cancel(&wait.Interrupted{Signal: s})
				case s == unix.SIGTSTP:
					signals.Suspend(s)
				}
			}
		}
	}()
	return ctx, nil
}
