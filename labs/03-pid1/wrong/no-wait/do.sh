# it handles signals, but reading is not waiting for children
cat >bundle/rootfs/app/start.sh <<'END'
#!/bin/sh
trap 'exit 0' TERM INT
/app/worker &
[ -p /tmp/never ] || mkfifo /tmp/never
exec 3<>/tmp/never
read line <&3
END
