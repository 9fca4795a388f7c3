package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sendNotify sends each message to NOTIFY_SOCKET (sd_notify(3)).
func sendNotify(messages []string) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		fatal(err.Error())
	}
	to := &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}
	for _, m := range messages {
		if err := unix.Sendto(fd, []byte(m), 0, to); err != nil {
			fmt.Println(name(err))
		}
	}
}
