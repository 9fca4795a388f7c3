package crash

import "golang.org/x/sys/unix"

const sysFstatat = unix.SYS_FSTATAT

var oldCalls []call
